"""Enrolment of a site: its own word for its key, which shows that it was given a code without telling the code.

- A code has 128 bits and a check of 12, written in 28 characters of Crockford's alphabet. The vendor keeps its SHA-256.
- What the site writes names the first 64 bits of that SHA-256, by which the vendor finds the code, and the HMAC of its key
  and id under the whole of it. So who reads or changes the file on its way can enrol nothing by it.
- It proves that whoever enrols had the code. That the key is the site's shows its fingerprint, read out by phone.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from patchline.patches import documents, identifiers
from patchline.patches.envelopes import Envelope, sign
from patchline.patches.errors import StatementError
from patchline.patches.fields import Fields
from patchline.patches.keys import PublicKey
from patchline.patches.limits import LIMITS
from patchline.patches.signers import Signer
from patchline.patches.statements import time_text

ENROLMENT_TYPE = "application/vnd.patchline.site-enrolment+json"
FORMAT = 1
_MEMBERS = {"format", "audience", "site", "product", "key", "code", "proof", "time"}
_CODE_BITS, _CHECK_BITS, _CHECK_MODULUS, _LETTERS = 128, 12, 4093, 28
_NAME = re.compile(r"[0-9a-f]{16}")
_SITE = re.compile(r"[0-9a-f]{32}")


def new_code() -> str:
    """Return a new code, `XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX`."""
    bits = secrets.randbits(_CODE_BITS)
    return identifiers.grouped(identifiers.crockford(bits << _CHECK_BITS | bits % _CHECK_MODULUS, _LETTERS), 4)


def read_code(typed: str) -> str | None:
    """Return a code as `new_code` writes it, from what somebody typed; None when it cannot be one."""
    letters = identifiers.plain_fingerprint(typed)
    number = identifiers.read_crockford(letters)
    if number is None or len(letters) != _LETTERS:
        return None
    bits, check = number >> _CHECK_BITS, number & (1 << _CHECK_BITS) - 1
    return identifiers.grouped(letters, 4) if bits % _CHECK_MODULUS == check and bits >> _CODE_BITS == 0 else None


def code_digest(code: str) -> str:
    """Return what the vendor keeps of a code."""
    return hashlib.sha256(code.encode()).hexdigest()


@dataclass(frozen=True)
class SiteEnrolment:
    """Which key a site enrols.

    Attributes:
        site: its id.
        code: the beginning of the code's SHA-256.
        proof: that whoever made it had the code.
    """

    site: str
    product: str
    public: PublicKey
    code: str
    proof: str

    def made_with(self, digest: str) -> bool:
        """Tell whether it was made with the code of this SHA-256."""
        return self.code == _name(digest) and hmac.compare_digest(self.proof, _proof(digest, self.public, self.site))

    @classmethod
    def read(cls, document: Any) -> "SiteEnrolment":
        """Read an enrolment and check that its own key, and no other, signed it.

        Raises:
            StatementError: it breaks a rule, or another key signed it.
            SignatureError: the key must not be used, or the signature is wrong.
            DocumentError: it is not canonical JSON.
        """
        envelope = Envelope.from_document(document, "site's enrolment")
        envelope.require_type(ENROLMENT_TYPE, "the site's enrolment")
        # What is signed names the key that signed it, so it is looked into first; nothing of it counts before it verifies.
        payload = documents.decode(envelope.payload, what="site's enrolment", limit=LIMITS.key_file)
        fields = Fields(payload, "site's enrolment", StatementError)
        if set(fields.document) != _MEMBERS or fields.integer("format", 0, 1_000_000) != FORMAT:
            raise StatementError("site-enrolment", "the site's enrolment has other fields than it must")
        public = PublicKey.from_pem(fields.text("key", limit=4096, lines=True))
        if {keyid for keyid, _ in envelope.signatures} != {public.keyid}:
            raise StatementError("site-enrolment", "the site's enrolment was not signed by the key that it enrols")
        envelope.verified_keys({public.keyid: public})
        return cls(
            site=fields.text("site", pattern=_SITE),
            product=fields.text("product", pattern=identifiers.PRODUCT),
            public=public,
            code=fields.text("code", pattern=_NAME),
            proof=fields.sha256("proof"),
        )


def enrolment(code: str, site: str, product: str, signer: Signer, now: datetime) -> Envelope:
    """Return the enrolment of a site's key, signed by it."""
    digest = code_digest(code)
    document = {
        "format": FORMAT,
        "audience": "vendor",
        "site": site,
        "product": product,
        "key": signer.public.to_pem(),
        "code": _name(digest),
        "proof": _proof(digest, signer.public, site),
        "time": time_text(now),
    }
    return sign(documents.encode(document), ENROLMENT_TYPE, signer)


def _name(digest: str) -> str:
    return digest[:16]


def _proof(digest: str, public: PublicKey, site: str) -> str:
    message = f"patchline site enrolment\n{public.keyid}\n{site}\n".encode()
    return hmac.new(bytes.fromhex(digest), message, hashlib.sha256).hexdigest()
