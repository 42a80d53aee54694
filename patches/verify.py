"""The only door: from a manifest and its sidecars to a `VerifiedManifest`, or an error that says why not.

Pure rules: no disk, no network, no clock but `now`. Nothing else makes a `VerifiedManifest`, and only what has one can
be staged, planned or applied. The rules, in order; the first that is broken refuses the whole set:

 1. The root in the trust file has not expired. (`Trust.parse` made sure before that root and policy count.)
 2. The manifest obeys every rule of its fields and is for the trust file's product. A large one is not even looked
    into before a builder's signature was found that names its digest, so that a stranger's cannot fill the memory.
 3. Neither the policy nor the newest recall list recalls it, and the list does not hold it (`recalls`).
 4. Provenance: a signature by a key that the policy knows must verify, or the set is refused. At least one is by a
    builder's key that counts for this manifest. Each such statement is about this very manifest, its product, hotfix,
    revision and source. The containers they name are the only ones that may carry it.
 5. Approvals: each envelope has one signature. By a key that the policy knows it must verify, or the set is refused;
    then it must be an approval of this very manifest. By an unknown key it is not looked into and counts for nothing.
 6. Persons follow from keys by the policy. Counted are distinct persons whose key is for approving and counts for
    this manifest, who neither contributed nor built, and whose scope holds the site's customer.
 7. The strictest demand of all matching rules is met: persons, independent custody, rebuilt, roles (`counting`). If it
    is not, approvals given for an emergency may meet the policy's emergency rule: named customers, no steps as root or
    that cannot be undone. It then may be applied for some hours, with `--accept-emergency` only.

Signatures are judged by `signature.verify_signature`, envelopes by `envelopes`, the policy by `policy` and `trust`.
What is signed is the manifest's digest. The manifest names every payload member by digest, and `bundle.stage` checks
those and the container's own digest, so no byte that reaches the site escapes what was approved here.
"""

from dataclasses import InitVar, dataclass
from datetime import datetime

from patchline.patches import documents
from patchline.patches.counting import Approved, Place, Signed, Uncounted, decide, judge
from patchline.patches.envelopes import Envelope, read_sidecar
from patchline.patches.errors import ExpiredError, RecalledError, StatementError, TrustError
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import Manifest
from patchline.patches.policy import Policy, Purpose
from patchline.patches.provenance import Provenance
from patchline.patches.recalls import KnownRecalls
from patchline.patches.statements import PAYLOAD_TYPE, Approval
from patchline.patches.trust import Trust
from patchline.patches.wording import counted

_MADE_BY_VERIFY = object()


@dataclass(frozen=True)
class Sidecars:
    """The bytes of `….provenance.jsonl` and `….approvals.jsonl`; a missing file is empty."""

    provenance: bytes
    approvals: bytes


@dataclass(frozen=True)
class Origin:
    """Where a manifest came from.

    Attributes:
        builders: persons whose builder's key counts and who signed the provenance.
        signers: those and every other person known to the policy who signed it; none of them may approve.
        containers: SHA-256 of each container that the builders named.
    """

    builders: frozenset[str]
    signers: frozenset[str]
    containers: frozenset[str]
    uncounted: tuple[Uncounted, ...]


@dataclass(frozen=True)
class VerifiedManifest:
    """A manifest that the vendor's builder and enough approvers signed. Only `verify` makes one.

    Attributes:
        containers: SHA-256 of the files that may carry it.
        builders: persons who built it.
        approvals: who approved it, one place a person.
        emergency: hours it may be applied for, from when the site first saw it, since it was approved as an emergency
            only; None when it was approved by the ordinary rules.
        uncounted: signatures that counted for nothing, unknown keys among them, to be reported.
        warnings: what a person should know although the set is accepted.
        trust: digest of the trust file it was verified against.
        policy: version of the policy that was counted by.
    """

    manifest: Manifest
    containers: frozenset[str]
    builders: frozenset[str]
    approvals: tuple[Place, ...]
    emergency: int | None
    uncounted: tuple[Uncounted, ...]
    warnings: tuple[str, ...]
    trust: str
    policy: int
    maker: InitVar[object]

    def __post_init__(self, maker: object) -> None:
        if maker is not _MADE_BY_VERIFY:
            raise TypeError("only verify makes a VerifiedManifest")


