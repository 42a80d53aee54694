"""Who has it, who lacks it, of whom nothing is known: asked of indexes alone, in a number of statements that stands still.

What the question is about is found first (`subjects`); the sites come in a second step, since databases plan both in
one badly. A site is judged in one place, `judged`; the conditions here say the same to the database, and tests compare
them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    func,
    or_,
    select,
)
from sqlalchemy.orm import Session

from patchline.patches.errors import UsageError
from patchline.patches.statements import time_text
from patchline.releaser.fleet.matching import NEVER, having, heard, in_scope, matching, of_products
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.fleet.subjects import NOT_FOR_THEM, Answer, Subject
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Applied, EvidenceGrade, SiteState

MOST = 1000
"""Sites of one page."""


@dataclass(frozen=True)
class Count:
    """The sites of one baseline, or of none that is known.

    Attributes:
        sites: all of them.
        silent: those of which nothing was ever heard.
        applied: those that have applied it, of which `pending` do not use it yet.
        waiting: those heard of that have not applied it and for whose customers it is.
        oldest, newest: of what is known of those that applied it.
    """

    product: str
    baseline: str | None
    sites: int
    silent: int
    applied: int
    pending: int
    waiting: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True)
class Totals:
    """All sites of the products, each in one of the four.

    Attributes:
        by_baseline: those of `has` that need nothing, as their baseline has it or is not affected.
        pending: those of `has` whose running processes do not use it yet.
        oldest, newest: of what is known of those that have applied it.
    """

    has: int = 0
    lacks: int = 0
    unknown: int = 0
    not_applicable: int = 0
    by_baseline: int = 0
    pending: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None

    @property
    def sites(self) -> int:
        """All of them."""
        return self.has + self.lacks + self.unknown + self.not_applicable

    def as_document(self) -> dict[str, Any]:
        """Return it for `--json`."""
        moments = {"oldest": self.oldest, "newest": self.newest}
        told = {name: time_text(moment) if moment else None for name, moment in moments.items()}
        return {**vars(self), **told, "sites": self.sites}


@dataclass(frozen=True)
class Having:
    """A revision in force at a site."""

    revision: int
    label: str
    coverage: str
    at: datetime
    pending: bool


@dataclass(frozen=True)
class SiteRow:
    """A site in an answer.

    Attributes:
        why: in words, for those whose baseline says it or of which nothing is known.
        applied: what it has that counts, or that mends it in part.
        pending: what runs there does not use yet what counts.
        as_of: the moment at which it was so.
        unknown: hotfixes in force there that the register does not know.
        contested: a restored or cloned site reports beside it.
    """

    site: int
    name: str
    customer: str
    product: str
    baseline: str | None
    label: str | None
    evidence: EvidenceGrade
    as_of: datetime | None
    contested: bool
    unfinished: bool
    unknown: int
    answer: Answer
    why: str
    applied: tuple[Having, ...] = ()
    pending: bool = False


@dataclass(frozen=True)
class Page:
    """Some sites, by customer; `after` is where the next page begins, None on the last one."""

    rows: tuple[SiteRow, ...]
    after: str | None


# Judging one site


def is_known(baseline: str | None, evidence: str) -> bool:
    """Tell whether a site's level is known at all."""
    return baseline is not None and evidence != NEVER


def judged(
    subject: Subject, customer: str, product: str, baseline: str | None, evidence: str, applied: bool
) -> tuple[Answer, str]:
    """Answer for one site, with the reason where it is not what the site applied."""
    if evidence == NEVER:
        return Answer.UNKNOWN, "nothing was ever heard of it"
    if baseline is None:
        return Answer.UNKNOWN, "its baseline is not known"
    if applied:
        return Answer.HAS, ""
    ground = subject.ground((product, baseline))
    if ground.answer is Answer.LACKS and subject.customers is not None and customer not in subject.customers:
        return Answer.NOT_APPLICABLE, NOT_FOR_THEM
    return ground.answer, ground.why


# Counting


def counts(session: Session, subject: Subject) -> list[Count]:
    """Count the sites of each baseline of the products, in one statement."""
    return [Count(**row) for row in session.execute(counting(subject)).mappings()]


def counting(subject: Subject) -> Select[*tuple[Any, ...]]:
    """Return the statement that counts."""
    there = having(subject)
    has_it = and_(heard(), there.c.site.is_not(None))
    waits = and_(heard(), there.c.site.is_(None), in_scope(subject))
    return (
        select(
            SiteState.product,
            SiteState.baseline,
            func.count().label("sites"),
            _sum(SiteState.evidence == NEVER).label("silent"),
            _sum(has_it).label("applied"),
            _sum(and_(has_it, there.c.pending == 1)).label("pending"),
            _sum(waits).label("waiting"),
            func.min(case((has_it, SiteState.as_of))).label("oldest"),
            func.max(case((has_it, SiteState.as_of))).label("newest"),
        )
        .outerjoin(there, there.c.site == SiteState.site)
        .where(*of_products(subject))
        .group_by(SiteState.product, SiteState.baseline)
    )


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def totals(subject: Subject, counted: Sequence[Count]) -> Totals:
    """Add up what was counted."""
    numbers = dict.fromkeys(Answer, 0)
    by_baseline = 0
    for one in counted:
        if one.baseline is None:
            numbers[Answer.UNKNOWN] += one.sites
            continue
        left = one.sites - one.silent - one.applied
        answer = subject.ground((one.product, one.baseline)).answer
        numbers[Answer.UNKNOWN] += one.silent
        numbers[Answer.HAS] += one.applied
        numbers[answer] += one.waiting if answer is Answer.LACKS else left
        if answer is Answer.LACKS:
            numbers[Answer.NOT_APPLICABLE] += left - one.waiting
        by_baseline += left if answer is Answer.HAS else 0
    return Totals(
        has=numbers[Answer.HAS],
        lacks=numbers[Answer.LACKS],
        unknown=numbers[Answer.UNKNOWN],
        not_applicable=numbers[Answer.NOT_APPLICABLE],
        by_baseline=by_baseline,
        pending=sum(one.pending for one in counted),
        oldest=min((one.oldest for one in counted if one.oldest), default=None),
        newest=max((one.newest for one in counted if one.newest), default=None),
    )


