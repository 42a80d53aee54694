"""Approvals of the register: envelopes that approvers made on their own machines, judged as a site judges them.

- The row in the register is an index of the envelope; what counts, and for whom, follows from the envelope, the policy
  and the manifest alone, by the rules of `patches`. A site counts everything again.
- The register refuses early, and with the reason, what no site would count; and beyond that submitters, editors,
  disabled persons, second votes, and approvals that leave a customer out.
- Once a site's own count says enough, the revision is approved, and no more votes are taken: the quorum is exact. When
  a newer policy makes it too few again, or only the emergency rule was met, more are taken.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.counting import Place, Signed, judge
from patchline.patches.documents import digest
from patchline.patches.envelopes import Envelope, read_sidecar, write_sidecar
from patchline.patches.errors import ApprovalError, ExpiredError, RecalledError, RefusedError, VerificationError
from patchline.patches.manifest import Manifest
from patchline.patches.root import Root
from patchline.patches.trust import Trust
from patchline.patches.verify import Sidecars, check_fresh, read_approvals, verify, verify_provenance
from patchline.releaser.bundles import approvals_of
from patchline.releaser.hotfixes import label, locked, move
from patchline.releaser.policies import for_customer, vendor_trust
from patchline.releaser.register import Change
from patchline.releaser.states import OFFERED, Action, State, check_moment
from patchline.releaser.tables.hotfixes import Approval, Contributor, Hotfix, Revision
from patchline.releaser.tables.people import Person

ORDINARY, EMERGENCY, REPRODUCED = "approval", "emergency", "reproduced"


@dataclass(frozen=True)
class Count:
    """What a site's own count says of the approvals there are.

    Attributes:
        lacking: in words what is not enough, for the first customer for whom it is not; None when it is enough.
        emergency: hours, when the emergency rule alone is met.
        places: who fills a place.
    """

    lacking: str | None
    emergency: int | None = None
    places: tuple[Place, ...] = ()

    @property
    def enough(self) -> bool:
        """Tell whether sites would take it."""
        return self.lacking is None


def count(session: Session, revision: Revision, trust: Trust, now: datetime) -> Count:
    """Count the approvals of a revision as each site that it is for would do.

    Args:
        session: to read from.
        revision: a submitted one.
        trust: from `vendor_trust`.
        now: the time.
    """
    sidecars = Sidecars(revision.provenance or b"", approvals_of(session, revision))
    customers: Iterable[str | None] = session.get_one(Hotfix, revision.hotfix).customers or [None]
    hours: list[int] = []
    places: tuple[Place, ...] = ()
    for customer in customers:
        try:
            verified = verify(revision.manifest or b"", sidecars, for_customer(trust, customer), now)
        except (VerificationError, RecalledError, ExpiredError) as error:
            return Count(error.message.removeprefix(f"{revision.hotfix}-r{revision.number}: "))
        places = verified.approvals
        hours += [] if verified.emergency is None else [verified.emergency]
    return Count(None, min(hours, default=None), places)


@dataclass(frozen=True)
class Taken:
    """What became of approvals that were taken in."""

    revision: Revision
    persons: tuple[str, ...]
    count: Count


def words(taken: Taken) -> str:
    """Say what became of approvals, behind the revision's name."""
    found = taken.count
    said = f"approved by {', '.join(taken.persons)}: " + (found.lacking or f"enough, it is {taken.revision.state}")
    return said if found.emergency is None else f"{said}, as an emergency for {found.emergency} hours"


def take(change: Change, identifier: str, sidecar: bytes, root: Root) -> Taken:
    """Take approvals in; the revision is approved as soon as they are enough.

    Args:
        change: under way; who makes it need not be the approver.
        identifier: of the hotfix or revision.
        sidecar: what `bundle approve` wrote: one envelope a line.
        root: the channel's newest.

    Raises:
        VerificationError: an envelope does not count under the newest policy, or is for another manifest.
        RefusedError: the person had a part in it, has voted, or leaves a customer out.
        StateError: it is not in review, or has what it needs.
    """
    return _take(change, identifier, sidecar, root, Action.APPROVE)


def ratify(change: Change, identifier: str, sidecar: bytes, root: Root) -> Taken:
    """Take ordinary approvals of an emergency release in; it is ratified as soon as they are enough.

    Raises:
        PatchlineError: as `take`; or it needs no ratification.
    """
    return _take(change, identifier, sidecar, root, Action.RATIFY)


