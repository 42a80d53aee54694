"""Lists of hotfixes: one row a hotfix with its last revision, page by page, in a constant number of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from patchline.patches.errors import UsageError
from patchline.releaser.hotfixes import find
from patchline.releaser.tables.hotfixes import Approval, Hotfix, Revision, RevisionCve, RevisionFix

MOST = 1000


@dataclass(frozen=True)
class Filter:
    """Which hotfixes are asked for; None asks for nothing in particular. `text` is looked for in id and title."""

    product: str | None = None
    baseline: str | None = None
    states: tuple[str, ...] = ()
    severity: str | None = None
    kind: str | None = None
    fix: str | None = None
    cve: str | None = None
    campaign: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class Row:
    """A hotfix in a list, with its last revision."""

    hotfix: str
    revision: int
    state: str
    product: str
    baseline: str
    kind: str
    severity: str
    title: str
    customers: tuple[str, ...] | None
    campaign: str | None
    legacy: bool
    added: datetime
    since: datetime | None
    """When it was published."""
    fixes: tuple[str, ...]
    approved_by: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """Some rows, the newest hotfixes first.

    Attributes:
        after: give this to `listed` for the next page; None on the last one.
    """

    rows: tuple[Row, ...]
    after: str | None


def listed(session: Session, wanted: Filter, *, limit: int = 50, after: str | None = None) -> Page:
    """Return a page of hotfixes.

    Args:
        session: to read from.
        wanted: which.
        limit: how many rows.
        after: the last hotfix of the page before.

    Raises:
        UsageError: the limit is out of bounds.
        NotFoundError: there is no such hotfix to go on after.
    """
    if not 1 <= limit <= MOST:
        raise UsageError("hotfix-field", f"a page has 1 to {MOST} rows, not {limit}")
    query = select(Hotfix, Revision).join(Revision, Revision.hotfix == Hotfix.id).where(_is_last())
    query = query.where(*_conditions(wanted))
    if after is not None:
        start = session.get_one(Hotfix, find(session, after).hotfix)
        query = query.where(or_(Hotfix.added < start.added, and_(Hotfix.added == start.added, Hotfix.id < start.id)))
    found = list(session.execute(query.order_by(Hotfix.added.desc(), Hotfix.id.desc()).limit(limit + 1)))
    pairs: list[tuple[Hotfix, Revision]] = [(row.Hotfix, row.Revision) for row in found[:limit]]
    ids = [revision.id for _, revision in pairs]
    fixes, persons = _by_revision(session, RevisionFix, ids), _by_revision(session, Approval, ids)
    rows = tuple(_row(hotfix, revision, fixes, persons) for hotfix, revision in pairs)
    return Page(rows, rows[-1].hotfix if len(found) > limit else None)


def _is_last() -> ColumnElement[bool]:
    other = aliased(Revision)
    newest = select(func.max(other.number)).where(other.hotfix == Hotfix.id).scalar_subquery()
    return Revision.number == newest


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    pairs = (
        (Hotfix.product, wanted.product),
        (Hotfix.baseline, wanted.baseline),
        (Hotfix.severity, wanted.severity),
        (Hotfix.kind, wanted.kind),
        (Hotfix.campaign, wanted.campaign),
    )
    found = [column == value for column, value in pairs if value is not None]
    if wanted.states:
        found.append(Revision.state.in_(wanted.states))
    if wanted.fix is not None:
        found.append(Revision.id.in_(select(RevisionFix.revision).where(RevisionFix.fix == wanted.fix)))
    if wanted.cve is not None:
        found.append(Revision.id.in_(select(RevisionCve.revision).where(RevisionCve.cve == wanted.cve)))
    if wanted.text is not None:
        like = f"%{wanted.text.replace('/', '//').replace('%', '/%').replace('_', '/_')}%"
        found.append(or_(Hotfix.id.ilike(like, escape="/"), Hotfix.title.ilike(like, escape="/")))
    return found


def _by_revision(
    session: Session, table: type[RevisionFix] | type[Approval], ids: Sequence[int]
) -> dict[int, list[str]]:
    """Return the fixes, or the persons who approved, of each revision."""
    told = RevisionFix.fix if table is RevisionFix else Approval.person
    query = select(table.revision, told.label("told")).where(table.revision.in_(ids)).order_by(table.revision, told)
    found: dict[int, list[str]] = {}
    for row in session.execute(query):
        found.setdefault(row.revision, []).append(row.told)
    return found


def _row(hotfix: Hotfix, revision: Revision, fixes: dict[int, list[str]], persons: dict[int, list[str]]) -> Row:
    return Row(
        hotfix=hotfix.id,
        revision=revision.number,
        state=revision.state,
        product=hotfix.product,
        baseline=hotfix.baseline,
        kind=hotfix.kind,
        severity=hotfix.severity,
        title=hotfix.title,
        customers=None if hotfix.customers is None else tuple(hotfix.customers),
        campaign=hotfix.campaign,
        legacy=hotfix.legacy,
        added=hotfix.added,
        since=revision.published,
        fixes=tuple(fixes.get(revision.id, hotfix.fixes)),
        approved_by=tuple(dict.fromkeys(persons.get(revision.id, ()))),
    )
