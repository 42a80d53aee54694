"""Tokens by which programs come in, and the answers that were given to a request already.

No column holds a secret: of a token there is only the digest here, and the few characters by which people know it.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base

PERSON, SITE_DOWNLOAD, SITE_REPORT = "person", "site-download", "site-report"
TOKEN_KINDS = (PERSON, SITE_DOWNLOAD, SITE_REPORT)
_OWNER = f"(kind = '{PERSON}') = (person IS NOT NULL) AND (kind = '{PERSON}') = (site IS NULL)"


class Token(Base):
    """A token of a person's programs, or of a site.

    Attributes:
        prefix: the beginning by which people and scanners of leaked secrets know it.
        digest: SHA-256 of the whole token.
        scopes: what it is good for, as `releaser.access.tokens` names it; never more than its person may.
        person, site: for whom it acts; exactly one of them.
        made_by: a person's id, or the id of a customer's member.
        used: when it was last used; written down every hour at most.
        revoked: when it was ended before its time.
    """

    __tablename__ = "token"
    __table_args__ = (
        CheckConstraint(f"kind IN {TOKEN_KINDS!r}", name="kind"),
        CheckConstraint(_OWNER, name="owner"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(80))
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    person: Mapped[str | None] = mapped_column(ForeignKey("person.id"), index=True)
    site: Mapped[int | None] = mapped_column(ForeignKey("site.id"), index=True)
    made: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(String(64))
    expires: Mapped[datetime]
    used: Mapped[datetime | None]
    revoked: Mapped[datetime | None]
    revoked_by: Mapped[str | None] = mapped_column(String(64))


class Answered(Base):
    """A request that named an idempotency key, and what it was answered; kept for a day.

    Attributes:
        owner: whose key it is, such as the prefix of a token.
        request: SHA-256 of what was asked.
        status: None while it is being carried out.
    """

    __tablename__ = "answered"

    owner: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    request: Mapped[str] = mapped_column(String(64))
    begun: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any]] = mapped_column(JSON)
    body: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
