import base64
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchline.patches import documents
from patchline.patches.base64text import decode_base64, encode_base64
from patchline.patches.envelopes import Envelope, read_sidecar, sign, write_sidecar
from patchline.patches.errors import PatchlineError, StatementError
from patchline.patches.limits import LIMITS
from tests.vendor import signer

GOOD = sign(b"payload \xff", "text/plain", signer("ada"))


def refused(function, *arguments, **options):
    with pytest.raises(PatchlineError) as caught:
        function(*arguments, **options)
    assert caught.value.hint
    return caught.value.code


def line(**changes):
    return documents.encode({**GOOD.as_document(), **changes}) + b"\n"


def test_envelope_comes_back_as_it_was_written():
    both = GOOD.signed_by(signer("ed-ben"))
    assert read_sidecar(write_sidecar([GOOD, both]), "x") == (GOOD, both)


def test_signature_covers_type_and_payload_as_dsse_has_it():
    assert GOOD.signed_bytes == b"DSSEv1 10 text/plain 9 payload \xff"
    keys = {signer("ada").public.keyid: signer("ada").public}
    assert GOOD.verified_keys(keys) == set(keys)
    for other in (Envelope("text/html", GOOD.payload, GOOD.signatures), Envelope("text/plain", b"", GOOD.signatures)):
        assert refused(other.verified_keys, keys) == "signature.mismatch"


def test_signing_again_replaces_the_signature():
    again = GOOD.signed_by(signer("ada")).signed_by(signer("ben")).signed_by(signer("ada"))
    assert sorted(keyid for keyid, _ in again.signatures) == sorted(
        [signer("ada").public.keyid, signer("ben").public.keyid]
    )


def test_signature_by_another_key_under_a_known_id_is_refused():
    [(_, signature)] = GOOD.signatures
    ben = signer("ben").public
    assert refused(Envelope("text/plain", GOOD.payload, ((ben.keyid, signature),)).verified_keys, {ben.keyid: ben}) == (
        "signature.mismatch"
    )


def test_unknown_keys_are_left_alone():
    assert GOOD.verified_keys({}) == frozenset()


def test_openssl_alone_can_check_an_envelope(tmp_path):
    (tmp_path / "key.pem").write_text(signer("ada").public.to_pem())
    (tmp_path / "sig").write_bytes(GOOD.signatures[0][1])
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig"]
    done = subprocess.run(command, input=GOOD.signed_bytes, cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == b"Verified OK\n"


def test_empty_sidecar_holds_nothing():
    assert read_sidecar(b"", "x") == ()


KEYID = signer("ada").public.keyid
SIG = encode_base64(GOOD.signatures[0][1])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (line()[:-1], "statement.sidecar-line"),
        (b"\n", "statement.sidecar-line"),
        (line() + b"\n", "statement.sidecar-line"),
        (line().replace(b"\n", b"\r\n"), "document.not-canonical"),
        (b" " + line(), "document.not-canonical"),
        (line().replace(b'":"', b'": "', 1), "document.not-canonical"),
        (b"\xef\xbb\xbf" + line(), "document.byte-order-mark"),
        (b"{}\n", "statement.missing"),
        (b"[]\n", "statement.type"),
        (b"not json\n", "document.syntax"),
        (b"\xff\n", "document.encoding"),
        (line() * 65, "statement.sidecar-too-many"),
        (b"x" * (LIMITS.sidecar + 1), "statement.sidecar-too-large"),
        (line(signatures=[]), "statement.unsigned"),
        (line(signatures=[{"keyid": KEYID, "sig": SIG}] * 2), "statement.signature-twice"),
        (line(signatures=[{"keyid": KEYID, "sig": SIG, "alg": "none"}]), "statement.envelope-fields"),
        (line(signatures=[{"keyid": KEYID}]), "statement.missing"),
        (line(signatures=[{"sig": SIG}]), "statement.missing"),
        (line(signatures=[{"keyid": KEYID.upper(), "sig": SIG}]), "statement.value"),
        (line(signatures=[{"keyid": KEYID[:-1], "sig": SIG}]), "statement.value"),
        (line(signatures={}), "statement.type"),
        (line(signatures=[None]), "statement.type"),
        (line(extra=1), "statement.envelope-fields"),
        (line(payload=None), "statement.type"),
        (line(payload="cGF5bG9hZA"), "statement.base64"),
        (line(payload="cGF5bG9hZA==\n"), "statement.base64"),
        (line(payload="cGF5 bG9hZA=="), "statement.base64"),
        (line(payload="cGF5bG9hZB=="), "statement.base64"),
        (line(payload="cGF5bG9hZA==="), "statement.base64"),
        (line(payload="-_-_"), "statement.base64"),
        (line(payload="+_+_"), "statement.base64"),
        (line(payload="é"), "statement.base64"),
        (line(signatures=[{"keyid": KEYID, "sig": SIG.rstrip("=") + "\n"}]), "statement.base64"),
        (line(payloadType=""), "statement.value"),
        (line(payloadType=1), "statement.type"),
        (line(payloadType="a\nb"), "statement.value"),
    ],
)
def test_sidecar_that_is_not_in_its_one_form_is_refused(data, code):
    assert refused(read_sidecar, data, "approvals") == code


def test_duplicate_members_are_refused():
    twice = line().replace(b'{"payload"', b'{"payload":"","payload"', 1)
    assert refused(read_sidecar, twice, "x") == "document.duplicate-key"


def test_too_many_envelopes_are_not_written():
    assert refused(write_sidecar, [GOOD] * 65) == "statement.sidecar-too-many"


def test_envelope_without_signatures_is_read_only_by_those_who_sign():
    document = {**GOOD.as_document(), "signatures": []}
    assert refused(Envelope.from_document, document, "x") == "statement.unsigned"
    assert Envelope.from_document(document, "x", unsigned=True).signatures == ()


def test_type_is_asked_for():
    GOOD.require_type("text/plain", "x")
    assert refused(GOOD.require_type, "application/json", "x") == "statement.payload-type"


@given(st.binary())
def test_base64_comes_back(data):
    assert decode_base64(encode_base64(data), "x") == data


@given(st.text("ABab01+/=-_ \n", max_size=12))
def test_base64_has_one_form_only(text):
    try:
        data = decode_base64(text, "x")
    except StatementError:
        return
    assert base64.b64encode(data).decode() == text
