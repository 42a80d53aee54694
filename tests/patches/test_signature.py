import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchline.patches import backends
from patchline.patches.errors import SignatureError
from patchline.patches.keys import Kind, PublicKey
from patchline.patches.signature import encode_p256_signature, verify_signature
from tests import signature_corpus as corpus

CASES = corpus.every_case()
BACKENDS = [backends.Compiled(), backends.Pure()]


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request, monkeypatch):
    monkeypatch.setattr(backends, "active", lambda: request.param)
    return request.param


def code(key, signature, data):
    try:
        verify_signature(key, signature, data)
    except SignatureError as error:
        return error.code.removeprefix("signature.")
    return None


def test_every_case_of_the_corpus_is_judged_as_written(backend):
    wrong = []
    for case in CASES:
        found = code(case.key, case.signature, case.data)
        if (found is None) != (case.code is None) if case.code == "any" else found != case.code:
            wrong.append((case.name, found, case.code))
    assert not wrong


def test_corpus_holds_every_refusal_code():
    codes = {"der", "range", "mismatch", "length", "scalar", "point-small-order", "point-not-canonical"}
    assert codes | {"point-off-curve"} <= {case.code for case in CASES}
    assert len(CASES) > 350


def test_every_byte_of_a_signature_matters(backend):
    for key, signature in (
        (corpus.p256_key(9), encode_p256_signature(*corpus.p256_sign(9))),
        corpus.ed_sign(9),
    ):
        for place in range(len(signature)):
            changed = signature[:place] + bytes([signature[place] ^ 0x10]) + signature[place + 1 :]
            assert code(key, changed, corpus.MESSAGE), place


@settings(max_examples=60, deadline=None)
@given(signature=st.binary(max_size=80), data=st.binary(max_size=40), kind=st.sampled_from(list(Kind)))
def test_backends_agree_on_random_bytes(signature, data, kind):
    key = corpus.p256_key(3) if kind is Kind.P256 else corpus.ed_sign(3)[0]
    assert {_with(backend, key, signature, data) for backend in BACKENDS} == {code(key, signature, data)}


@settings(max_examples=40, deadline=None)
@given(r=st.integers(1, corpus.N - 1), s=st.integers(1, corpus.N - 1), secret=st.integers(1, corpus.N - 1))
def test_backends_agree_on_random_numbers_for_p256(r, s, secret):
    key, signature = corpus.p256_key(secret), encode_p256_signature(r, s)
    assert {_with(backend, key, signature, b"") for backend in BACKENDS} == {"mismatch"}


@settings(max_examples=40, deadline=None)
@given(nonce=st.integers(0, corpus.L - 1), s=st.integers(0, corpus.L - 1))
def test_backends_agree_on_random_numbers_for_ed25519(nonce, s):
    point = corpus.curve.encodepoint(corpus.curve.scalarmult_B(nonce))
    key, _ = corpus.ed_sign(4)
    assert len({_with(backend, key, point + corpus.scalar(s), b"") for backend in BACKENDS}) == 1


def _with(backend, key, signature, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backends, "active", lambda: backend)
        return code(key, signature, data)


@pytest.mark.parametrize("number", range(8))
def test_key_of_small_order_is_refused(number):
    refuses("key-small-order", corpus.small_order_encodings()[number])


def test_set_of_small_order_points_is_complete():
    encodings = corpus.small_order_encodings()
    assert len(set(encodings)) == 8
    # The two with x = 0 and its sign set decode to points of small order too.
    for encoded in (1, corpus.FIELD - 1):
        refuses("key-small-order", (encoded | 1 << 255).to_bytes(32, "little"))


def test_key_of_mixed_order_is_refused():
    for encoded in corpus.mixed_order_encodings():
        refuses("key-mixed-order", encoded)


def test_key_that_is_not_reduced_is_refused():
    for encoded in corpus.non_canonical_encodings():
        refuses("key-not-canonical", encoded)


def test_ed25519_key_off_the_curve_is_refused():
    refuses("key-off-curve", (2).to_bytes(32, "little"))


def refuses(expected, point, kind=Kind.ED25519):
    with pytest.raises(SignatureError) as caught:
        PublicKey(kind, point)
    assert caught.value.code == f"signature.{expected}"


def test_p256_key_must_be_an_uncompressed_point_of_the_curve():
    good = corpus.p256_key(5).point
    x, y = good[1:33], good[33:]
    refuses("key-off-curve", b"\x04" + x + (int.from_bytes(y) ^ 1).to_bytes(32), Kind.P256)
    refuses("key-off-curve", b"\x04" + bytes(64), Kind.P256)
    refuses("key-not-canonical", b"\x04" + b"\xff" * 32 + y, Kind.P256)
    refuses("key-not-canonical", b"\x04" + corpus.P.to_bytes(32) + y, Kind.P256)
    refuses("key-kind", b"\x02" + x, Kind.P256)
    refuses("key-kind", b"\x06" + x + y, Kind.P256)
    refuses("key-kind", b"\x00", Kind.P256)


def test_pem_is_read_and_written_in_one_form():
    for key in (corpus.p256_key(5), corpus.ed_sign(5)[0]):
        pem = key.to_pem()
        assert PublicKey.from_pem(pem) == key
        for wrong in (pem[:-1], pem + "\n", pem.replace("\n", "\r\n"), " " + pem, pem.replace("PUBLIC", "PRIVATE"), ""):
            with pytest.raises(SignatureError) as caught:
                PublicKey.from_pem(wrong)
            assert caught.value.code == "signature.key-pem"


def test_other_kinds_of_keys_are_refused():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519

    others = [
        rsa.generate_private_key(65537, 1024),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP192R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ed448.Ed448PrivateKey.generate(),
        x25519.X25519PrivateKey.generate(),
    ]
    for other in others:
        pem = other.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        with pytest.raises(SignatureError) as caught:
            PublicKey.from_pem(pem.decode())
        assert caught.value.code == "signature.key-kind"


def test_key_id_is_the_digest_that_openssl_sees(tmp_path):
    key = corpus.p256_key(5)
    (tmp_path / "key.pem").write_text(key.to_pem())
    command = "openssl pkey -pubin -in key.pem -outform DER | openssl dgst -sha256 -r"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.split()[0].decode() == key.keyid


WITHOUT = """
import sys
sys.modules["cryptography"] = None
from patchline.patches import backends
from tests.patches import test_signature as tests
assert backends.active().name == "pure", backends.active().name
tests.test_every_case_of_the_corpus_is_judged_as_written(None)
print(len(tests.CASES))
"""


def test_corpus_is_judged_the_same_where_cryptography_cannot_be_imported():
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        check=False,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(len(CASES)), done.stderr
