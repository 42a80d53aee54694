"""The queue of approvers: what is in review, the most urgent first, with the reader's own answer to each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, undefer

from patchline.patches.identifiers import fingerprint
from patchline.patches.manifest import SEVERITIES, Manifest
from patchline.patches.policy import Policy
from patchline.patches.rules import Release, Scope
from patchline.patches.statements import time_text
from patchline.patches.wording import counted
from patchline.releaser.approvals import ORDINARY
from patchline.releaser.approving.reasons import Answer, Case, Reader, may_sign, reader
from patchline.releaser.emergencies import ends
from patchline.releaser.hotfixes import label
from patchline.releaser.policies import newest_policies
from patchline.releaser.states import OFFERED, Action, State
from patchline.releaser.tables.hotfixes import Approval, Contributor, Hotfix, Revision, Step
from patchline.releaser.tables.people import Person

MOST = 200
_GRAVEST = tuple(reversed(SEVERITIES))


@dataclass(frozen=True)
class Risk:
    """What may go wrong with a revision, from its manifest alone.

    Attributes:
        words: the facts, the gravest first.
        grave: it runs steps as root, or something of it cannot be undone.
    """

    words: tuple[str, ...]
    grave: bool


@dataclass(frozen=True)
class Waiting:
    """A revision that waits for approvals.

    Attributes:
        since: when it was submitted.
        voted: names of those who approved it, in their order.
        needed: persons, None without a policy.
        due: when an emergency that went out ends unless it is ratified; None where nothing ends.
        answer: whether who looks may sign.
    """

    hotfix: Hotfix
    revision: Revision
    manifest: Manifest
    since: datetime
    submitted_by: str
    voted: tuple[str, ...]
    needed: int | None
    due: datetime | None
    risk: Risk
    answer: Answer

    @property
    def label(self) -> str:
        """Its name."""
        return label(self.revision)

    @property
    def votes(self) -> str:
        """How many approvals there are, of how many."""
        given = len(self.voted)
        return f"{given} of {counted(self.needed, 'approval')}" if self.needed is not None else f"{given} approvals"


def queue(session: Session, person: str) -> list[Waiting]:
    """Return what waits for approvals: what ends soon first, then the gravest, then what has waited longest.

    Args:
        session: to read from.
        person: who looks.
    """
    pairs = _pairs(session)
    ids = [revision.id for _, revision in pairs]
    if not ids:
        return []
    who, policies = reader(session, person), newest_policies(session)
    parts, votes, submitted = _parts(session, ids), _votes(session, ids), _submitted(session, ids)
    names = {row.id: row.name for row in session.execute(select(Person.id, Person.name))}
    found = [
        _waiting(hotfix, revision, who, policies.get(hotfix.product), parts, votes, submitted, names)
        for hotfix, revision in pairs
    ]
    return sorted(found, key=_urgency)


def _urgency(one: Waiting) -> tuple[bool, datetime, int, datetime, str]:
    return one.due is None, one.due or one.since, _GRAVEST.index(one.hotfix.severity), one.since, one.label


def _pairs(session: Session) -> list[tuple[Hotfix, Revision]]:
    emergency = (
        Revision.state.in_((State.APPROVED, *OFFERED))
        & Revision.emergency_hours.is_not(None)
        & Revision.ratified.is_(None)
    )
    query = (
        select(Hotfix, Revision)
        .join(Revision, Revision.hotfix == Hotfix.id)
        .where(or_(Revision.state == State.IN_REVIEW, emergency))
        .options(undefer(Revision.manifest))
        .order_by(Revision.id)
        .limit(MOST)
    )
    return [(row.Hotfix, row.Revision) for row in session.execute(query)]


def _parts(session: Session, ids: Sequence[int]) -> dict[int, set[tuple[str, str]]]:
    found: dict[int, set[tuple[str, str]]] = {}
    for row in session.scalars(select(Contributor).where(Contributor.revision.in_(ids))):
        found.setdefault(row.revision, set()).add((row.person, row.part))
    return found


def _votes(session: Session, ids: Sequence[int]) -> dict[int, list[str]]:
    query = select(Approval.revision, Approval.person).where(Approval.revision.in_(ids), Approval.kind == ORDINARY)
    found: dict[int, list[str]] = {}
    for revision, person in session.execute(query.order_by(Approval.id)):
        found.setdefault(revision, []).append(person)
    return found


def _submitted(session: Session, ids: Sequence[int]) -> dict[int, tuple[datetime, str]]:
    query = select(Step.revision, Step.at, Step.person).where(Step.revision.in_(ids), Step.action == Action.SUBMIT)
    return {revision: (at, by) for revision, at, by in session.execute(query)}


def _waiting(
    hotfix: Hotfix,
    revision: Revision,
    who: Reader,
    policy: Policy | None,
    parts: dict[int, set[tuple[str, str]]],
    votes: dict[int, list[str]],
    submitted: dict[int, tuple[datetime, str]],
    names: dict[str, str],
) -> Waiting:
    manifest = Manifest.parse(revision.manifest or b"")
    since, by = submitted.get(revision.id, (revision.added, revision.added_by))
    voted = votes.get(revision.id, [])
    state = State(revision.state)
    due = ends(revision) if state in OFFERED else None
    had = parts.get(revision.id, set())
    case = Case(label(revision), state, False, had, voted, policy, ratifies=state in OFFERED)
    return Waiting(
        hotfix=hotfix,
        revision=revision,
        manifest=manifest,
        since=since,
        submitted_by=by,
        voted=tuple(names.get(person, person) for person in voted),
        needed=needed(policy, manifest, hotfix.customers) if policy else None,
        due=due,
        risk=risk_of(manifest),
        answer=may_sign(who, case),
    )


def needed(policy: Policy, manifest: Manifest, customers: Sequence[str] | None) -> int:
    """Return how many persons must approve."""
    scope = Scope.ALL if customers is None else Scope.CUSTOMERS
    return policy.demand(Release.of(manifest, scope)).threshold


def risk_of(manifest: Manifest) -> Risk:
    """Tell what may go wrong with a revision."""
    return Risk(tuple(_risks(manifest)), any(step.root or step.irreversible for step in manifest.steps))


def _risks(manifest: Manifest) -> Iterator[str]:
    if any(step.irreversible for step in manifest.steps):
        yield "a step cannot be undone"
    if any(step.root for step in manifest.steps):
        yield "runs a step as root"
    yield f"changes {counted(len(manifest.files), 'path')}"
    if manifest.steps:
        yield f"runs {counted(len(manifest.steps), 'step')}"
    restarts = [text for text in manifest.guidance if text != "none"]
    yield ", ".join(restarts) if restarts else "no restart"


def document(one: Waiting) -> dict[str, Any]:
    """Return a row for programs."""
    return {
        "hotfix": one.hotfix.id,
        "revision": one.revision.number,
        "state": one.revision.state,
        "product": one.hotfix.product,
        "baseline": one.hotfix.baseline,
        "severity": one.hotfix.severity,
        "title": one.hotfix.title,
        "manifest": one.revision.manifest_sha256,
        "fingerprint": fingerprint(one.manifest.digest),
        "since": time_text(one.since),
        "due": time_text(one.due) if one.due else None,
        "submitted_by": one.submitted_by,
        "approved_by": list(one.voted),
        "needed": one.needed,
        "risk": list(one.risk.words),
        "you_may": one.answer.may,
        "why_not": list(one.answer.against),
    }
