"""What a question on the fleet is about: the revisions that count as having it, and how each baseline stands to it.

- A revision counts if it lists the fix in full, whatever became of it since: a recalled one still mends what it mends.
- A partial fix or a workaround is told beside and never counts.
- A baseline counts by itself if it is said not to be affected, or if a campaign found the commits in its history.
- Of a baseline that nobody has looked at nothing is known: its sites neither have nor lack it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, false, func, null, or_, select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError
from patchline.patches.manifest import Manifest, Reference
from patchline.releaser.catalogue import the_product
from patchline.releaser.hotfixes import find
from patchline.releaser.issues import Fix, Standing, Status, standing
from patchline.releaser.states import State
from patchline.releaser.tables.catalogue import Affected, Issue
from patchline.releaser.tables.hotfixes import Campaign, CampaignBaseline, Hotfix, Revision, RevisionCve, RevisionFix

FULL = "full"
Place = tuple[str, str]
"""Product and label of a baseline."""


class Answer(StrEnum):
    """What a question answers of one site; every site that is not retired has one of them."""

    HAS = "has"
    LACKS = "lacks"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True)
class Offer:
    """A revision that has to do with what is asked for, at one baseline."""

    revision: int
    product: str
    baseline: str
    fix: Fix

    @property
    def label(self) -> str:
        """Its name, such as `HF-2026-0012-r1`."""
        return self.fix.label

    def in_part(self) -> "Offer":
        """Return it as one that mends only a part of what is asked for."""
        return replace(self, fix=replace(self.fix, coverage="partial"))


@dataclass(frozen=True)
class Ground:
    """What a baseline means for those of its sites that have applied nothing that counts.

    Attributes:
        standing: how the baseline stands to the issue; None where the question is not about one.
        offers: what would mend it there.
    """

    answer: Answer
    why: str
    standing: Standing | None = None
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True)
class Subject:
    """What is asked for.

    Attributes:
        full: revisions that count as having it, by their ids.
        less: those that mend it in part or work around it, which do not count.
        grounds: the baselines of which something is known.
        otherwise: what all other baselines mean.
        together: fixes that count when several revisions in force mend all of them.
        parts: those revisions, with what each mends of it.
        customers: whom it is for; None for all.
        workaround: by product, what helps until there is a fix.
    """

    asked: str
    products: tuple[str, ...]
    full: Mapping[int, Offer]
    less: Mapping[int, Offer] = field(default_factory=dict)
    together: frozenset[str] = frozenset()
    parts: Mapping[int, frozenset[str]] = field(default_factory=dict)
    grounds: Mapping[Place, Ground] = field(default_factory=dict)
    otherwise: Ground = Ground(Answer.UNKNOWN, "nobody has looked at this baseline")
    customers: frozenset[str] | None = None
    workaround: Mapping[str, str] = field(default_factory=dict)

    def is_met(self, revisions: Collection[int]) -> bool:
        """Tell whether revisions in force at a site count as having it."""
        if any(revision in self.full for revision in revisions):
            return True
        mended = frozenset[str]().union(*(self.parts.get(revision, frozenset()) for revision in revisions))
        return bool(self.together) and mended == self.together

    def ground(self, place: Place) -> Ground:
        """Return what a baseline means."""
        return self.grounds.get(place, self.otherwise)

    def places(self, *answers: Answer) -> list[Place]:
        """Return the known baselines that mean one of these."""
        return [place for place, ground in self.grounds.items() if ground.answer in answers]


_ELSEWHERE = Ground(Answer.NOT_APPLICABLE, "it is for another baseline")
_NOT_THERE = Ground(Answer.NOT_APPLICABLE, "it is not there")
NOT_FOR_THEM = "it is for other customers"


def _offers(session: Session, *conditions: ColumnElement[bool], coverage: Any = RevisionFix.coverage) -> list[Offer]:
    query = (
        select(Revision.id, Revision.number, Revision.state, Revision.published, coverage.label("coverage"))
        .add_columns(Hotfix.id.label("hotfix"), Hotfix.product, Hotfix.baseline, Hotfix.customers)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .where(*conditions)
        .order_by(Hotfix.id, Revision.number)
    )
    if coverage is RevisionFix.coverage:
        query = query.join(RevisionFix, RevisionFix.revision == Revision.id)
    return [
        Offer(
            revision=row.id,
            product=row.product,
            baseline=row.baseline,
            fix=Fix(
                hotfix=row.hotfix,
                revision=row.number,
                state=State(row.state),
                coverage=row.coverage,
                customers=tuple(row.customers) if row.customers else None,
                published=row.published,
            ),
        )
        for row in session.execute(query)
    ]


# A hotfix


def of_hotfix(session: Session, identifier: str) -> Subject:
    """Ask about a hotfix, or a revision of it; who has a later one, or a hotfix that includes it, has it.

    Raises:
        NotFoundError: there is none.
    """
    last = find(session, identifier)
    least = 1 if identifier == last.hotfix else last.number
    own = _offers(session, Revision.hotfix == last.hotfix, Revision.number >= least, coverage=cast(FULL, Text))
    one = own[-1] if identifier == last.hotfix else own[0]
    hotfix = session.get_one(Hotfix, last.hotfix)
    ground = Ground(Answer.LACKS, "not applied", offers=tuple(own))
    others = _others(session, one)
    fixes, mending = _mending(session, one, others)
    including = {row for row, mends in mending.items() if mends == fixes} | _naming(session, one, others)
    parts = {row: mends for row, mends in mending.items() if row not in including}
    return Subject(
        asked=identifier,
        products=(hotfix.product,),
        full={offer.revision: offer for offer in [*own, *(one for one in others if one.revision in including)]},
        less={one.revision: one.in_part() for one in others if one.revision in parts},
        together=fixes if parts else frozenset(),
        parts=parts,
        grounds={(hotfix.product, hotfix.baseline): ground},
        otherwise=_ELSEWHERE,
        customers=frozenset(hotfix.customers) if hotfix.customers else None,
    )


def _others(session: Session, one: Offer) -> list[Offer]:
    """Return the revisions of other hotfixes for the same baseline."""
    same = [Hotfix.product == one.product, Hotfix.baseline == one.baseline, Hotfix.id != one.fix.hotfix]
    return _offers(session, *same, coverage=cast(FULL, Text))


def _mending(session: Session, one: Offer, others: Sequence[Offer]) -> tuple[frozenset[str], dict[int, frozenset[str]]]:
    """Return what a revision mends in full, and what of that each of the others does."""
    query = select(RevisionFix.revision, RevisionFix.fix).where(
        RevisionFix.revision.in_([one.revision, *(other.revision for other in others)]), RevisionFix.coverage == FULL
    )
    found: dict[int, set[str]] = {}
    for row in session.execute(query):
        found.setdefault(row.revision, set()).add(row.fix)
    own = frozenset(found.pop(one.revision, ()))
    return own, {revision: own & fixes for revision, fixes in found.items() if own & fixes}


def _naming(session: Session, one: Offer, others: Sequence[Offer]) -> set[int]:
    """Return those of the others that say themselves that they stand in a revision's place."""
    query = select(Revision.id, Revision.manifest).where(
        Revision.id.in_([other.revision for other in others]), Revision.manifest.is_not(None)
    )
    word = one.fix.hotfix.encode()
    # Only what has the name in it is read as a manifest.
    return {row.id for row in session.execute(query) if word in row.manifest and _names(row.manifest, one)}


