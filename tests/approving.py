"""Browsers that sign, without a browser: a P-256 key, and signatures in the form in which WebCrypto gives them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from ecdsa import NIST256p, SigningKey
from ecdsa.util import sigencode_string

from patchline.patches.enrolments import ENROLMENT_TYPE, Enrolment
from patchline.patches.envelopes import Envelope
from patchline.patches.keys import Kind, PublicKey
from patchline.patches.policy import Custody, Purpose, key_document
from patchline.patches.statements import PAYLOAD_TYPE, time_text
from patchline.releaser.approvals import Taken
from patchline.releaser.approving import browser_keys, browser_votes
from patchline.releaser.hotfixes import find
from tests import vendor
from tests.hotfixes import Life


@dataclass(frozen=True)
class Device:
    """A person's browser with its key."""

    person: str
    name: str = "laptop"
    _key: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        seed = hashlib.sha256(f"{self.person} {self.name}".encode()).digest()
        key = SigningKey.from_secret_exponent(int.from_bytes(seed) % NIST256p.order, NIST256p)
        object.__setattr__(self, "_key", key)

    @property
    def public(self) -> PublicKey:
        return PublicKey(Kind.P256, self._key.verifying_key.to_string("uncompressed"))

    def sign(self, payload_type: str, payload: bytes) -> bytes:
        """Sign what an envelope covers; r and s side by side."""
        data = Envelope(payload_type, payload, ()).signed_bytes
        return self._key.sign_deterministic(data, hashfunc=hashlib.sha256, sigencode=sigencode_string)

    def enrolment(self) -> bytes:
        payload = Enrolment(self.person, self.public, Custody.BROWSER).as_payload()
        return self.sign(ENROLMENT_TYPE, payload)

    def enrolled(self, life: Life) -> Device:
        with life.change(self.person) as change:
            browser_keys.enrol(change, self.name, self.public.to_pem(), self.enrolment())
        return self

    def policy_key(self, **changes: Any) -> dict[str, Any]:
        return {**key_document(self.public, Purpose.APPROVER, Custody.BROWSER), **changes}

    def vote(self, life: Life, identifier: str, by: str | None = None, **changes: Any) -> Taken:
        """Sign a revision as its page shows it now, and hand it in; `changes` replace what is handed in."""
        with life.register.read() as session:
            revision = find(session, identifier)
            payload = browser_votes.statement(session, revision, life.now)
            shown = {"manifest": revision.manifest_sha256, "moment": time_text(life.now), "keyid": self.public.keyid}
        handed = {**shown, "signature": self.sign(PAYLOAD_TYPE, payload), **changes}
        with life.change(by or self.person) as change:
            return browser_votes.take(change, identifier, root=life.root, **handed)


def policy_with(*devices: Device, **changes: Any) -> dict[str, Any]:
    """A policy that lists browsers beside the keys of `tests.vendor`."""
    persons = {person: list(keys) for person, keys in vendor.PERSONS.items()}
    for device in devices:
        persons.setdefault(device.person, []).append(device.policy_key())
    return vendor.policy_document(persons, **changes)
