"""What the commands of `patchline trust` print of a root, targets, policy or trust file."""

from pathlib import Path
from typing import Any

from patchline.patches import documents, identifiers
from patchline.patches.delegations import Delegations
from patchline.patches.limits import LIMITS
from patchline.patches.root import Root
from patchline.patches.terminal import report
from patchline.releaser.trust_files import PolicyFile, TrustFile


def trust_file_document(found: TrustFile) -> dict[str, Any]:
    """Return the document as it stands in its file."""
    if isinstance(found, Root | Delegations):
        return found.document
    if isinstance(found, PolicyFile):
        return found.envelope.as_document()
    document: dict[str, Any] = documents.decode(found.data, what="trust file", limit=LIMITS.trust_file)
    return document


def report_trust(file: Path, found: TrustFile, lines: list[str]) -> None:
    """Print lines for people; for scripts the file's digest and what it holds."""
    data = documents.encode(trust_file_document(found))
    facts: dict[str, Any] = {"file": str(file), "sha256": documents.digest(data)}
    facts["fingerprint"] = identifiers.fingerprint(facts["sha256"])
    if isinstance(found, PolicyFile):
        facts |= {"kind": "policy", "content": documents.decode(found.policy.data, what="policy")}
        facts["signatures"] = [keyid for keyid, _ in found.envelope.signatures]
    elif isinstance(found, Root):
        facts |= {"kind": "kit-root" if found.kit else "root", "content": found.document["signed"]}
        facts["signatures"] = sorted(found.signers(found))
    elif isinstance(found, Delegations):
        facts |= {"kind": "targets", "content": found.document["signed"]}
        facts["signatures"] = [entry["keyid"] for entry in found.document["signatures"]]
    else:
        facts |= {"kind": "trust", "content": trust_file_document(found)}
    report(facts, "\n".join(lines))
