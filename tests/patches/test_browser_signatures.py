"""What WebCrypto gives, brought into the one form in which signatures are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchline.patches.errors import SignatureError
from patchline.patches.keys import P256_ORDER, Kind, PublicKey
from patchline.patches.signature import check_p256_signature, p256_signature_of_browser, verify_signature

# RFC 6979, A.2.5: P-256 and SHA-256, the messages "sample" and "test".
_X = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
_Y = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
KEY = PublicKey(Kind.P256, bytes.fromhex(f"04{_X}{_Y}"))
VECTORS = {
    b"sample": (
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    ),
    b"test": (
        "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
        "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
    ),
}


@pytest.mark.parametrize("message", VECTORS)
def test_signatures_of_the_standard_verify_in_their_new_form(message):
    r, s = VECTORS[message]
    verify_signature(KEY, p256_signature_of_browser(bytes.fromhex(r + s)), message)


def test_the_form_is_strict_der():
    r, s = VECTORS[b"sample"]
    # Both begin with a high bit, so each gets a zero byte before it.
    assert p256_signature_of_browser(bytes.fromhex(r + s)).hex() == f"3046022100{r}022100{s}"
    r, s = VECTORS[b"test"]
    assert p256_signature_of_browser(bytes.fromhex(r + s)).hex() == f"3045022100{r}0220{s}"
    assert p256_signature_of_browser((1).to_bytes(32) + (127).to_bytes(32)).hex() == "300602010102017f"


@given(r=st.integers(1, P256_ORDER - 1), s=st.integers(1, P256_ORDER - 1))
def test_every_pair_of_numbers_gets_the_one_form_that_is_taken(r, s):
    check_p256_signature(p256_signature_of_browser(r.to_bytes(32) + s.to_bytes(32)))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "length"),
        (bytes(63), "length"),
        (bytes(65), "length"),
        (bytes.fromhex("3045022100") + bytes(66), "length"),
        (bytes(64), "range"),
        ((1).to_bytes(32) + bytes(32), "range"),
        (P256_ORDER.to_bytes(32) + (1).to_bytes(32), "range"),
        ((1).to_bytes(32) + b"\xff" * 32, "range"),
    ],
)
def test_what_is_no_signature_is_refused(raw, code):
    with pytest.raises(SignatureError) as caught:
        p256_signature_of_browser(raw)
    assert caught.value.code == f"signature.{code}"


def test_another_message_does_not_fit():
    r, s = VECTORS[b"test"]
    with pytest.raises(SignatureError, match="does not fit"):
        verify_signature(KEY, p256_signature_of_browser(bytes.fromhex(r + s)), b"sample")
