"""An enrolment: a person's own word for a new key, signed by that key.

It shows that whoever handed in the key can use it, and as whom and where they mean to. It proves nobody's identity: each
policy signer still hears the key's fingerprint from the person.
"""

from dataclasses import dataclass
from typing import Any

from patchline.patches import documents, identifiers
from patchline.patches.envelopes import Envelope, sign
from patchline.patches.errors import StatementError
from patchline.patches.fields import Fields
from patchline.patches.keys import PublicKey
from patchline.patches.limits import LIMITS
from patchline.patches.policy import Custody
from patchline.patches.signers import Signer

ENROLMENT_TYPE = "application/vnd.patchline.enrolment+json"
FORMAT = 1
_MEMBERS = {"format", "person", "key", "custody"}


@dataclass(frozen=True)
class Enrolment:
    """Who enrols which key, and where it lies."""

    person: str
    public: PublicKey
    custody: Custody

    def as_payload(self) -> bytes:
        """Return what the key signs."""
        document = {
            "format": FORMAT,
            "person": self.person,
            "key": self.public.to_pem(),
            "custody": self.custody.value,
        }
        return documents.encode(document)

    def signed(self, signer: Signer) -> Envelope:
        """Return the enrolment, signed by its own key."""
        envelope = sign(self.as_payload(), ENROLMENT_TYPE, signer)
        if Enrolment.read(envelope.as_document()) != self:
            raise StatementError("enrolment-key", "an enrolment is signed by the key that it enrols")
        return envelope

    @classmethod
    def read(cls, document: Any) -> "Enrolment":
        """Read an enrolment and check that its own key, and no other, signed it.

        Raises:
            StatementError: it breaks a rule, or another key signed it.
            SignatureError: the key must not be used, or the signature is wrong.
            DocumentError: it is not canonical JSON.
        """
        envelope = Envelope.from_document(document, "enrolment")
        envelope.require_type(ENROLMENT_TYPE, "the enrolment")
        # What is signed names the key that signed it, so it is looked into first; nothing of it counts before it verifies.
        payload = documents.decode(envelope.payload, what="enrolment", limit=LIMITS.key_file)
        fields = Fields(payload, "enrolment", StatementError)
        if set(fields.document) != _MEMBERS or fields.integer("format", 0, 1_000_000) != FORMAT:
            raise StatementError("enrolment-fields", "the enrolment has other fields than it must")
        public = PublicKey.from_pem(fields.text("key", limit=4096, lines=True))
        if {keyid for keyid, _ in envelope.signatures} != {public.keyid}:
            raise StatementError("enrolment-key", "the enrolment was not signed by the key that it enrols")
        envelope.verified_keys({public.keyid: public})
        return cls(
            person=fields.text("person", limit=64, pattern=identifiers.PERSON),
            public=public,
            custody=Custody(fields.choice("custody", tuple(Custody))),
        )