def verify(
    manifest: bytes,
    sidecars: Sidecars,
    trust: Trust,
    now: datetime,
    *,
    stale_until: datetime | None = None,
    recalls: KnownRecalls | None = None,
) -> VerifiedManifest:
    """Verify one release set against a trust file, by the rules above.

    Args:
        manifest: bytes of `manifest.json`.
        sidecars: what was signed about it.
        trust: the site's.
        now: the site's time.
        stale_until: until when a person accepts an expired root.
        recalls: what the site knows of the vendor's recall list; None before it took one.

    Raises:
        ExpiredError: the root has expired.
        RecalledError: the manifest is recalled or held.
        ManifestError, DocumentError: the manifest breaks a rule.
        VerificationError: anything that was signed is wrong or not enough.
    """
    warnings = check_fresh(trust, now, stale_until)
    if len(manifest) > LIMITS.manifest_unsigned:
        check_named(documents.digest(manifest), sidecars.provenance, trust.policy)
    parsed = Manifest.parse(manifest)
    check_product(parsed, trust)
    check_recalls(parsed, trust.policy, recalls)
    origin = verify_provenance(parsed, sidecars.provenance, trust.policy)
    signed, unknown = read_approvals(parsed, sidecars.approvals, trust.policy)
    judged = [(one, judge(one, parsed, trust.customer, origin.signers)) for one in signed]
    uncounted = (*unknown, *(refusal for _, refusal in judged if refusal is not None))
    approved = decide(trust.policy, parsed, [one for one, refusal in judged if refusal is None], uncounted)
    return VerifiedManifest(
        manifest=parsed,
        containers=origin.containers,
        builders=origin.builders,
        approvals=approved.places,
        emergency=approved.emergency,
        uncounted=(*origin.uncounted, *uncounted),
        warnings=(*warnings, *_trial_warning(trust), *_emergency_warning(approved)),
        trust=trust.digest,
        policy=trust.policy.version,
        maker=_MADE_BY_VERIFY,
    )


def check_fresh(trust: Trust, now: datetime, stale_until: datetime | None) -> tuple[str, ...]:
    """Rule 1. Return a warning when an expired root is accepted by a person."""
    try:
        trust.check_fresh(now)
    except ExpiredError as error:
        if stale_until is None or now >= stale_until:
            raise
        return (error.message,)
    return ()


def check_named(digest: str, sidecar: bytes, policy: Policy) -> None:
    """Raise StatementError unless a provenance signed by a builder's key of the policy is about this digest."""
    for number, envelope in enumerate(read_sidecar(sidecar, "provenance"), 1):
        what = f"provenance, line {number}"
        known = [policy.keys[keyid] for keyid in _signing_keys(envelope, policy, what) if keyid in policy.keys]
        by_builder = any(key.purpose is Purpose.BUILDER for key in known)
        if by_builder and Provenance.parse(envelope.payload, what).manifest == digest:
            return
    raise StatementError("subject", f"no builder of this product signed a provenance of manifest {digest}")


def _trial_warning(trust: Trust) -> tuple[str, ...]:
    return ("this trust file was made for trying out; its keys all lie in one place",) if trust.trial else ()


def _emergency_warning(approved: Approved) -> tuple[str, ...]:
    if approved.emergency is None:
        return ()
    return (f"approved as an emergency only, for {counted(approved.emergency, 'hour')} from when it was first seen",)


def check_product(manifest: Manifest, trust: Trust) -> None:
    """Rule 2. Raise TrustError for a manifest of another product than the trust file's."""
    if manifest.target.product != trust.product:
        raise TrustError(
            "other-product", f"{manifest.label} is for product {manifest.target.product!r}, not {trust.product!r}"
        )


