"""Lists of hotfixes for people: each with how long it has stood so and who is waited for; and one of them from close."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, StoreError
from patchline.patches.statements import time_text
from patchline.releaser import overview
from patchline.releaser.approving.review import Review, review
from patchline.releaser.close_up import CloseUp, close_up
from patchline.releaser.desk.waiting import Stand, stands
from patchline.releaser.hotfixes import find
from patchline.releaser.overview import Filter, Row
from patchline.releaser.policies import newest_root
from patchline.releaser.register import Register
from patchline.releaser.states import ENDED, State
from patchline.releaser.tables.catalogue import Product
from patchline.releaser.tables.hotfixes import Revision

COLUMNS = ("hotfix", "revision", "state", "since", "waits_for", "severity", "product", "baseline", "title")


@dataclass(frozen=True)
class Listed:
    """A hotfix in a list, with how its last revision stands."""

    row: Row
    stand: Stand

    @property
    def label(self) -> str:
        """Name of its last revision."""
        return f"{self.row.hotfix}-r{self.row.revision}"


@dataclass(frozen=True)
class Listing:
    """A page of hotfixes, the products there are, and after which one the next page begins."""

    rows: tuple[Listed, ...]
    products: tuple[str, ...]
    after: str | None


def listed(session: Session, wanted: Filter, *, limit: int, after: str | None) -> Listing:
    """Return a page of hotfixes, the newest first.

    Raises:
        UsageError, NotFoundError: as `overview.listed`.
    """
    page = overview.listed(session, wanted, limit=limit, after=after)
    names = [(row.hotfix, row.revision) for row in page.rows]
    query = select(Revision).where(tuple_(Revision.hotfix, Revision.number).in_(names))
    revisions = {(one.hotfix, one.number): one for one in session.scalars(query)}
    found = stands(session, list(revisions.values()))
    rows = tuple(Listed(row, found[revisions[row.hotfix, row.revision].id]) for row in page.rows)
    products = tuple(session.scalars(select(Product.id).order_by(Product.id)))
    return Listing(rows, products, page.after)


def document(one: Listed) -> dict[str, Any]:
    """Return a row for programs."""
    row = one.row
    return {
        "hotfix": row.hotfix,
        "revision": row.revision,
        "state": row.state,
        "since": time_text(one.stand.since),
        "waits_for": one.stand.who,
        "severity": row.severity,
        "kind": row.kind,
        "product": row.product,
        "baseline": row.baseline,
        "title": row.title,
        "fixes": list(row.fixes),
        "approved_by": list(row.approved_by),
        "campaign": row.campaign,
    }


@dataclass(frozen=True)
class LookedAt:
    """A revision from close.

    Attributes:
        review: what is in it, None as long as nothing was built, or the store has lost it.
        problem: why what was built cannot be shown.
        can_revise: it is the last one and has ended, so the next may begin.
    """

    close: CloseUp
    review: Review | None
    can_revise: bool
    problem: str | None = None


def looked_at(register: Register, identifier: str, person: str, now: datetime) -> LookedAt:
    """Return a revision from close, with what is in it if something was built.

    Raises:
        NotFoundError: there is none.
    """
    found, problem = None, None
    with register.read() as session:
        built = find(session, identifier).manifest_sha256 is not None
    if built:
        try:
            found = review(register, identifier, person, now)
        except StoreError as error:
            problem = error.message
    close = found.close if found is not None else _close(register, identifier, now)
    last = close.revision.number == close.revisions[-1][0]
    can_revise = last and State(close.revision.state) in ENDED and not close.hotfix.legacy
    return LookedAt(close, found, can_revise, problem)


def _close(register: Register, identifier: str, now: datetime) -> CloseUp:
    try:
        root = newest_root(register)
    except NotFoundError:
        root = None
    with register.read() as session:
        return close_up(session, identifier, root, now)