def _take(change: Change, identifier: str, sidecar: bytes, root: Root, action: Action) -> Taken:
    revision = locked(change, identifier)
    check_moment(action, State(revision.state), label(revision))
    hotfix = change.session.get_one(Hotfix, revision.hotfix)
    trust = vendor_trust(change.session, hotfix.product, root)
    check_fresh(trust, change.now, None)
    if State(revision.state) is not State.IN_REVIEW:
        _check_needed(change.session, revision, trust, change.now)
    known = set(change.session.scalars(select(Approval.envelope_sha256).where(Approval.revision == revision.id)))
    lines = [line for line in read_sidecar(sidecar, "the approval") if digest(_line(line)) not in known]
    if not lines:
        raise RefusedError("voted", f"{label(revision)} has these approvals already")
    persons = [_vote(change, revision, hotfix, trust, line) for line in lines]
    change.session.flush()
    counted = count(change.session, revision, trust, change.now)
    _decide(change, revision, action, persons, counted)
    return Taken(revision, tuple(persons), counted)


def _check_needed(session: Session, revision: Revision, trust: Trust, now: datetime) -> None:
    counted = count(session, revision, trust, now)
    if counted.enough and counted.emergency is None:
        raise RefusedError("enough", f"{label(revision)} is approved by as many as it takes")


def _vote(change: Change, revision: Revision, hotfix: Hotfix, trust: Trust, envelope: Envelope) -> str:
    """Add one approval; return its person."""
    signed = _verified(revision, trust, envelope)
    person = signed.key.person
    _check_free(change.session, revision, person)
    _check_scope(hotfix, signed)
    kind = _kind(change.session, revision, signed)
    change.session.add(
        Approval(
            revision=revision.id,
            manifest_sha256=signed.approval.manifest,
            kind=kind,
            person=person,
            keyid=signed.key.public.keyid,
            reproduced=signed.approval.reproduced,
            scope=None if signed.approval.scope is None else sorted(signed.approval.scope),
            envelope=_line(envelope),
            envelope_sha256=digest(_line(envelope)),
            taken=change.now,
            taken_by=change.by,
        )
    )
    change.session.flush()
    return person


def _verified(revision: Revision, trust: Trust, envelope: Envelope) -> Signed:
    """Return a verified approval that counts for somebody.

    Raises:
        VerificationError: it is wrong, or counts for nobody.
    """
    manifest = Manifest.parse(revision.manifest or b"")
    origin = verify_provenance(manifest, revision.provenance or b"", trust.policy)
    signed, unknown = read_approvals(manifest, _line(envelope), trust.policy)
    if unknown:
        raise ApprovalError("unknown-key", unknown[0].reason)
    [one] = signed
    refusal = judge(one, manifest, None if one.approval.scope is None else min(one.approval.scope), origin.signers)
    if refusal is not None:
        raise ApprovalError(refusal.code, f"{label(revision)}: {refusal.reason}")
    return one


def _check_free(session: Session, revision: Revision, person: str) -> None:
    """Raise RefusedError for somebody who had a part in a revision, or may not act any more."""
    parts = select(Contributor.part).where(Contributor.revision == revision.id, Contributor.person == person)
    if found := sorted(session.scalars(parts)):
        raise RefusedError("part-taken", f"{person} is {' and '.join(found)} of {label(revision)}")
    known = session.get(Person, person)
    if known is not None and known.disabled is not None:
        raise RefusedError("disabled-voter", f"{person} was disabled")


def _check_scope(hotfix: Hotfix, signed: Signed) -> None:
    scope = signed.approval.scope
    if scope is None:
        return
    if hotfix.customers is None:
        raise RefusedError("scope", f"{hotfix.id} is for all; the approval of {signed.key.person} names customers")
    if missing := sorted(set(hotfix.customers) - scope):
        raise RefusedError("scope", f"the approval of {signed.key.person} leaves out {', '.join(missing)}")


def _kind(session: Session, revision: Revision, signed: Signed) -> str:
    """Return as what an approval counts; a second one of the same kind is refused."""
    query = select(Approval.kind, Approval.reproduced).where(
        Approval.revision == revision.id, Approval.person == signed.key.person
    )
    there = {row.kind: row.reproduced for row in session.execute(query)}
    kind = EMERGENCY if signed.approval.emergency is not None else ORDINARY
    if kind == ORDINARY in there and signed.approval.reproduced and not any(there.values()):
        kind = REPRODUCED
    if kind in there:
        raise RefusedError("voted", f"{signed.key.person} has approved {label(revision)} already")
    return kind


def _decide(change: Change, revision: Revision, action: Action, persons: list[str], counted: Count) -> None:
    """Make the step that follows from the count."""
    state = State(revision.state)
    after = State.APPROVED if counted.enough and state not in OFFERED else state
    if counted.enough:
        if action is Action.RATIFY and counted.emergency is None:
            revision.ratified = change.now
        if state not in OFFERED:
            revision.emergency_hours = counted.emergency
    move(change, revision, action, after, facts={"persons": persons, "enough": counted.enough})


def _line(envelope: Envelope) -> bytes:
    """Return an envelope as a line of a sidecar."""
    return write_sidecar([envelope])
