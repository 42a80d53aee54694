"""Tokens by which a customer's machines fetch for one site: made, listed and ended by the customer's administrators."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError
from patchline.releaser.access import tokens
from patchline.releaser.access.tokens import RULES, Listed, Made, NewToken
from patchline.releaser.portal.acting import Visitor, own_site, require_admin
from patchline.releaser.register import Change
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.tokens import SITE_DOWNLOAD, Token

LIVES = {"1": timedelta(days=1), "7": timedelta(days=7), "30": RULES[SITE_DOWNLOAD].longest}
"""How many days they may be asked for."""


def make(change: Change, who: Visitor, site: str, name: str, days: str) -> Made:
    """Make a token that fetches for a site, and does nothing else.

    Raises:
        RefusedError: who acts is no administrator.
        NotFoundError: the customer has no such site.
        UsageError: it cannot be called so, or lives too long.
    """
    require_admin(who)
    own = own_site(change.session, who, site)
    life = LIVES.get(days, timedelta(0))
    made = tokens.issue(change.session, NewToken(SITE_DOWNLOAD, name, site=own.name, life=life), change.by, change.now)
    change.record("token.make", made.listed.prefix, {"site": own.name, "kind": SITE_DOWNLOAD, "name": name})
    return made


def listed(session: Session, customer: str) -> Sequence[Listed]:
    """Return the tokens of a customer's sites by their names, the vendor's too, those that ended as well."""
    query = select(Token, Site.name).join(Site, Site.id == Token.site).where(Site.customer == customer)
    rows = session.execute(query.order_by(Token.id.desc()).limit(1000)).all()
    return [tokens.as_listed(row.Token, row.name) for row in rows]


def end(change: Change, who: Visitor, prefix: str) -> None:
    """End a token of one of the customer's sites.

    Raises:
        RefusedError: who acts is no administrator.
        NotFoundError: there is none.
    """
    require_admin(who)
    query = select(Token).join(Site, Site.id == Token.site).where(Token.prefix == prefix, Site.customer == who.customer)
    found = change.session.scalars(query.with_for_update(of=Token)).one_or_none()
    if found is None:
        raise NotFoundError("own-token", f"you have no token that begins with {prefix[:16]!r}")
    if found.revoked is None:
        found.revoked, found.revoked_by = change.now, change.by
        change.session.flush()
        change.record("token.revoke", found.prefix)
