"""What people sign about a bundle: provenance, approvals, the release. Each signs only what the file itself shows.

The bundle is read whole and checked before any key is used; nothing is taken from a server. Sidecars lie beside the
bundle and are named after it; they are replaced atomically, and lines of others are kept.

For `patchline bundle sign|approve|release`: the command opens the key with `own_signatures.open_own` and calls one of
`sign_provenance`, `approve`, `release`.
"""

from datetime import datetime
from pathlib import Path

from patchline.patches.counting import Signed, judge, missing_in_emergency
from patchline.patches.envelopes import Envelope, read_sidecar, sign, write_sidecar
from patchline.patches.errors import ApprovalError, NotFoundError, StatementError, UsageError
from patchline.patches.files import read_file, write_file
from patchline.patches.keys import Kind
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import Manifest
from patchline.patches.policy import Policy, Purpose
from patchline.patches.provenance import Provenance
from patchline.patches.release import check_release, release_line
from patchline.patches.release_zip import APPROVALS, NOTES, PROVENANCE, RELEASE_LINE, RELEASE_SIGNATURE
from patchline.patches.signers import Signer
from patchline.patches.statements import CUSTOMER, PAYLOAD_TYPE, Approval
from patchline.patches.trust import Trust
from patchline.patches.verify import (
    Sidecars,
    VerifiedManifest,
    check_fresh,
    check_product,
    check_recalls,
    verify,
    verify_provenance,
)
from patchline.patches.wording import counted
from patchline.releaser.bundle_files import STATEMENT, BundleFile, read_bundle, sidecar_path
from patchline.releaser.release_words import notes

_NEVER = ("emergency-none", "emergency-steps")


def read_sidecars(bundle: Path) -> Sidecars:
    """Read provenance and approvals beside a bundle; a missing file is empty."""
    return Sidecars(*(_read_optional(sidecar_path(bundle, ending)) for ending in (PROVENANCE, APPROVALS)))


def _read_optional(path: Path) -> bytes:
    try:
        return read_file(path, limit=LIMITS.sidecar)
    except NotFoundError:
        return b""


def sign_provenance(path: Path, signer: Signer) -> Path:
    """Sign the statement that `build` wrote beside a bundle, after checking it against the file.

    Returns:
        The provenance sidecar, which has one line more.

    Raises:
        StatementError: the statement is about another bundle.
        MalformedError: bundle or statement is damaged.
        NotFoundError: bundle or statement is not there.
    """
    bundle = read_bundle(path)
    payload = read_file(bundle.beside(STATEMENT), limit=LIMITS.sidecar)
    statement = Provenance.parse(payload, "the statement")
    statement.check_for(bundle.manifest)
    if bundle.container not in statement.containers:
        raise StatementError("container", f"the statement does not name this file (sha256 {bundle.container})")
    return _append(bundle.beside(PROVENANCE), sign(payload, PAYLOAD_TYPE, signer))


def check_approver(bundle: BundleFile, trust: Trust, signer: Signer, approval: Approval, now: datetime) -> None:
    """Refuse an approval that no site would count; `approve` calls it before the key signs.

    Raises:
        ApprovalError: not an approver's key, its person contributed or built, or the key was retired or revoked.
        VerificationError: the provenance is missing or wrong, or the bundle is for another product.
        RecalledError: the policy recalls it.
        ExpiredError: the trust file's root has expired.
    """
    check_fresh(trust, now, None)
    check_product(bundle.manifest, trust)
    check_recalls(bundle.manifest, trust.policy)
    provenance = read_sidecars(bundle.path).provenance
    origin = verify_provenance(bundle.manifest, provenance, trust.policy)
    if bundle.container not in origin.containers:
        raise StatementError("container", f"the provenance does not name this file (sha256 {bundle.container})")
    key = trust.policy.keys.get(signer.public.keyid)
    if key is None:
        raise ApprovalError("unknown-key", f"key {signer.public.keyid[:16]} is not in policy {trust.policy.version}")
    customer = None if approval.scope is None else min(approval.scope)
    refusal = judge(Signed(key, approval), bundle.manifest, customer, origin.signers)
    if refusal is not None:
        raise ApprovalError(refusal.code, f"{bundle.manifest.label} cannot be approved with it: {refusal.reason}")
    if approval.emergency is not None:
        _check_emergency(bundle.manifest, trust.policy, approval.emergency)


