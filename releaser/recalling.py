"""Recalls as files: what a person signs on their own machine, and what the next one signs after them.

A recall file holds envelopes, one a line, over the same bytes: a recall or a reinstatement. It is made by whoever
proposes it; everybody else adds a line with `confirm`. The vendor's register takes such a file, and judges it again.

Nothing here asks a server. What is recalled or put in its place is read from the bundle or manifest itself.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from patchline.patches.counting import Signed, judge
from patchline.patches.envelopes import Envelope, read_sidecar, sign, write_sidecar
from patchline.patches.errors import ApprovalError, RefusedError, StatementError
from patchline.patches.files import read_file, write_file
from patchline.patches.identifiers import fingerprint
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import Manifest
from patchline.patches.policy import Policy, PolicyKey, Purpose
from patchline.patches.recall_list import Entry
from patchline.patches.recall_statements import RECALL_TYPE, REINSTATEMENT_TYPE, Recall, Reinstatement, statement_digest
from patchline.patches.recalls import PERSONS, builders_of, missing_for_reinstatement, recalling_persons, signers
from patchline.patches.signers import Signer
from patchline.patches.statements import PAYLOAD_TYPE, statement_type
from patchline.patches.trust import Trust
from patchline.patches.verify import check_fresh, check_product


@dataclass(frozen=True)
class RecallFile:
    """A recall or reinstatement, and the envelopes of those who signed it; nothing of it is verified."""

    path: Path
    statement: Recall | Reinstatement
    envelopes: tuple[Envelope, ...]

    @property
    def digest(self) -> str:
        """What names the statement."""
        return statement_digest(self.envelopes[0].payload)

    def persons(self, policy: Policy) -> frozenset[str]:
        """Return the persons whose signature counts, as far as the policy alone tells.

        Raises:
            SignatureError: a signature by a key of the policy is wrong.
        """
        return recalling_persons(self.envelopes[0].payload, self.envelopes, policy)

    def lacking(self, policy: Policy, manifest: Manifest | None) -> list[str]:
        """Return in words what is still lacking; the manifest is needed for a reinstatement, whose rules follow from it.

        Raises:
            SignatureError: a signature by a key of the policy is wrong.
        """
        statement = self.statement
        if isinstance(statement, Recall):
            there = len(self.persons(policy))
            return [] if there >= PERSONS else [f"{there} of {PERSONS} persons signed"]
        if manifest is None:
            raise StatementError("recall-bundle", f"{self.path} gives {statement.revision.label} free again")
        keys = [key for key, _ in signers(self.envelopes, policy)]
        return [words for _, words in missing_for_reinstatement(statement, keys, manifest, policy)]


def read_recall_file(path: Path) -> RecallFile:
    """Read a recall file.

    Raises:
        StatementError: it holds no recall or reinstatement, or several.
        DocumentError: a line is not canonical JSON.
        NotFoundError: it is not there.
    """
    envelopes = read_sidecar(read_file(path, limit=LIMITS.sidecar), path.name)
    if len({envelope.payload for envelope in envelopes}) != 1:
        raise StatementError("recall-file", f"{path} does not hold signatures of one recall")
    for envelope in envelopes:
        envelope.require_type(PAYLOAD_TYPE, path.name)
        if len(envelope.signatures) != 1:
            raise StatementError("several-signatures", f"{path} has a line with {len(envelope.signatures)} signatures")
    return RecallFile(path, _parse(envelopes[0].payload, path.name), envelopes)


def _parse(payload: bytes, what: str) -> Recall | Reinstatement:
    kind = statement_type(payload, what)
    if kind == RECALL_TYPE:
        return Recall.parse(payload, what)
    if kind == REINSTATEMENT_TYPE:
        return Reinstatement.parse(payload, what)
    raise StatementError("recall-file", f"{what} is a {kind!r}, neither a recall nor a reinstatement")


def propose(
    manifest: Manifest,
    signer: Signer,
    trust: Trust,
    now: datetime,
    *,
    reason: str,
    out: Path,
    replacement: Manifest | None = None,
    void: bool = False,
) -> RecallFile:
    """Write a recall that one person signed.

    Raises:
        ApprovalError: the key may not recall.
        StatementError: the reason or the replacement is not allowed.
        RecalledError: the replacement is recalled itself.
        VerificationError: manifest and trust file do not belong together.
    """
    check_product(manifest, trust)
    if replacement is not None and replacement.digest in trust.policy.recalls:
        raise StatementError("replacement", f"{replacement.label} was recalled by policy {trust.policy.version} itself")
    recall = Recall.make(manifest, reason=reason, now=now, replacement=replacement, void=void)
    check_recaller(signer, trust, now)
    return _write(out, recall, signer)


def reinstate(
    manifest: Manifest, entry: Entry, signer: Signer, trust: Trust, now: datetime, *, reason: str, out: Path
) -> RecallFile:
    """Write a reinstatement that one person signed; it takes back every recall of the entry.

    Raises:
        ApprovalError: the key may not approve this manifest.
        RefusedError: the policy itself recalls it, which is not taken back.
        StatementError: the recalls are of something else.
        VerificationError: manifest and trust file do not belong together.
    """
    check_product(manifest, trust)
    made = Reinstatement.make(manifest, reason=reason, recalls=frozenset(entry.digests), now=now)
    if made.revision != entry.revision:
        raise StatementError("subject", f"the recall is of {entry.revision.label}, not of this {manifest.label}")
    if manifest.digest in trust.policy.recalls:
        raise RefusedError("reinstatement", f"{manifest.label} is recalled by policy {trust.policy.version} itself")
    check_reinstater(made, manifest, signer, trust, now)
    return _write(out, made, signer)


def confirm(file: RecallFile, signer: Signer, trust: Trust, now: datetime, manifest: Manifest | None) -> RecallFile:
    """Add one's signature to a recall file; show what it says before calling this. A reinstatement needs the manifest.

    Raises:
        ApprovalError: the key may not sign this.
        StatementError: the statement is about another product or manifest.
    """
    statement = file.statement
    if statement.product != trust.product:
        raise StatementError("product", f"{file.path} is for product {statement.product!r}, not {trust.product!r}")
    if manifest is not None and statement.revision.manifest != manifest.digest:
        raise StatementError("subject", f"{file.path} is about manifest {statement.revision.manifest}, not this one")
    file.persons(trust.policy)  # Refuses forged signatures of others before ours comes to stand beside them.
    if isinstance(statement, Recall):
        check_recaller(signer, trust, now)
    elif manifest is None:
        raise StatementError("recall-bundle", f"{file.path} gives {statement.revision.label} free again")
    else:
        check_reinstater(statement, manifest, signer, trust, now)
    own = sign(file.envelopes[0].payload, PAYLOAD_TYPE, signer)
    others = [one for one in file.envelopes if one.signatures[0][0] != signer.public.keyid]
    write_file(file.path, write_sidecar([*others, own]), overwrite=True)
    return read_recall_file(file.path)


def check_recaller(signer: Signer, trust: Trust, now: datetime) -> None:
    """Raise ApprovalError unless a recall signed with this key counts."""
    key = _policy_key(signer, trust, now)
    if key.purpose is not Purpose.APPROVER:
        raise ApprovalError("purpose", f"key {signer.public.keyid[:16]} is {key.person}'s key for {key.purpose}")
    if not key.active:
        state = "revoked" if key.revoked else "retired"
        raise ApprovalError(state, f"key {signer.public.keyid[:16]} of {key.person} is {state}")


def check_reinstater(made: Reinstatement, manifest: Manifest, signer: Signer, trust: Trust, now: datetime) -> None:
    """Raise ApprovalError unless a reinstatement of this manifest signed with this key counts."""
    key = _policy_key(signer, trust, now)
    refusal = judge(Signed(key, made.as_approval()), manifest, None, builders_of(trust.policy))
    if refusal is not None:
        raise ApprovalError(refusal.code, f"{manifest.label} cannot be given free with it: {refusal.reason}")


def _policy_key(signer: Signer, trust: Trust, now: datetime) -> PolicyKey:
    check_fresh(trust, now, None)
    key = trust.policy.keys.get(signer.public.keyid)
    if key is None:
        raise ApprovalError("unknown-key", f"key {signer.public.keyid[:16]} is not in policy {trust.policy.version}")
    return key


def _write(out: Path, statement: Recall | Reinstatement, signer: Signer) -> RecallFile:
    write_file(out, write_sidecar([sign(statement.as_payload(), PAYLOAD_TYPE, signer)]))
    return read_recall_file(out)


def manifest_words(manifest: Manifest) -> list[str]:
    """Return in a few lines what a manifest is, for whoever recalls it."""
    fixes = ", ".join(fix.id for fix in manifest.fixes) or "none"
    return [
        f"{manifest.label}  {manifest.title}",
        f"  manifest     {manifest.digest}",
        f"  fingerprint  {fingerprint(manifest.digest)}",
        f"  for          {manifest.target.product} {', '.join(manifest.target.baselines)}",
        f"  fixes        {fixes}",
    ]


def statement_words(statement: Recall | Reinstatement) -> list[str]:
    """Return in a few lines what a recall or reinstatement says."""
    verb = "recall" if isinstance(statement, Recall) else "give free again"
    lines = [
        f"{verb} {statement.revision.label} of {statement.product}",
        f"  manifest     {statement.revision.manifest}",
        f"  fingerprint  {fingerprint(statement.revision.manifest)}",
        f"  reason       {statement.reason}",
    ]
    if isinstance(statement, Recall):
        instead = statement.replacement
        shown = f"{instead.label}, {fingerprint(instead.manifest)}" if instead else "none"
        lines.append(f"  replacement  {shown}")
        lines += ["  void         it was never published"] if statement.void else []
    return lines
