"""Holding back and recalling what was published, in the register.

- A hold is the register's alone, for as long as it lasts. A recall is what two persons signed; its file is judged here
  as a site judges it, and the row is an index of the envelope. One signature alone already holds the revision back.
- What sites must know stands in one numbered list a product. A list is written down before it goes anywhere, so no
  number ever comes twice, whatever is cut off.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.documents import digest
from patchline.patches.envelopes import Envelope, read_sidecar, write_sidecar
from patchline.patches.errors import ApprovalError, NotFoundError, RefusedError
from patchline.patches.manifest import Manifest
from patchline.patches.policy import Policy, Purpose
from patchline.patches.recall_list import Entry, Held, RecallList
from patchline.patches.recall_statements import Recall, Reinstatement
from patchline.patches.recall_statements import Revision as Named
from patchline.patches.recalls import PERSONS, missing_for_reinstatement, recalling_persons, signers
from patchline.patches.root import Root
from patchline.releaser.hotfixes import label, locked, move
from patchline.releaser.policies import vendor_trust
from patchline.releaser.recalling import RecallFile
from patchline.releaser.register import Change
from patchline.releaser.rollouts.advancing import stop_recalled
from patchline.releaser.states import Action, State, check_moment
from patchline.releaser.tables.catalogue import Product
from patchline.releaser.tables.hotfixes import Hotfix, RecallListVersion, Revision, Step
from patchline.releaser.tables.hotfixes import Recall as RecallRow

RECALL, REINSTATEMENT = "recall", "reinstatement"
_PROPOSED = "its recall was proposed"


# What people do


def hold(change: Change, identifier: str, reason: str) -> Revision:
    """Hold a published revision back: sites apply it no more until it is lifted.

    Raises:
        StateError: it is not published.
        UsageError: the reason is empty or too long.
    """
    return _step(change, locked(change, identifier), Action.HOLD, State.HELD, reason)


def lift(change: Change, identifier: str) -> Revision:
    """Take a hold back; recalls that too few have signed count as withdrawn.

    Raises:
        StateError: it is not held.
    """
    return _step(change, locked(change, identifier), Action.LIFT, State.PUBLISHED)


def take(change: Change, identifier: str, files: Sequence[RecallFile], root: Root) -> Revision:
    """Take recalls or reinstatements of a revision in, and do what they amount to by now.

    What the register has already is no matter.

    Args:
        change: under way.
        identifier: of the hotfix or revision.
        files: as `recall propose`, `confirm` and `reinstate` write them.
        root: the channel's newest.

    Raises:
        VerificationError: a signature is wrong, or counts for nobody.
        RefusedError: a statement is about something else, or not what it must be.
        StateError: the revision is not one that may be recalled or given free.
    """
    revision = locked(change, identifier)
    policy = vendor_trust(change.session, change.session.get_one(Hotfix, revision.hotfix).product, root).policy
    for file in files:
        _check_about(change.session, revision, file, policy.product)
        if isinstance(file.statement, Recall):
            _take_recall(change, revision, file, file.statement, policy)
        else:
            _take_reinstatement(change, revision, file, file.statement, policy)
    return revision


def _check_about(session: Session, revision: Revision, file: RecallFile, product: str) -> None:
    statement = file.statement
    named = Named(revision.hotfix, revision.number, revision.manifest_sha256 or "")
    if statement.product != product or statement.revision != named:
        raise RefusedError("recall-statement", f"{file.path} is about {statement.revision.label}, or other bytes of it")


def _take_recall(change: Change, revision: Revision, file: RecallFile, recall: Recall, policy: Policy) -> None:
    state = State(revision.state)
    check_moment(Action.RECALL, state, label(revision))
    if recall.void != (revision.published is None):
        word = "was published" if recall.void else "was never published, so its recall says void"
        raise RefusedError("recall-statement", f"{label(revision)} {word}")
    _check_replacement(change.session, recall)
    if not _add(change, revision, RECALL, file, recall.reason, policy):
        return
    envelopes = [
        one for one in _envelopes(change.session, revision, RECALL) if one.payload == file.envelopes[0].payload
    ]
    persons = recalling_persons(file.envelopes[0].payload, envelopes, policy)
    facts = {"statement": file.digest, "persons": sorted(persons)}
    if state is State.RECALLED or len(persons) >= PERSONS:
        _step(change, revision, Action.RECALL, State.RECALLED, recall.reason, facts)
    else:
        after = state if state is State.APPROVED else State.HELD
        _step(change, revision, Action.PROPOSE, after, recall.reason, facts)


def _check_replacement(session: Session, recall: Recall) -> None:
    instead = recall.replacement
    if instead is None:
        return
    state = select(Revision.state).where(Revision.manifest_sha256 == instead.manifest)
    if session.scalar(state) != State.PUBLISHED:
        raise RefusedError("recall-statement", f"{instead.label}, which is to replace it, is not published")


def _take_reinstatement(
    change: Change, revision: Revision, file: RecallFile, made: Reinstatement, policy: Policy
) -> None:
    check_moment(Action.REINSTATE, State(revision.state), label(revision))
    known = select(RecallRow.statement_sha256).where(RecallRow.revision == revision.id, RecallRow.kind == RECALL)
    if left := set(change.session.scalars(known)) - made.recalls:
        raise RefusedError("recall-statement", f"{file.path} leaves the recall {min(left)[:16]} as it is")
    if (revision.manifest_sha256 or "") in policy.recalls:
        raise RefusedError("reinstatement", f"{label(revision)} is recalled by policy {policy.version} itself")
    if not _add(change, revision, REINSTATEMENT, file, made.reason, policy):
        return
    payload = file.envelopes[0].payload
    envelopes = [one for one in _envelopes(change.session, revision, REINSTATEMENT) if one.payload == payload]
    keys = [key for key, _ in signers(envelopes, policy)]
    lacking = missing_for_reinstatement(made, keys, Manifest.parse(revision.manifest or b""), policy)
    after = State.RECALLED if lacking else State.PUBLISHED if revision.published else State.APPROVED
    facts = {"statement": file.digest, "lacking": [words for _, words in lacking]}
    _step(change, revision, Action.REINSTATE, after, made.reason, facts)


def _add(change: Change, revision: Revision, kind: str, file: RecallFile, reason: str, policy: Policy) -> bool:
    """Add the signatures that are new; return whether there was one.

    Raises:
        VerificationError: one is wrong, or by a key that counts for nothing here.
    """
    query = select(RecallRow.person).where(RecallRow.revision == revision.id, RecallRow.statement_sha256 == file.digest)
    known = set(change.session.scalars(query))
    signed = list(zip(file.envelopes, _signing(file, policy), strict=True))
    fresh = {person: envelope for envelope, person in signed if person not in known}
    for person, envelope in sorted(fresh.items()):
        line = write_sidecar([envelope])
        change.session.add(
            RecallRow(
                revision=revision.id,
                kind=kind,
                statement_sha256=file.digest,
                person=person,
                reason=reason,
                envelope=line,
                envelope_sha256=digest(line),
                taken=change.now,
            )
        )
    change.session.flush()
    return bool(fresh)


def _signing(file: RecallFile, policy: Policy) -> Iterator[str]:
    """Yield the person of each envelope; every one of them must count."""
    list(signers(file.envelopes, policy))
    for envelope in file.envelopes:
        [(keyid, _)] = envelope.signatures
        key = policy.keys.get(keyid)
        if key is None:
            raise ApprovalError("unknown-key", f"key {keyid[:16]} is not in policy {policy.version}")
        if key.purpose is not Purpose.APPROVER:
            raise ApprovalError("purpose", f"key {keyid[:16]} is {key.person}'s key for {key.purpose}")
        if not key.active:
            state = "revoked" if key.revoked else "retired"
            raise ApprovalError(state, f"key {keyid[:16]} of {key.person} is {state}")
        yield key.person


def _step(
    change: Change,
    revision: Revision,
    action: Action,
    after: State,
    reason: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Revision:
    """Make a step, and the recall list that follows from it."""
    move(change, revision, action, after, reason=reason, facts=facts)
    if after is State.RECALLED:
        stop_recalled(change, revision)
    if after is not State.APPROVED or action is Action.REINSTATE:
        issue(change, change.session.get_one(Hotfix, revision.hotfix).product)
    return revision


# The list


def begin(change: Change, product: str) -> None:
    """Issue the first list of a product: from then on sites can tell when they hear nothing of recalls."""
    if _newest(change.session, product) is None:
        issue(change, product)


def issue(change: Change, product: str) -> bytes:
    """Write down the next recall list of a product, as the register has it now; return its bytes.

    Raises:
        NotFoundError: there is no such product.
    """
    if change.session.get(Product, product, with_for_update=True) is None:
        raise NotFoundError("product", f"the register knows no product {product!r}")
    newest = _newest(change.session, product)
    number = newest.number + 1 if newest else 1
    made = RecallList.make(
        product, number, change.now, _held(change.session, product), _recalled(change.session, product)
    )
    change.session.add(RecallListVersion(product=product, number=number, document=made.data, issued=change.now))
    change.record("recalls.issue", product, {"number": number, "list": digest(made.data)})
    change.session.flush()
    return made.data


def newest_list(session: Session, product: str) -> bytes | None:
    """Return the newest recall list of a product, None before there is one."""
    newest = _newest(session, product)
    return newest.document if newest else None


def _newest(session: Session, product: str) -> RecallListVersion | None:
    query = select(RecallListVersion).where(RecallListVersion.product == product)
    return session.scalar(query.order_by(RecallListVersion.number.desc()).limit(1))


def _held(session: Session, product: str) -> list[Held]:
    """Return what is held, with the reason that was given last."""
    query = (
        select(Revision, Step.reason)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .outerjoin(Step, (Step.revision == Revision.id) & (Step.action == Action.HOLD))
        .where(Hotfix.product == product, Revision.state == State.HELD)
        .order_by(Revision.id, Step.number)
    )
    reasons = {row.Revision: row.reason for row in session.execute(query)}
    return [Held(_named(revision), reason or _PROPOSED) for revision, reason in reasons.items()]


def _recalled(session: Session, product: str) -> list[Entry]:
    """Return every recall there ever was, but those that were withdrawn before two had signed them."""
    query = (
        select(Revision, RecallRow)
        .join(RecallRow, RecallRow.revision == Revision.id)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .where(Hotfix.product == product)
        .order_by(Revision.id, RecallRow.id)
    )
    rows: dict[Revision, list[RecallRow]] = {}
    for row in session.execute(query):
        rows.setdefault(row.Revision, []).append(row.Recall)
    entries = (_entry(revision, found) for revision, found in rows.items())
    return [entry for entry in entries if entry.statements]


def _entry(revision: Revision, rows: Sequence[RecallRow]) -> Entry:
    persons: dict[str, int] = {}
    for row in rows:
        persons[row.statement_sha256] = persons.get(row.statement_sha256, 0) + 1
    standing = State(revision.state) in (State.RECALLED, State.HELD)
    recalls = [row for row in rows if row.kind == RECALL and (standing or persons[row.statement_sha256] >= PERSONS)]
    back = [row for row in rows if row.kind == REINSTATEMENT]
    return Entry(_named(revision), tuple(map(_envelope, recalls)), tuple(map(_envelope, back)))


def entry_of(session: Session, revision: Revision) -> Entry | None:
    """Return what was signed about taking a revision back, None when nothing was."""
    query = select(RecallRow).where(RecallRow.revision == revision.id).order_by(RecallRow.id)
    rows = list(session.scalars(query))
    return _entry(revision, rows) if rows else None


def proposed(session: Session, revision: Revision) -> bool:
    """Tell whether somebody signed a recall of a revision that is not recalled."""
    query = select(RecallRow.id).where(RecallRow.revision == revision.id, RecallRow.kind == RECALL).limit(1)
    return session.scalar(query) is not None


def _envelopes(session: Session, revision: Revision, kind: str) -> list[Envelope]:
    query = select(RecallRow.envelope).where(RecallRow.revision == revision.id, RecallRow.kind == kind)
    return [one for line in session.scalars(query.order_by(RecallRow.id)) for one in read_sidecar(line, "the recall")]


def _envelope(row: RecallRow) -> Envelope:
    [envelope] = read_sidecar(row.envelope, "the recall")
    return envelope


def _named(revision: Revision) -> Named:
    return Named(revision.hotfix, revision.number, revision.manifest_sha256 or "")