def _names(manifest: bytes, one: Offer) -> bool:
    relations = Manifest.parse(manifest).relations
    named: Iterable[Reference] = (*relations.supersedes, *relations.includes, *relations.merges)
    return any(
        reference.hotfix == one.fix.hotfix and (reference.revision is None or reference.revision >= one.fix.revision)
        for reference in named
    )


def listing_all(fixes: Collection[str]) -> Any:
    """Return a statement for the revisions that list all of these fixes in full."""
    listed = RevisionFix.fix.in_(set(fixes))
    return (
        select(RevisionFix.revision)
        .where(listed, RevisionFix.coverage == FULL)
        .group_by(RevisionFix.revision)
        .having(func.count() == len(set(fixes)))
    )


def of_fixes(session: Session, product: str, fixes: Collection[str]) -> Subject:
    """Ask which revisions of a product mend all of several fixes in full; of baselines it says nothing."""
    listing = Revision.id.in_(listing_all(fixes))
    found = _offers(session, Hotfix.product == product, listing, coverage=cast(FULL, Text))
    return Subject(", ".join(fixes), (product,), {offer.revision: offer for offer in found})


def of_recalled(session: Session, identifier: str | None = None, product: str | None = None) -> Subject:
    """Ask about revisions that were recalled and may be there still.

    Raises:
        NotFoundError: there is no such hotfix or product.
    """
    wanted: list[ColumnElement[bool]] = [Revision.state == State.RECALLED]
    if identifier is not None:
        last = find(session, identifier)
        wanted.append(Revision.hotfix == last.hotfix if identifier == last.hotfix else Revision.id == last.id)
    if product is not None:
        wanted.append(Hotfix.product == the_product(session, product).id)
    found = _offers(session, *wanted, coverage=cast(FULL, Text))
    products = {offer.product for offer in found} | ({product} if product else set())
    full = {offer.revision: offer for offer in found}
    return Subject(identifier or "recalled hotfixes", tuple(sorted(products)), full, otherwise=_NOT_THERE)