def check_recalls(manifest: Manifest, policy: Policy, recalls: KnownRecalls | None = None) -> None:
    """Rule 3. Raise RecalledError for a manifest that is recalled or held."""
    standing = recalls.state(manifest, policy) if recalls else None
    if standing is not None:
        raise standing.as_error()
    if manifest.digest in policy.recalls:
        raise RecalledError("policy", f"{manifest.label} was recalled by policy {policy.version}")


def verify_provenance(manifest: Manifest, sidecar: bytes, policy: Policy) -> Origin:
    """Rule 4. Return who built the manifest and its containers.

    Raises:
        VerificationError: no builder's key that counts signed it, or something signed is wrong.
    """
    builders: set[str] = set()
    signers: set[str] = set()
    containers: set[str] = set()
    uncounted: list[Uncounted] = []
    for number, envelope in enumerate(read_sidecar(sidecar, "provenance"), 1):
        what = f"provenance, line {number}"
        keyids = _signing_keys(envelope, policy, what)
        refusals = {keyid: _judge_builder(keyid, policy, manifest) for keyid in keyids}
        uncounted += [refusal for refusal in refusals.values() if refusal is not None]
        signers.update(policy.keys[keyid].person for keyid in keyids if keyid in policy.keys)
        persons = {policy.keys[keyid].person for keyid, refusal in refusals.items() if refusal is None}
        if persons:
            statement = Provenance.parse(envelope.payload, what)
            statement.check_for(manifest)
            builders |= persons
            containers |= statement.containers
    if not builders:
        raise _no_builder(manifest, uncounted)
    return Origin(frozenset(builders), frozenset(signers), frozenset(containers), tuple(uncounted))


def _signing_keys(envelope: Envelope, policy: Policy, what: str) -> list[str]:
    """Return the ids of the keys that signed, unknown ones too, after verifying those of known ones."""
    envelope.require_type(PAYLOAD_TYPE, what)
    envelope.verified_keys(policy.public_keys())
    return [keyid for keyid, _ in envelope.signatures]


def _judge_builder(keyid: str, policy: Policy, manifest: Manifest) -> Uncounted | None:
    key = policy.keys.get(keyid)
    if key is None:
        return _unknown(keyid)
    refusal = key.refusal(manifest.digest)
    if key.purpose is not Purpose.BUILDER:
        return Uncounted(keyid, key.person, "purpose", f"key {keyid[:16]} is {key.person}'s for {key.purpose}")
    if refusal is not None:
        return Uncounted(keyid, key.person, refusal, f"key {keyid[:16]} of {key.person} is {refusal}")
    return None


def _unknown(keyid: str) -> Uncounted:
    return Uncounted(keyid, None, "unknown-key", f"key {keyid[:16]} is not in the policy")


def _no_builder(manifest: Manifest, uncounted: list[Uncounted]) -> StatementError:
    codes = {one.code for one in uncounted}
    code = f"provenance-{codes.pop()}" if len(codes) == 1 else "provenance-missing"
    reasons = "".join(f"; {one.reason}" for one in uncounted)
    return StatementError(code, f"no builder of this product signed the provenance of {manifest.label}{reasons}")


def read_approvals(manifest: Manifest, sidecar: bytes, policy: Policy) -> tuple[list[Signed], list[Uncounted]]:
    """Rule 5. Return the verified approvals of the manifest, and unknown keys.

    Raises:
        VerificationError: a signature by a known key is wrong, or it signed something else.
    """
    signed, unknown = [], []
    for number, envelope in enumerate(read_sidecar(sidecar, "approvals"), 1):
        what = f"approvals, line {number}"
        if len(envelope.signatures) != 1:
            raise StatementError("several-signatures", f"{what} has {len(envelope.signatures)} signatures, not one")
        [keyid] = _signing_keys(envelope, policy, what)
        if keyid not in policy.keys:
            unknown.append(_unknown(keyid))
            continue
        approval = Approval.parse(envelope.payload, what)
        approval.check_for(manifest)
        signed.append(Signed(policy.keys[keyid], approval))
    return signed, unknown