# Listing


def listed(
    session: Session, subject: Subject, answer: Answer, *, limit: int | None = 100, after: str | None = None
) -> Page:
    """Return the sites of which a question answers so, by customer.

    Args:
        session: to read from.
        subject: what is asked for.
        answer: which sites.
        limit: how many, None for all.
        after: the last site of the page before, by its name.

    Raises:
        UsageError: the limit is out of bounds.
        NotFoundError: there is no such site to go on after.
    """
    return listed_where(session, subject, matching(subject, answer), limit=limit, after=after)


def listed_where(
    session: Session,
    subject: Subject,
    condition: ColumnElement[bool],
    *,
    limit: int | None = 100,
    after: str | None = None,
) -> Page:
    """Return the sites that a condition holds for, by customer; as `listed`."""
    check_limit(limit)
    query = keys(subject, condition)
    if after is not None:
        query = query.where(_beyond(session, after))
    if limit is not None:
        query = query.limit(limit + 1)
    rows = detailed(session, subject, query)
    cut = limit is not None and len(rows) > limit
    shown = tuple(rows[:limit] if cut else rows)
    return Page(shown, shown[-1].name if cut else None)


def check_limit(limit: int | None) -> None:
    """Raise UsageError for a page that is none."""
    if limit is not None and not 1 <= limit <= MOST:
        raise UsageError("page", f"a page has 1 to {MOST} rows, not {limit}")


def keys(subject: Subject, condition: ColumnElement[bool]) -> Select[str, int]:
    """Return the statement for the customers and sites that a condition holds for, in the order of lists."""
    return (
        select(SiteState.customer, SiteState.site)
        .where(*of_products(subject), condition)
        .order_by(SiteState.customer, SiteState.site)
    )


def _beyond(session: Session, after: str) -> ColumnElement[bool]:
    last = the_site(session, after)
    same = and_(SiteState.customer == last.customer, SiteState.site > last.id)
    return or_(SiteState.customer > last.customer, same)


def detailed(session: Session, subject: Subject, query: Select[str, int]) -> list[SiteRow]:
    """Return what is to be told of the sites that a statement of `keys` finds: two statements more."""
    chosen = query.subquery("chosen")
    columns = (
        SiteState.site,
        Site.name,
        SiteState.customer,
        SiteState.product,
        SiteState.baseline,
        SiteState.label,
        SiteState.evidence,
        SiteState.as_of,
        SiteState.contested,
        SiteState.unfinished,
        SiteState.unknown,
    )
    rows = (
        session.execute(
            select(*columns)
            .join(chosen, chosen.c.site == SiteState.site)
            .join(Site, Site.id == SiteState.site)
            .order_by(chosen.c.customer, chosen.c.site)
        )
        .mappings()
        .all()
    )
    having = _having(session, subject, query, [row["site"] for row in rows])
    return [_row(subject, row, having.get(row["site"], ())) for row in rows]


def _having(
    session: Session, subject: Subject, query: Select[str, int], sites: Sequence[int]
) -> dict[int, tuple[Having, ...]]:
    """Return what the sites have of all that has to do with the subject."""
    told = {**subject.less, **subject.full}
    # A page names its sites, which is read faster; of all sites only the statement can.
    chosen = sites if len(sites) <= MOST else select(query.subquery().c.site)
    applied = (
        select(Applied.site, Applied.revision, Applied.at, Applied.pending)
        .where(Applied.site.in_(chosen), Applied.revision.in_(list(told)))
        .order_by(Applied.site, Applied.revision)
    )
    found: dict[int, list[Having]] = {}
    for row in session.execute(applied) if told else ():
        offer = told[row.revision]
        one = Having(row.revision, offer.label, offer.fix.coverage or "", row.at, row.pending)
        found.setdefault(row.site, []).append(one)
    return {site: tuple(those) for site, those in found.items()}


def _row(subject: Subject, row: Mapping[Any, Any], having: Sequence[Having]) -> SiteRow:
    counting = subject.is_met([one.revision for one in having])
    used = subject.is_met([one.revision for one in having if not one.pending])
    answer, why = judged(subject, row["customer"], row["product"], row["baseline"], row["evidence"], counting)
    told = {**row, "evidence": EvidenceGrade(row["evidence"])}
    return SiteRow(**told, answer=answer, why=why, applied=tuple(having), pending=counting and not used)