# A fix or a CVE


def of_fix(session: Session, fix: str, product: str | None = None) -> Subject:
    """Ask about what is mended, by the id of the fix or issue.

    Raises:
        NotFoundError: the register knows nothing of it, or not the product.
    """
    issues = _issues(session, Issue.id == fix, product)
    return _subject(session, fix, {fix}, {cve for one in issues for cve in one.cve}, issues, product)


def of_cve(session: Session, cve: str, product: str | None = None) -> Subject:
    """Ask about a CVE.

    Raises:
        NotFoundError: the register knows nothing of it, or not the product.
    """
    issues = _issues(session, or_(Issue.id == cve, _mentions(Issue.cve, cve)), product)
    return _subject(session, cve, {one.id for one in issues}, {cve}, issues, product)


def _mentions(column: Any, name: str) -> ColumnElement[bool]:
    """Tell whether a JSON column has a text in it."""
    return cast(column, Text).contains(f'"{name}"', autoescape=True)


def _issues(session: Session, condition: ColumnElement[bool], product: str | None) -> Sequence[Issue]:
    if product is not None:
        the_product(session, product)
    return session.scalars(select(Issue).where(condition, *_of(Issue.product, product)).order_by(Issue.id)).all()


def _of(column: Any, product: str | None) -> list[ColumnElement[bool]]:
    return [column == product] if product is not None else []


def _subject(
    session: Session, asked: str, fixes: set[str], cves: set[str], issues: Sequence[Issue], product: str | None
) -> Subject:
    offers = [*_listed(session, fixes, cves, product), *_drafts(session, fixes, product)]
    contained = _contained(session, fixes, cves, product)
    products = {one.product for one in offers} | {one.product for one in issues} | {place[0] for place in contained}
    if not products:
        raise NotFoundError("fix", f"the register knows nothing of {asked}")
    full = {one.revision: one for one in offers if one.fix.coverage == FULL}
    return Subject(
        asked=asked,
        products=tuple(sorted(products)),
        full=full,
        less={one.revision: one for one in offers if one.fix.coverage not in (FULL, None) and one.revision not in full},
        grounds=_grounds(_marks(session, issues), offers, contained),
        workaround={one.product: one.workaround for one in issues if one.workaround},
    )


