"""Issues: which baselines something is wrong with, what helps meanwhile, and where its fix stands.

That a baseline is affected is known before there is a fix, and is said by people. Where the fix stands follows from the
hotfixes: only a published one that mends it in full counts as fixed; a workaround, a partial fix, a held or recalled
one never does.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches import identifiers
from patchline.patches.errors import NotFoundError, StateError, UsageError
from patchline.patches.manifest import SEVERITIES
from patchline.patches.wording import counted
from patchline.releaser.catalogue import named_baselines, the_product
from patchline.releaser.contains import Place, contains, understand
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.states import State
from patchline.releaser.tables.catalogue import Affected, Baseline, Issue
from patchline.releaser.tables.hotfixes import Hotfix, Revision, RevisionCve, RevisionFix
from patchline.releaser.tables.people import Role

WRITERS = (Role.ENGINEER, Role.RELEASE_MANAGER, Role.SUPPORT)
_LONGEST_REASON = 1000


class Status(StrEnum):
    """What people say of an issue in a baseline; of others nobody has looked."""

    AFFECTED = "affected"
    INVESTIGATING = "investigating"
    NOT_AFFECTED = "not-affected"
    NO_FIX_PLANNED = "no-fix-planned"


class Standing(StrEnum):
    """How a baseline stands to an issue, as far as the register knows."""

    FIXED = "fixed"
    FIXED_FOR_SOME = "fixed for some customers"
    UNDER_WAY = "fix under way"
    HELD = "fix held"
    NO_FIX = "no fix yet"
    INVESTIGATING = "investigating"
    NO_FIX_PLANNED = "no fix planned"
    NOT_AFFECTED = "not affected"
    UNKNOWN = "nobody has looked"


UNSOLVED = (Standing.UNDER_WAY, Standing.HELD, Standing.NO_FIX, Standing.FIXED_FOR_SOME)
"""Affected, and without a fix that everybody can have."""


@dataclass(frozen=True)
class Mark:
    """What somebody says of one baseline."""

    baseline: str
    status: Status
    reason: str | None = None


@dataclass(frozen=True)
class NewIssue:
    """An issue as it is to be added."""

    id: str
    product: str
    title: str
    severity: str = "moderate"
    cve: tuple[str, ...] = ()
    workaround: str | None = None


@dataclass(frozen=True)
class Fix:
    """A revision that has to do with an issue in one baseline.

    Attributes:
        coverage: `full`, `partial` or `workaround`; None as long as nothing was built.
        customers: whom it is for, None for all.
    """

    hotfix: str
    revision: int
    state: State
    coverage: str | None
    customers: tuple[str, ...] | None
    published: datetime | None

    @property
    def label(self) -> str:
        """Its name, such as `HF-2026-0012-r1`."""
        return f"{self.hotfix}-r{self.revision}"


@dataclass(frozen=True)
class Row:
    """How one baseline stands to an issue, and why."""

    baseline: str
    standing: Standing
    status: Status | None
    reason: str | None
    fixes: tuple[Fix, ...]


@dataclass(frozen=True)
class Shown:
    """An issue with all baselines of its product, newest first."""

    issue: Issue
    rows: tuple[Row, ...]

    def count(self, standings: Collection[Standing]) -> int:
        """Return how many baselines stand so."""
        return sum(row.standing in standings for row in self.rows)


# Writing


def add_issue(change: Change, wanted: NewIssue, marks: Sequence[Mark] = ()) -> Issue:
    """Add an issue with what is known of its baselines.

    Raises:
        RefusedError: who acts may not.
        StateError: there is an issue of this id.
        UsageError: a field is wrong.
        NotFoundError: a product or baseline is not registered.
    """
    require_role(change.session, change.by, *WRITERS)
    _check_fields(wanted)
    the_product(change.session, wanted.product)
    if change.session.get(Issue, wanted.id) is not None:
        raise StateError("issue-exists", f"there is an issue {wanted.id}")
    issue = Issue(
        id=wanted.id,
        product=wanted.product,
        title=wanted.title,
        severity=wanted.severity,
        cve=sorted(set(wanted.cve)),
        workaround=wanted.workaround,
        added=change.now,
        added_by=change.by,
    )
    change.session.add(issue)
    change.session.flush()
    facts = {
        "product": issue.product,
        "severity": issue.severity,
        "cve": issue.cve,
        "workaround": bool(issue.workaround),
    }
    change.record("issue.add", issue.id, facts)
    _mark(change, issue, marks)
    return issue


def mark_issue(change: Change, identifier: str, marks: Sequence[Mark], workaround: str | None = None) -> Issue:
    """Say more of an issue: of baselines, or what helps until there is a fix.

    Raises:
        RefusedError: who acts may not.
        NotFoundError: the issue or a baseline is not registered.
        UsageError: a reason is missing.
    """
    require_role(change.session, change.by, *WRITERS)
    issue = the_issue(change.session, identifier)
    if workaround is not None:
        issue.workaround = workaround or None
        change.record("issue.workaround", issue.id, {"workaround": issue.workaround})
    _mark(change, issue, marks)
    return issue


def _check_fields(wanted: NewIssue) -> None:
    if not identifiers.FIX.fullmatch(wanted.id):
        raise UsageError("issue-field", f"{wanted.id!r} is no id of an issue")
    if not 0 < len(wanted.title) <= 300 or not wanted.title.isprintable():
        raise UsageError("issue-field", "the title has 1 to 300 printable characters")
    if wanted.severity not in SEVERITIES:
        raise UsageError("issue-field", f"{wanted.severity!r} is no severity: {', '.join(SEVERITIES)}")
    if wrong := [cve for cve in wanted.cve if not identifiers.CVE.fullmatch(cve)]:
        raise UsageError("issue-field", f"{wrong[0]!r} is no CVE")
    if wanted.workaround is not None and len(wanted.workaround) > 10_000:
        raise UsageError("issue-field", "the workaround has more than 10,000 characters")


def _mark(change: Change, issue: Issue, marks: Sequence[Mark]) -> None:
    named_baselines(change.session, issue.product, [mark.baseline for mark in marks])
    there = {row.baseline: row for row in change.session.scalars(select(Affected).where(Affected.issue == issue.id))}
    for mark in marks:
        reason = (mark.reason or "").strip() or None
        if reason is None and mark.status in (Status.NOT_AFFECTED, Status.NO_FIX_PLANNED):
            raise UsageError("issue-reason", f"{mark.baseline} is {mark.status}: nobody says why")
        if reason is not None and len(reason) > _LONGEST_REASON:
            raise UsageError("issue-reason", f"a reason has at most {_LONGEST_REASON} characters")
        row = there.get(mark.baseline)
        if row is None:
            row = there[mark.baseline] = Affected(issue=issue.id, product=issue.product, baseline=mark.baseline)
            change.session.add(row)
        row.status, row.reason = mark.status, reason
        facts = {"baseline": mark.baseline, "status": mark.status, "reason": reason}
        change.record("issue.mark", issue.id, facts)


def marks_from_contents(
    session: Session, product: str, asked: Sequence[str], versions: Sequence[str] = (), issue: str | None = None
) -> list[Mark]:
    """Return marks for the baselines that contain something: on the first morning all of these count as affected.

    Args:
        session: of the register.
        product: whose baselines.
        asked: names, digests or package URLs, as for `patchline contains`.
        versions: patterns of hurt versions; a baseline that only has others is to be investigated. All when empty.
        issue: an issue whose baselines were marked before; these are left as they are.

    Raises:
        UsageError: what is asked for is nothing, or there are too many places.
    """
    known = (
        {row for row in session.scalars(select(Affected.baseline).where(Affected.issue == issue))} if issue else set()
    )
    found: dict[str, list[Place]] = {}
    for text in asked:
        answer = contains(session, understand(text), product)
        if answer.cut:
            raise UsageError("contains-many", f"{text!r} is in too many places to tell anything")
        for place in answer.places:
            found.setdefault(place.baseline, []).append(place)
    return [_mark_of(label, places, versions) for label, places in found.items() if label not in known]


def _mark_of(label: str, places: Sequence[Place], versions: Sequence[str]) -> Mark:
    hurt = [place for place in places if not versions or any(fnmatchcase(place.version or "", v) for v in versions)]
    first = (hurt or places)[0]
    what = (first.component or first.path.rpartition("/")[2]).rpartition("/")[2]
    more = f" and in {counted(len(places) - 1, 'more place')}" if len(places) > 1 else ""
    reason = f"contains {what} {first.version or '(version unknown)'}: {first.path}{more}"[:_LONGEST_REASON]
    return Mark(label, Status.AFFECTED if hurt else Status.INVESTIGATING, reason)


# Reading


def the_issue(session: Session, identifier: str) -> Issue:
    """Return an issue.

    Raises:
        NotFoundError: there is none.
    """
    issue = session.get(Issue, identifier)
    if issue is None:
        raise NotFoundError("issue", f"the register knows no issue {identifier!r}")
    return issue


def show_issue(session: Session, identifier: str) -> Shown:
    """Return an issue and how every baseline of its product stands to it.

    Raises:
        NotFoundError: there is none.
    """
    return _shown(session, [the_issue(session, identifier)])[0]


def list_issues(session: Session, product: str | None = None) -> list[Shown]:
    """Return all issues, the newest first."""
    chosen = [Issue.product == product] if product else []
    issues = session.scalars(select(Issue).where(*chosen).order_by(Issue.added.desc(), Issue.id)).all()
    return _shown(session, issues)


def _shown(session: Session, issues: Sequence[Issue]) -> list[Shown]:
    """Put issues together in a number of statements that does not grow with them."""
    if not issues:
        return []
    products = {issue.product for issue in issues}
    baselines: dict[str, list[str]] = {product: [] for product in products}
    order = (Baseline.added.desc(), Baseline.label.desc())
    listed = select(Baseline.product, Baseline.label).where(Baseline.product.in_(products)).order_by(*order)
    for product, label in session.execute(listed):
        baselines[product].append(label)
    marks: dict[tuple[str, str], Affected] = {}
    for row in session.scalars(select(Affected).where(Affected.product.in_(products))):
        marks[row.issue, row.baseline] = row
    fixes = _fixes(session, issues, products)
    return [
        Shown(
            issue,
            tuple(
                _row(label, marks.get((issue.id, label)), fixes.get((issue.id, label), {}).values())
                for label in baselines[issue.product]
            ),
        )
        for issue in issues
    ]


Fixes = dict[tuple[str, str], dict[str, Fix]]
"""By issue and baseline, each revision once by its label."""


def _fixes(session: Session, issues: Sequence[Issue], products: Collection[str]) -> Fixes:
    found: Fixes = {}
    by_cve: dict[str, list[Issue]] = {}
    for issue in issues:
        for cve in issue.cve:
            by_cve.setdefault(cve, []).append(issue)
    by_id = {issue.id: [issue] for issue in issues}
    own = select(Hotfix, Revision, RevisionFix.coverage, RevisionFix.fix).where(RevisionFix.fix.in_(by_id))
    _take(found, session.execute(_joined(own, products)), by_id)
    told = (
        select(Hotfix, Revision, RevisionFix.coverage, RevisionCve.cve)
        .join(RevisionCve, (RevisionCve.revision == RevisionFix.revision) & (RevisionCve.fix == RevisionFix.fix))
        .where(RevisionCve.cve.in_(by_cve))
    )
    _take(found, session.execute(_joined(told, products)), by_cve)
    drafts = select(Hotfix, Revision).join(Revision, Revision.hotfix == Hotfix.id)
    for hotfix, revision in session.execute(drafts.where(Revision.state == State.DRAFT, Hotfix.product.in_(products))):
        for name in set(hotfix.fixes) & by_id.keys():
            _keep(found, name, hotfix, revision, None)
    return found


def _joined(query: Any, products: Collection[str]) -> Any:
    return (
        query.join_from(RevisionFix, Revision, Revision.id == RevisionFix.revision)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .where(Hotfix.product.in_(products))
    )


def _take(found: Fixes, rows: Iterable[Any], issues: Mapping[str, Sequence[Issue]]) -> None:
    for hotfix, revision, coverage, name in rows:
        for issue in issues[name]:
            if issue.product == hotfix.product:
                _keep(found, issue.id, hotfix, revision, coverage)


def _keep(found: Fixes, issue: str, hotfix: Hotfix, revision: Revision, coverage: str | None) -> None:
    fix = Fix(
        hotfix=hotfix.id,
        revision=revision.number,
        state=State(revision.state),
        coverage=coverage,
        customers=tuple(hotfix.customers) if hotfix.customers else None,
        published=revision.published,
    )
    known = found.setdefault((issue, hotfix.baseline), {})
    # A revision may mend it by two names; the fuller one counts.
    if fix.label not in known or coverage == "full":
        known[fix.label] = fix


_MEANS = {
    Status.INVESTIGATING: Standing.INVESTIGATING,
    Status.NO_FIX_PLANNED: Standing.NO_FIX_PLANNED,
}


def _row(label: str, mark: Affected | None, fixes: Iterable[Fix]) -> Row:
    listed = tuple(sorted(fixes, key=lambda fix: (fix.hotfix, fix.revision)))
    status = Status(mark.status) if mark else None
    return Row(label, standing(status, listed), status, mark.reason if mark else None, listed)


def standing(status: Status | None, fixes: Sequence[Fix]) -> Standing:
    """Tell how a baseline stands, from what people say of it and the fixes that there are."""
    if status is Status.NOT_AFFECTED:
        return Standing.NOT_AFFECTED
    full = [fix for fix in fixes if fix.coverage in ("full", None)]
    published = [fix for fix in full if fix.state is State.PUBLISHED]
    if any(fix.customers is None for fix in published):
        return Standing.FIXED
    if status in _MEANS:
        return _MEANS[status]
    if published:
        return Standing.FIXED_FOR_SOME
    if any(fix.state is State.HELD for fix in full):
        return Standing.HELD
    if any(fix.state in (State.DRAFT, State.BUILT, State.IN_REVIEW, State.APPROVED) for fix in full):
        return Standing.UNDER_WAY
    return Standing.NO_FIX if status is Status.AFFECTED else Standing.UNKNOWN