def _check_emergency(manifest: Manifest, policy: Policy, hours: int) -> None:
    """Refuse what no number of persons could bring out as an emergency."""
    hopeless = [found for found in missing_in_emergency(policy, manifest, ()) if found[0] in _NEVER]
    if hopeless:
        raise ApprovalError(hopeless[0][0], f"{manifest.label} cannot be an emergency release: {hopeless[0][1]}")
    if policy.emergency is not None and hours > policy.emergency.max_hours:
        most = counted(policy.emergency.max_hours, "hour")
        raise ApprovalError("emergency-hours", f"policy {policy.version} grants emergencies {most} at most")


def approve(
    bundle: BundleFile,
    signer: Signer,
    trust: Trust,
    now: datetime,
    *,
    scope: frozenset[str] | None = None,
    reproduced: bool = False,
    emergency: int | None = None,
    out: Path | None = None,
) -> Path:
    """Sign an approval of a bundle that was read from the approver's own disk.

    Args:
        bundle: from `read_bundle`; show its digest and summary before calling this.
        signer: the approver's key.
        trust: the vendor's, which names the approvers.
        now: the approver's time, for people only.
        scope: customers it is for, None for all.
        reproduced: whether a rebuild on this machine gave the same manifest.
        emergency: hours it may be applied for, as an emergency of the customers in the scope.
        out: a file of its own instead of the sidecar; it must not exist.

    Returns:
        The file that holds the approval.

    Raises:
        PatchlineError: as `check_approver`, or a customer's id that is none.
    """
    if scope is not None and (not scope or not all(CUSTOMER.fullmatch(customer) for customer in scope)):
        raise UsageError("options", "--scope takes the id of a customer")
    if emergency is not None and scope is None:
        raise UsageError("options", "--emergency is for named customers; give --scope")
    approval = Approval.make(bundle.manifest, scope=scope, reproduced=reproduced, now=now, emergency=emergency)
    check_approver(bundle, trust, signer, approval, now)
    envelope = sign(approval.as_payload(), PAYLOAD_TYPE, signer)
    if out is None:
        return _append(bundle.beside(APPROVALS), envelope)
    write_file(out, write_sidecar([envelope]))
    return out


def release(bundle: BundleFile, signer: Signer, trust: Trust, now: datetime) -> VerifiedManifest:
    """Count the quorum as a site would, then write `.sha256`, `.sha256.sig` and the notes.

    Raises:
        VerificationError: a site would refuse the set.
        ApprovalError: the key is no release key of the policy.
        UsageError: the key is not P-256, which openssl everywhere can check.
    """
    verified = verify(bundle.manifest.data, read_sidecars(bundle.path), trust, now)
    if bundle.container not in verified.containers:
        raise StatementError("container", f"the provenance does not name this file (sha256 {bundle.container})")
    key = trust.policy.keys.get(signer.public.keyid)
    if key is None or key.purpose is not Purpose.RELEASE or key.refusal(bundle.manifest.digest) is not None:
        raise StatementError("release-key", f"key {signer.public.keyid[:16]} is no release key of the policy")
    if signer.public.kind is not Kind.P256:
        raise UsageError("options", "a release is signed with a P-256 key")
    line = release_line(bundle.path.name, bundle.container)
    signature = signer.sign(line)
    check_release(line, signature, bundle.container, bundle.manifest.digest, trust.policy)
    write_file(bundle.beside(RELEASE_LINE), line, overwrite=True)
    write_file(bundle.beside(RELEASE_SIGNATURE), signature, overwrite=True)
    write_file(bundle.beside(NOTES), notes(bundle.manifest).encode(), overwrite=True)
    return verified


def _append(path: Path, envelope: Envelope) -> Path:
    """Add a line to a sidecar; the same statement by the same key stays one line."""
    keys = [keyid for keyid, _ in envelope.signatures]
    kept = [
        line
        for line in read_sidecar(_read_optional(path), path.name)
        if line.payload != envelope.payload or [keyid for keyid, _ in line.signatures] != keys
    ]
    write_file(path, write_sidecar([*kept, envelope]), overwrite=True)
    return path