def _listed(session: Session, fixes: set[str], cves: set[str], product: str | None) -> list[Offer]:
    narrow = _of(Hotfix.product, product)
    by_fix = _offers(session, RevisionFix.fix.in_(fixes), *narrow)
    named = select(RevisionCve.revision, RevisionCve.fix).where(RevisionCve.cve.in_(cves)).subquery()
    by_cve = _offers(
        session,
        RevisionFix.revision == named.c.revision,
        RevisionFix.fix == named.c.fix,
        *narrow,
    )
    found: dict[int, Offer] = {}
    for one in (*by_fix, *by_cve):
        # A revision may mend it by two names; the fuller one counts.
        if one.revision not in found or one.fix.coverage == FULL:
            found[one.revision] = one
    return list(found.values())


def _drafts(session: Session, fixes: set[str], product: str | None) -> list[Offer]:
    """Return what is to mend it and was not built yet."""
    meant = or_(false(), *(_mentions(Hotfix.fixes, fix) for fix in sorted(fixes)))
    wanted = [Revision.state == State.DRAFT, meant, *_of(Hotfix.product, product)]
    return _offers(session, *wanted, coverage=cast(null(), Text))


def _contained(session: Session, fixes: set[str], cves: set[str], product: str | None) -> dict[Place, str]:
    """Return the baselines whose history has what a campaign carries, with the campaign."""
    mentioned = or_(*(_mentions(Campaign.fixes, name) for name in sorted(fixes | cves)))
    query = (
        select(Campaign.id, Campaign.fixes, CampaignBaseline.product, CampaignBaseline.baseline)
        .join(CampaignBaseline, CampaignBaseline.campaign == Campaign.id)
        .where(mentioned, *_of(Campaign.product, product))
        .where(CampaignBaseline.hotfix.is_(None), CampaignBaseline.head.is_(None))
        .where(CampaignBaseline.stopped_at.is_(None))
    )
    return {
        (row.product, row.baseline): row.id
        for row in session.execute(query)
        if any(_mends(fix, fixes, cves) for fix in row.fixes)
    }


def _mends(fix: Mapping[str, Any], fixes: set[str], cves: set[str]) -> bool:
    named = fix["id"] in fixes or not cves.isdisjoint(fix.get("cve", ()))
    return named and fix.get("coverage", FULL) == FULL


_GRAVEST = (Status.AFFECTED, Status.NO_FIX_PLANNED, Status.INVESTIGATING, Status.NOT_AFFECTED)


def _marks(session: Session, issues: Sequence[Issue]) -> dict[Place, tuple[Status, str | None]]:
    """Return what people say of baselines; where they say several things, the gravest."""
    found: dict[Place, tuple[Status, str | None]] = {}
    for row in session.scalars(select(Affected).where(Affected.issue.in_([issue.id for issue in issues]))):
        place, status = (row.product, row.baseline), Status(row.status)
        if place not in found or _GRAVEST.index(status) < _GRAVEST.index(found[place][0]):
            found[place] = (status, row.reason)
    return found


def _grounds(
    marks: Mapping[Place, tuple[Status, str | None]], offers: Sequence[Offer], contained: Mapping[Place, str]
) -> dict[Place, Ground]:
    by_place: dict[Place, list[Offer]] = {}
    for one in offers:
        by_place.setdefault((one.product, one.baseline), []).append(one)
    found = {}
    for place in {**marks, **by_place, **contained}:
        status, reason = marks.get(place, (None, None))
        found[place] = _ground(status, reason, by_place.get(place, []), contained.get(place))
    return found


def _ground(status: Status | None, reason: str | None, offers: Sequence[Offer], campaign: str | None) -> Ground:
    stands = standing(status, [one.fix for one in offers])
    if stands is Standing.NOT_AFFECTED:
        return Ground(Answer.HAS, f"not affected: {reason}", stands)
    if campaign is not None and status is not Status.AFFECTED:
        return Ground(Answer.HAS, f"the baseline has it, as {campaign} found", stands)
    if stands is Standing.INVESTIGATING:
        return Ground(Answer.UNKNOWN, "its baseline is being investigated", stands)
    if stands is Standing.UNKNOWN:
        # Whatever was made for a baseline says that the baseline needs it, even if it is no fix, or none any more.
        stands = Standing.NO_FIX
    return Ground(Answer.LACKS, str(stands), stands, tuple(offers))
