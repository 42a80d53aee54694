"""Roots, targets, policies and trust files on disk: told apart by their content, read by their own rules."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patchline.patches import documents
from patchline.patches.delegations import Delegations
from patchline.patches.enrolments import Enrolment
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import TrustError, UsageError
from patchline.patches.files import read_file
from patchline.patches.keys import PublicKey
from patchline.patches.limits import LIMITS
from patchline.patches.policy import POLICY_TYPE, Policy
from patchline.patches.root import Root, is_kit_root
from patchline.patches.trust import Trust


@dataclass(frozen=True)
class PolicyFile:
    """A policy and its envelope, whose signatures were not checked: that takes a root."""

    envelope: Envelope
    policy: Policy

    @classmethod
    def read(cls, document: Any) -> "PolicyFile":
        """Read a policy, signed or still to be signed.

        Raises:
            VerificationError: envelope or policy break a rule.
        """
        envelope = Envelope.from_document(document, "policy", unsigned=True)
        envelope.require_type(POLICY_TYPE, "the policy")
        return cls(envelope, Policy.parse(envelope.payload))


TrustFile = Root | Delegations | PolicyFile | Trust


def read_trust_file(path: Path) -> TrustFile:
    """Read a root of channel or kits, top-level targets, a policy or a trust file.

    Raises:
        VerificationError: it is none of them, or breaks a rule.
        DocumentError: it is not canonical JSON.
        NotFoundError: it is not there.
    """
    data = read_file(path, limit=LIMITS.trust_file)
    document = documents.decode(data, what=path.name, limit=LIMITS.trust_file)
    members = set(document) if isinstance(document, dict) else set()
    if "signed" in members:
        return _read_metadata(document)
    if "payload" in members:
        return PolicyFile.read(document)
    if "root" in members:
        return Trust.parse(data)
    raise TrustError("unknown-document", f"{path} is no root, no targets, no policy and no trust file")


def _read_metadata(document: dict[str, Any]) -> Root | Delegations:
    signed = document["signed"]
    if isinstance(signed, dict) and signed.get("_type") == "targets":
        return Delegations.read(document)
    return Root.read(document, kit=is_kit_root(document))


def read_root(path: Path, *, kit: bool | None = False) -> Root:
    """Read a root; one signed by too few as well.

    Args:
        path: of the file.
        kit: whether it must be the root of kits; None takes either.
    """
    found = read_trust_file(path)
    if not isinstance(found, Root):
        raise TrustError("unknown-document", f"{path} is no root")
    if kit is not None and found.kit != kit:
        raise TrustError("root-tree", f"{path} is the root of {'kits' if found.kit else 'a channel'}")
    return found


def read_targets(path: Path) -> Delegations:
    """Read top-level targets; such as are signed by too few as well."""
    found = read_trust_file(path)
    if not isinstance(found, Delegations):
        raise TrustError("unknown-document", f"{path} is no top-level targets")
    return found


def read_policy(path: Path) -> PolicyFile:
    """Read a policy; one signed by too few as well."""
    found = read_trust_file(path)
    if not isinstance(found, PolicyFile):
        raise TrustError("unknown-document", f"{path} is no policy")
    return found


def read_trust(path: Path) -> Trust:
    """Read a trust file whose root and policy count."""
    found = read_trust_file(path)
    if not isinstance(found, Trust):
        raise TrustError("unknown-document", f"{path} is no trust file")
    return found


def read_enrolment(path: Path) -> Enrolment:
    """Read the enrolment of a key, which that key signed.

    Raises:
        StatementError: it is none, or another key signed it.
        SignatureError: the signature is wrong.
        NotFoundError: it is not there.
    """
    data = read_file(path, limit=LIMITS.key_file)
    if data.startswith(b"-----BEGIN"):
        raise UsageError("key-person", f"{path} is a key alone; write PERSON={path}")
    return Enrolment.read(documents.decode(data.removesuffix(b"\n"), what=path.name, limit=LIMITS.key_file))


def read_public(path: Path) -> PublicKey:
    """Read a public key from a PEM file; line ends of another system are no matter.

    Raises:
        SignatureError: no public key that may be used.
        NotFoundError: it is not there.
    """
    data = read_file(path, limit=LIMITS.key_file)
    return PublicKey.from_pem(data.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n") + "\n")
