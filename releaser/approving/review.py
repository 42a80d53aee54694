"""All that an approver looks at before signing: one revision, from its own bytes, with what changed since the last one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from patchline.patches.envelopes import Envelope
from patchline.patches.errors import NotFoundError, PatchlineError, StateError
from patchline.patches.identifiers import fingerprint
from patchline.patches.manifest import Manifest, Step
from patchline.patches.policy import Policy
from patchline.patches.root import Root
from patchline.patches.statements import PAYLOAD_TYPE, time_text
from patchline.patches.wording import counted
from patchline.releaser import close_up
from patchline.releaser.approvals import ORDINARY
from patchline.releaser.approving import images
from patchline.releaser.approving.browser_votes import statement
from patchline.releaser.approving.differences import Differences, differences
from patchline.releaser.approving.queue import Risk, risk_of
from patchline.releaser.approving.reasons import Answer, Case, may_sign, reader
from patchline.releaser.bundles import release_set
from patchline.releaser.close_up import CloseUp
from patchline.releaser.fleet.simulations import lines
from patchline.releaser.hotfixes import find, label
from patchline.releaser.policies import newest_root, vendor_trust
from patchline.releaser.rebuilding import compare_manifests
from patchline.releaser.register import Register
from patchline.releaser.states import OFFERED, State
from patchline.releaser.summary import change_word
from patchline.releaser.tables.catalogue import Product
from patchline.releaser.tables.hotfixes import Revision

_DECIDED = (State.APPROVED, State.PUBLISHED, State.HELD, State.RECALLED)
_LONGEST_SCRIPT = 64 << 10
_MOST_LINES = 60


@dataclass(frozen=True)
class Earlier:
    """An earlier revision, and in words what is different since."""

    label: str
    state: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Signature:
    """An approval that was taken in, with where its key lies by the newest policy."""

    person: str
    kind: str
    fingerprint: str | None
    custody: str
    reproduced: bool
    scope: Sequence[str] | None
    taken: datetime


@dataclass(frozen=True)
class Statement:
    """What is signed in a browser: the payload as it is shown, and the bytes that the signature covers."""

    payload: str
    payload_type: str
    covered: bytes
    moment: str


@dataclass(frozen=True)
class Review:
    """A revision in review.

    Attributes:
        close: what else the register knows of it.
        scripts: text by SHA-256.
        unread: why nothing of the bundle's contents is shown, None where it is.
        simulated: what would become of it at the sites, line by line.
    """

    close: CloseUp
    manifest: Manifest
    policy: Policy | None
    answer: Answer
    statement: Statement
    files: Differences
    unread: str | None
    scripts: Mapping[str, str]
    earlier: Earlier | None
    risk: Risk
    rollback: tuple[str, ...]
    signatures: tuple[Signature, ...]
    simulated: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """The short digest that `patchline bundle show` prints too."""
        return fingerprint(self.manifest.digest)


def review(register: Register, identifier: str, person: str, now: datetime) -> Review:
    """Return everything about a revision that was built.

    Args:
        register: open.
        identifier: of the hotfix or revision.
        person: who looks.
        now: the time.

    Raises:
        NotFoundError: there is none.
        StateError: nothing was built.
        StoreError: its bundle is lost or another one.
    """
    root = _root(register)
    with register.read() as session:
        revision = find(session, identifier)
        if revision.manifest is None:
            raise StateError("hotfix-state", f"{label(revision)} is {revision.state}; there is nothing to review")
        close = close_up.close_up(session, label(revision), root, now)
        kept = release_set(session, revision)
        policy = _policy(session, close.hotfix.product, root)
        answer = may_sign(reader(session, person), _case(close, policy))
        product = session.get_one(Product, close.hotfix.product)
        earlier = _earlier(session, revision, kept.manifest)
        signed = _statement(session, revision, now)
        simulated = _simulated(close)
    found = images.read(register, kept, product.repository, product.id)
    manifest = kept.manifest
    return Review(
        close=close,
        manifest=manifest,
        policy=policy,
        answer=answer,
        statement=signed,
        files=differences(manifest, found.contents),
        unread=found.left_out,
        scripts=_scripts(manifest.steps, found.contents),
        earlier=earlier,
        risk=risk_of(manifest),
        rollback=tuple(rollback_plan(manifest)),
        signatures=tuple(_signatures(close, policy)),
        simulated=simulated,
    )


def _simulated(close: CloseUp) -> tuple[str, ...]:
    last = close.simulated.last if close.simulated else None
    return tuple(islice(lines(last), _MOST_LINES)) if last is not None else ()


def _root(register: Register) -> Root | None:
    try:
        return newest_root(register)
    except NotFoundError:
        return None


def _policy(session: Session, product: str, root: Root | None) -> Policy | None:
    if root is None:
        return None
    try:
        return vendor_trust(session, product, root).policy
    except PatchlineError:
        return None


def _case(close: CloseUp, policy: Policy | None) -> Case:
    state = State(close.revision.state)
    enough = state is State.APPROVED and close.revision.emergency_hours is None
    voted = {one.person for one in close.approvals if one.kind == ORDINARY}
    urgent = close.revision.emergency_hours is not None and close.revision.ratified is None
    return Case(close.label, state, enough, close.contributors, voted, policy, ratifies=urgent and state in OFFERED)


def _statement(session: Session, revision: Revision, now: datetime) -> Statement:
    payload = statement(session, revision, now)
    covered = Envelope(PAYLOAD_TYPE, payload, ()).signed_bytes
    return Statement(payload.decode(), PAYLOAD_TYPE, covered, time_text(now))


def _earlier(session: Session, revision: Revision, manifest: Manifest) -> Earlier | None:
    """Return the last revision before that people decided on, the approved ones first, and what changed since."""
    query = (
        select(Revision)
        .where(
            Revision.hotfix == revision.hotfix, Revision.number < revision.number, Revision.manifest_sha256.is_not(None)
        )
        .options(undefer(Revision.manifest))
        .order_by(Revision.state.in_(_DECIDED).desc(), Revision.number.desc())
        .limit(1)
    )
    before = session.scalar(query)
    if before is None or before.manifest is None:
        return None
    different = compare_manifests(Manifest.parse(before.manifest), manifest)
    return Earlier(label(before), before.state, tuple(different))


def _scripts(steps: Sequence[Step], contents: Mapping[str, bytes]) -> dict[str, str]:
    found = {}
    for step in steps:
        data = contents.get(step.script, b"")
        more = "" if len(data) <= _LONGEST_SCRIPT else "\n… it is longer: patchline bundle show"
        found[step.script] = data[:_LONGEST_SCRIPT].decode("utf-8", "backslashreplace") + more
    return found


def _signatures(close: CloseUp, policy: Policy | None) -> Iterator[Signature]:
    for one in close.approvals:
        key = policy.keys.get(one.keyid) if policy else None
        yield Signature(
            person=one.person,
            kind=one.kind,
            fingerprint=key.public.fingerprint if key else None,
            custody=str(key.custody) if key else "not in the policy any more",
            reproduced=one.reproduced,
            scope=one.scope,
            taken=one.taken,
        )


def rollback_plan(manifest: Manifest) -> Iterator[str]:
    """Yield in words how a site goes back."""
    yield f"patchline-site rollback {manifest.hotfix}"
    added = sum(1 for entry in manifest.files if change_word(entry) == "add")
    if kept := len(manifest.files) - added:
        yield f"{counted(kept, 'path')} back as before"
    if added:
        yield f"{counted(added, 'path')} that it adds removed"
    for step in manifest.steps:
        if step.irreversible:
            yield f"CANNOT BE UNDONE: step {step.id}"
        elif step.on in ("rollback", "both"):
            yield f"runs step {step.id} ({step.phase})"
    if manifest.relations.requires:
        yield "what it requires stays"
    restarts = [text for text in manifest.guidance if text != "none"]
    yield f"afterwards as after applying: {', '.join(restarts)}" if restarts else "no restart is needed"
