"""Signs whatever it is given: statements, envelopes, policy, root and trust file, written from the format alone."""

import base64
from collections.abc import Iterable
from functools import cache
from typing import Any

from tests.vectors import keys, material
from tests.vectors.cases import Delivery
from tests.vectors.keys import Key
from tests.vectors.material import canonical, sha256

STATEMENT = "application/vnd.in-toto+json"
POLICY = "application/vnd.patchline.policy+json"


# Envelopes


def pre_authentication(payload: bytes, kind: str) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def signature(payload: bytes, kind: str, key: Key) -> dict[str, str]:
    return {"keyid": key.keyid, "sig": base64.b64encode(key.sign(pre_authentication(payload, kind))).decode()}


def envelope(payload: bytes, signers: Iterable[Key], kind: str = STATEMENT) -> dict[str, Any]:
    signatures = sorted((signature(payload, kind, key) for key in signers), key=lambda item: item["keyid"])
    return {"payload": base64.b64encode(payload).decode(), "payloadType": kind, "signatures": signatures}


def lines(envelopes: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(canonical(one) + b"\n" for one in envelopes)


# Statements


def statement(subjects: dict[str, str], kind: str, predicate: dict[str, Any]) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()],
        "predicateType": kind,
        "predicate": predicate,
    }


def approval_statement(manifest: bytes, **changes: Any) -> dict[str, Any]:
    predicate = {
        "decision": "approve",
        "product": "demo",
        "hotfix": "HF-2026-0001",
        "revision": 1,
        "scope": "all",
        "reproduced": True,
        "time": "2026-05-01T10:00:00Z",
    }
    return statement({"manifest.json": sha256(manifest)}, "urn:patchline:approval:v1", {**predicate, **changes})


def approval(manifest: bytes, key: Key, **changes: Any) -> dict[str, Any]:
    return envelope(canonical(approval_statement(manifest, **changes)), [key])


def provenance_statement(manifest: bytes, bundle: bytes, **changes: Any) -> dict[str, Any]:
    source = {key: value for key, value in material.document()["provenance"].items() if key != "commits"}
    given = {"product": "demo", "baselines": ["1.0"], "hotfix": "HF-2026-0001", "revision": 1, "source": source}
    predicate = {
        "buildDefinition": {
            "buildType": "urn:patchline:build:v1",
            "externalParameters": {**given, **changes},
            "internalParameters": {"onto": [], "unchangedArchives": []},
            "resolvedDependencies": [],
        },
        "runDetails": {
            "builder": {"id": "urn:patchline:builder:v1", "version": {"patchline": "1"}},
            "metadata": {
                "invocationId": "0",
                "startedOn": "2026-05-01T09:00:00Z",
                "finishedOn": "2026-05-01T09:00:01Z",
            },
            "byproducts": [],
        },
    }
    subjects = {"manifest.json": sha256(manifest), "HF-2026-0001-r1.hotfix": sha256(bundle)}
    return statement(subjects, "https://slsa.dev/provenance/v1", predicate)


def provenance(manifest: bytes, bundle: bytes, key: Key = keys.BUILDER, **changes: Any) -> dict[str, Any]:
    return envelope(canonical(provenance_statement(manifest, bundle, **changes)), [key])


# Policy


def policy_key(key: Key, purpose: str, **changes: Any) -> dict[str, Any]:
    base = {
        "keyid": key.keyid,
        "public": key.pem,
        "purpose": purpose,
        "custody": "cli",
        "roles": [],
        "status": "active",
    }
    return {**base, **changes}


def persons() -> dict[str, Any]:
    return {
        "ada": {"keys": [policy_key(keys.ADA, "approver")]},
        "bob": {"keys": [policy_key(keys.BOB, "approver"), policy_key(keys.BOB_SECOND, "approver")]},
        "carol": {"keys": [policy_key(keys.CAROL, "approver")]},
        "dan": {"keys": [policy_key(keys.DAN, "approver")]},
        "kim": {"keys": [policy_key(keys.BUILDER, "builder"), policy_key(keys.KIM_APPROVER, "approver")]},
        "release": {"keys": [policy_key(keys.RELEASE, "release")]},
    }


def policy_document(**changes: Any) -> dict[str, Any]:
    base = {
        "format": 1,
        "product": "demo",
        "version": 1,
        "previous": None,
        "critical": [],
        "persons": persons(),
        "rules": [{"threshold": 2, "independent": 1}],
        "root_steps": False,
        "recalls": [],
        "recall_max_age_days": 45,
    }
    return {**base, **changes}


def with_key(person: str, number: int, **changes: Any) -> dict[str, Any]:
    """Return a policy in which one key of a person is another."""
    document = policy_document()
    document["persons"][person]["keys"][number] |= changes
    return document


# Root and trust file


def olpc(value: Any) -> bytes:
    """Return the canonical JSON of TUF, in which nothing but quotes and backslashes is escaped."""
    if isinstance(value, str):
        return b'"' + value.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
    if isinstance(value, list):
        return b"[" + b",".join(olpc(item) for item in value) + b"]"
    if isinstance(value, dict):
        return b"{" + b",".join(olpc(key) + b":" + olpc(value[key]) for key in sorted(value)) + b"}"
    return canonical(value)


def tuf_key(key: Key) -> dict[str, Any]:
    if key.kind == "p256":
        return {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": key.pem}}
    return {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": key.der[-32:].hex()}}


def root_document(signers: Iterable[Key] = keys.ROOTS[:2], threshold: int = 2, **changes: Any) -> dict[str, Any]:
    role = {"keyids": [key.keyid for key in keys.ROOTS], "threshold": threshold}
    none: dict[str, Any] = {"keyids": [], "threshold": 1}
    signed = {
        "_type": "root",
        "consistent_snapshot": True,
        "expires": "2030-01-01T00:00:00Z",
        "keys": {key.keyid: tuf_key(key) for key in keys.ROOTS},
        "roles": {"root": role, "targets": role, "snapshot": none, "timestamp": none},
        "spec_version": "1.0.31",
        "version": 1,
        **changes,
    }
    data = olpc(signed)
    return {"signatures": [{"keyid": key.keyid, "sig": key.sign(data).hex()} for key in signers], "signed": signed}


def trust_document(
    policy: dict[str, Any] | None = None, root: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    policy = envelope(canonical(policy_document()), keys.ROOTS[:2], POLICY) if policy is None else policy
    base = {"format": 1, "product": "demo", "customer": None, "trial": False, "baselines": {}, "channel": None}
    return {**base, "root": root_document() if root is None else root, "policy": policy, **changes}


def trust_with(policy: dict[str, Any]) -> bytes:
    """Return a trust file with this policy, signed as it is."""
    return canonical(trust_document(envelope(canonical(policy), keys.ROOTS[:2], POLICY)))


@cache
def good_trust() -> bytes:
    return canonical(trust_document())


# All of it


def deliver(
    *,
    manifest: bytes | None = None,
    bundle: bytes | None = None,
    provenance_lines: bytes | None = None,
    approval_lines: bytes | None = None,
    trust: bytes | None = None,
) -> Delivery:
    """Return a delivery whose every signature fits what it holds, except for the parts given."""
    manifest = canonical(material.document()) if manifest is None else manifest
    bundle = material.container(manifest) if bundle is None else bundle
    if provenance_lines is None:
        provenance_lines = lines([provenance(manifest, bundle)])
    if approval_lines is None:
        approval_lines = lines([approval(manifest, keys.BOB), approval(manifest, keys.CAROL)])
    return Delivery(bundle, provenance_lines, approval_lines, good_trust() if trust is None else trust)
