"""A whole vendor in memory: offline keys, policy, builder, approvers; signs in pure Python so that no test needs more."""

import hashlib
from datetime import UTC, datetime

from ecdsa import NIST256p, SigningKey
from ecdsa.util import sigencode_der
from securesystemslib._vendor.ed25519 import ed25519

from patchline.patches import documents, envelopes
from patchline.patches.envelopes import Envelope
from patchline.patches.keys import Kind, PublicKey
from patchline.patches.manifest import Manifest
from patchline.patches.policy import POLICY_TYPE, Custody, Purpose, key_document
from patchline.patches.provenance import BuildRecord, Scan, Simulation, provenance_payload
from patchline.patches.statements import PAYLOAD_TYPE, Approval, Subject
from patchline.patches.trust import Trust, trust_document
from patchline.patches.verify import Sidecars
from patchline.releaser import ceremony, policy_making
from tests.samples import manifest_document

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
CONTAINER = "c" * 64


class PureSigner:
    """Signs with a key that follows from a name; P-256, or Ed25519 for names that start with `ed-`."""

    def __init__(self, name):
        self._seed = hashlib.sha256(name.encode()).digest()
        if name.startswith("ed-"):
            self.public = PublicKey(Kind.ED25519, ed25519.publickey_unsafe(self._seed))
        else:
            self._key = SigningKey.from_secret_exponent(int.from_bytes(self._seed) % NIST256p.order, NIST256p)
            self.public = PublicKey(Kind.P256, self._key.verifying_key.to_string("uncompressed"))

    def sign(self, data):
        if self.public.kind is Kind.ED25519:
            return ed25519.signature_unsafe(data, self._seed, self.public.point)
        return self._key.sign_deterministic(data, hashfunc=hashlib.sha256, sigencode=sigencode_der)


def signer(name):
    return PureSigner(name)


def policy_key(name, purpose=Purpose.APPROVER, custody=Custody.CLI, roles=(), **changes):
    return {**key_document(signer(name).public, purpose, custody, roles), **changes}


OFFLINE = ("offline-1", "ed-offline-2", "offline-3")
PERSONS = {
    "ada": [policy_key("ada")],
    "ben": [policy_key("ben", roles=["security"])],
    "cleo": [policy_key("ed-cleo")],
    "dora": [policy_key("dora", custody=Custody.BROWSER)],
    "emil": [policy_key("emil", custody=Custody.BROWSER)],
    "tess": [policy_key("tess", custody=Custody.TRANSIT)],
    "toni": [policy_key("toni", custody=Custody.TRANSIT)],
    "bob": [policy_key("builder", Purpose.BUILDER), policy_key("bob")],
    "release": [policy_key("release", Purpose.RELEASE)],
}
RULES = [{"threshold": 2, "independent": 1, "reproduced": 0}]


def root(version=1, names=OFFLINE, threshold=2, signers=None, previous=None, now=NOW, online=None):
    made = ceremony.make_root([signer(name).public for name in names], threshold, now, online=online, previous=previous)
    if made.version != version:
        document = made.document
        document["signed"]["version"] = version
        made = type(made).read(document)
    for name in names[:threshold] if signers is None else signers:
        made = ceremony.sign_root(made, signer(name))
    return made


def policy_document(persons=None, rules=None, **changes):
    return {
        **policy_making.first_policy("demo"),
        "persons": {person: {"keys": keys} for person, keys in (PERSONS if persons is None else persons).items()},
        "rules": RULES if rules is None else rules,
        **changes,
    }


def policy_envelope(document=None, signers=OFFLINE[:2], payload_type=POLICY_TYPE):
    envelope = Envelope(payload_type, documents.encode(policy_document() if document is None else document), ())
    for name in signers:
        envelope = envelope.signed_by(signer(name))
    return envelope


def trust(policy=None, *, root_of=None, **changes):
    policy = policy if isinstance(policy, Envelope) else policy_envelope(policy)
    return Trust.parse(trust_document(product="demo", root=root_of or root(), policy=policy, **changes))


def manifest(**changes):
    return Manifest.from_document(manifest_document(contributors=changes.pop("contributors", ["walt"]), **changes))


RECORD = BuildRecord(
    tools={"patchline": "0.1.0"},
    machine="linux x86_64",
    started=NOW,
    finished=NOW,
    invocation="3f0c",
    payload="e" * 64,
    scan=Scan(contents=1, rules="f" * 64),
    simulation=Simulation(runs=1, paths=1),
)


def provenance(of, by=("builder",), containers=(CONTAINER,)):
    subjects = [Subject(f"{of.label}.hotfix", digest) for digest in containers]
    envelope = Envelope(PAYLOAD_TYPE, provenance_payload(of, subjects, RECORD), ())
    for name in by:
        envelope = envelope.signed_by(signer(name))
    return envelope


def approval(of, by="ada", scope=None, reproduced=False, emergency=None):
    statement = Approval.make(of, scope=scope, reproduced=reproduced, now=NOW, emergency=emergency)
    return envelopes.sign(statement.as_payload(), PAYLOAD_TYPE, signer(by))


def sidecars(of, approvals=("ada", "ben"), built=None):
    approvals = [approval(of, one) if isinstance(one, str) else one for one in approvals]
    built = [provenance(of)] if built is None else built
    return Sidecars(envelopes.write_sidecar(built), envelopes.write_sidecar(approvals))
