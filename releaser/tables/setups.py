"""Test setups: sites with an owner team, what they are made of, where one logs in, and where the credentials lie.

No column holds a secret: a credential here says in which place of Vault it is, and in which version.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base

FACETS = ("ldap", "load-balancer", "database", "cloud", "browser", "os", "architecture", "runtime", "other")
KINDS = ("ssh", "database", "ldap", "http")
STRATEGIES = ("database-user", "ssh-certificate", "second-account", "shared-account", "by-hand")
"""How a loan gets credentials that differ from the team's, best first."""


def _one_of(column: str, words: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=column)


class Setup(Base):
    """A site on which a team tests; its level is that of the site.

    Attributes:
        team: whose it is.
        sensitive: lending it needs the lender's own login to Vault.
        edited: the newest change of it, its facets or endpoints.
    """

    __tablename__ = "setup"

    site: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True, autoincrement=False)
    team: Mapped[str] = mapped_column(String(64), index=True)
    sensitive: Mapped[bool]
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    edited: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as the mapper reads it)


class SetupFacet(Base):
    """Something that a setup is made of, such as the database `PostgreSQL 15`; it may have several of a kind."""

    __tablename__ = "setup_facet"
    __table_args__ = (_one_of("kind", FACETS),)

    setup: Mapped[int] = mapped_column(ForeignKey("setup.site"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[str] = mapped_column(String(80), primary_key=True)


class SiteFacets(Base):
    """What a customer's site is made of, as somebody declared; a site without a row is unknown.

    Attributes:
        facets: canonical JSON of kinds and values in order, so that the database can count equal ones.
    """

    __tablename__ = "site_facets"

    site: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True, autoincrement=False)
    facets: Mapped[str] = mapped_column(Text)
    told: Mapped[datetime]
    told_by: Mapped[str] = mapped_column(ForeignKey("person.id"))


class SetupEndpoint(Base):
    """Where one logs in to a setup.

    Attributes:
        address: a URL without a person or password in it.
        strategy: how a loan gets credentials of its own.
        host_fingerprint: of SSH, of the key that a person compared; no password goes to a host that shows another.
        removed: when it was dropped; one of the same name takes the row up again.
    """

    __tablename__ = "setup_endpoint"
    __table_args__ = (UniqueConstraint("setup", "name"), _one_of("kind", KINDS), _one_of("strategy", STRATEGIES))

    id: Mapped[int] = mapped_column(primary_key=True)
    setup: Mapped[int] = mapped_column(ForeignKey("setup.site"))
    name: Mapped[str] = mapped_column(String(63))
    kind: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(300))
    strategy: Mapped[str] = mapped_column(String(16))
    host_fingerprint: Mapped[str | None] = mapped_column(String(50))
    removed: Mapped[datetime | None]


class SetupCredential(Base):
    """Where a credential lies in Vault, never what it is.

    Attributes:
        audience: who uses it.
        mount: the engine in Vault; `path` is below it.
        number: the newest version in Vault that was proved to work.
        username: a hint for people.
        rotated: when it was last replaced, and the one before proved dead.
    """

    __tablename__ = "setup_credential"
    __table_args__ = (UniqueConstraint("endpoint", "audience"), _one_of("audience", ("team", "loan")))

    id: Mapped[int] = mapped_column(primary_key=True)
    endpoint: Mapped[int] = mapped_column(ForeignKey("setup_endpoint.id"))
    audience: Mapped[str] = mapped_column(String(16))
    mount: Mapped[str] = mapped_column(String(64))
    path: Mapped[str] = mapped_column(String(200))
    number: Mapped[int]
    username: Mapped[str] = mapped_column(String(200))
    rotated: Mapped[datetime | None]
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
