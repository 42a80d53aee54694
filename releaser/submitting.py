"""Submitting a revision for review: from here on its bytes and the list of who had a part in it stand.

Submitter and editors come from the register alone, so keeping them from approving holds against people and not against
whoever has the server; authors and builders follow from what was signed, and every site keeps them out by itself.
"""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.envelopes import read_sidecar
from patchline.patches.errors import RefusedError, StatementError
from patchline.patches.manifest import Manifest
from patchline.patches.policy import Policy, Purpose
from patchline.patches.provenance import Provenance
from patchline.patches.root import Root
from patchline.patches.trust import Trust
from patchline.patches.verify import Origin, check_fresh, check_product, check_recalls, verify_provenance
from patchline.releaser.evidence import given_for, unsigned
from patchline.releaser.fleet.simulations import check_simulated
from patchline.releaser.hotfixes import label, locked, move
from patchline.releaser.policies import vendor_trust
from patchline.releaser.register import Change
from patchline.releaser.states import Action, State, check_moment
from patchline.releaser.tables.hotfixes import Contributor, Hotfix, Revision, Step

AUTHOR, BUILDER, SUBMITTER, EDITOR = "author", "builder", "submitter", "editor"
_EDITING = (Action.NEW, Action.EDIT, Action.BUILD)


def submit(
    change: Change, identifier: str, root: Root, *, provenance: bytes | None = None, embargo: datetime | None = None
) -> Revision:
    """Submit a built revision for review.

    Args:
        change: under way.
        identifier: of the hotfix or revision.
        root: the channel's newest.
        provenance: the sidecar, when it was signed after the bundle was taken in.
        embargo: not to be published before this.

    Raises:
        StateError: it is not built, or was submitted.
        VerificationError: no builder of the newest policy signed for these bytes.
        RefusedError: test results are not in what the builder signed, or who acts may not; or the product asks for a
            simulation against all sites, and there is none that holds.
        NotFoundError: the product has no policy.
    """
    revision = locked(change, identifier)
    check_moment(Action.SUBMIT, State(revision.state), label(revision))
    if provenance is not None:
        revision.provenance = provenance
    trust = vendor_trust(change.session, change.session.get_one(Hotfix, revision.hotfix).product, root)
    origin = _check_signed(change.session, revision, trust, change.now)
    simulated = check_simulated(change.session, revision)
    revision.builder = min(origin.builders)
    revision.embargo_until = embargo
    parts = {(person, part) for person, part in _parts(change, revision, origin)}
    change.session.add_all(Contributor(revision=revision.id, person=person, part=part) for person, part in parts)
    change.session.flush()
    facts = {"builder": revision.builder, "policy": trust.policy.version, "contributors": sorted({p for p, _ in parts})}
    facts["simulation"] = str(simulated.holds)
    move(change, revision, Action.SUBMIT, State.IN_REVIEW, facts=facts)
    return revision


def _check_signed(session: Session, revision: Revision, trust: Trust, now: datetime) -> Origin:
    manifest = Manifest.parse(revision.manifest or b"")
    sidecar = revision.provenance or b""
    check_fresh(trust, now, None)
    check_product(manifest, trust)
    check_recalls(manifest, trust.policy)
    origin = verify_provenance(manifest, sidecar, trust.policy)
    if revision.container_sha256 not in origin.containers:
        raise StatementError(
            "container", f"the provenance does not name the bundle (sha256 {revision.container_sha256})"
        )
    results = given_for(session, revision)
    if missing := list(unsigned(results, _by_builders(sidecar, trust.policy))):
        names = ", ".join(sorted(results[sha256]["name"] for sha256 in missing))
        raise RefusedError("unsigned-evidence", f"the provenance of {label(revision)} lacks test results: {names}")
    return origin


def _by_builders(sidecar: bytes, policy: Policy) -> list[Provenance]:
    """Return the statements with a builder's signature; `verify_provenance` has verified them."""
    builders = {keyid for keyid, key in policy.keys.items() if key.purpose is Purpose.BUILDER}
    return [
        Provenance.parse(envelope.payload, "provenance")
        for envelope in read_sidecar(sidecar, "provenance")
        if not builders.isdisjoint(keyid for keyid, _ in envelope.signatures)
    ]


def _parts(change: Change, revision: Revision, origin: Origin) -> Iterator[tuple[str, str]]:
    """Yield who had which part in a revision."""
    yield from ((person, AUTHOR) for person in Manifest.parse(revision.manifest or b"").contributors)
    yield from ((person, BUILDER) for person in origin.signers)
    yield change.by, SUBMITTER
    yield change.session.get_one(Hotfix, revision.hotfix).added_by, EDITOR
    steps = select(Step.person).where(Step.revision == revision.id, Step.action.in_(_EDITING))
    yield from ((person, EDITOR) for person in change.session.scalars(steps))
