"""Signatures good and bad for both kinds of keys, made in pure Python so that the corpus needs no `cryptography`.

Every case says which code must refuse it, None where it must be accepted.
"""

import hashlib
import random
from dataclasses import dataclass

from ecdsa import NIST256p, SigningKey
from ecdsa.ellipticcurve import Point
from ecdsa.numbertheory import square_root_mod_prime
from ecdsa.util import sigencode_der
from securesystemslib._vendor.ed25519 import ed25519 as curve

from patchline.patches.keys import Kind, PublicKey
from patchline.patches.signature import encode_p256_signature

MESSAGE = b"what is signed"
N = NIST256p.order
P = NIST256p.curve.p()
L = curve.l
FIELD = curve.q


@dataclass(frozen=True)
class Case:
    name: str
    key: PublicKey
    signature: bytes
    code: str | None
    data: bytes = MESSAGE


# P-256


def p256_hash(data: bytes = MESSAGE) -> int:
    return int.from_bytes(hashlib.sha256(data).digest())


def p256_point(point: Point) -> PublicKey:
    return PublicKey(Kind.P256, b"\x04" + point.x().to_bytes(32) + point.y().to_bytes(32))


def p256_key(secret: int) -> PublicKey:
    return p256_point((NIST256p.generator * secret).to_affine())


def p256_sign(secret: int, data: bytes = MESSAGE, nonce: int | None = None) -> tuple[int, int]:
    key = SigningKey.from_secret_exponent(secret, NIST256p, hashlib.sha256)
    if nonce is not None:
        return key.sign(data, k=nonce, sigencode=lambda r, s, order: (r, s))
    return key.sign_deterministic(data, sigencode=lambda r, s, order: (r, s))


def integer(content: bytes, tag: int = 2) -> bytes:
    return bytes([tag, len(content)]) + content


def sequence(*parts: bytes, tag: int = 0x30) -> bytes:
    body = b"".join(parts)
    return bytes([tag, len(body)]) + body


def unsigned(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1)


def p256_cases() -> list[Case]:
    secret = 0xA1B2C3
    key, other = p256_key(secret), p256_key(secret + 1)
    r, s = p256_sign(secret)
    good = encode_p256_signature(r, s)
    cases = [
        Case("valid", key, good, None),
        Case("the other of two valid forms", key, encode_p256_signature(r, N - s), None),
        Case("empty message", key, encode_p256_signature(*p256_sign(secret, b"")), None, b""),
        Case("other message", key, good, "mismatch", b"something else"),
        Case("other key", other, good, "mismatch"),
        Case("sha1", key, _other_hash(secret, hashlib.sha1), "mismatch"),
        Case("sha512", key, _other_hash(secret, hashlib.sha512), "mismatch"),
        Case("r and s swapped", key, encode_p256_signature(s, r), "mismatch"),
    ]
    cases += _p256_numbers(key, r, s) + _p256_encodings(key, r, s) + _p256_edges()
    cases += [Case(f"truncated to {size}", key, good[:size], "der") for size in range(len(good))]
    return cases


def _other_hash(secret: int, function) -> bytes:
    key = SigningKey.from_secret_exponent(secret, NIST256p)
    return key.sign_deterministic(MESSAGE, hashfunc=function, sigencode=sigencode_der)


def _p256_numbers(key: PublicKey, r: int, s: int) -> list[Case]:
    numbers = {
        "r=0": (0, s),
        "s=0": (r, 0),
        "both 0": (0, 0),
        "r=n": (N, s),
        "s=n": (r, N),
        "r+n": (r + N, s),
        "s+n": (r, s + N),
        "r=p": (P, s),
        "r=2^256": (2**256, s),
        "negative r": (-r, s),
        "negative s": (r, -s),
        "r-n": (r - N, s),
        "r=-1": (-1, s),
        "huge r": (2**400, s),
    }
    cases = [Case(name, key, encode_p256_signature(*pair), "range") for name, pair in numbers.items()]
    plain = {"r=s=1": (1, 1), "r=1": (1, s), "s=1": (r, 1), "s=n-1": (r, N - 1), "r=n-1": (N - 1, s), "n-r": (N - r, s)}
    return cases + [Case(name, key, encode_p256_signature(*pair), "mismatch") for name, pair in plain.items()]


def _p256_encodings(key: PublicKey, r: int, s: int) -> list[Case]:
    good = encode_p256_signature(r, s)
    first, second = integer(unsigned(r)), integer(unsigned(s))
    body = good[2:]
    bad = {
        "trailing byte": good + b"\0",
        "trailing byte inside": sequence(first, second, b"\0"),
        "trailing integer": sequence(first, second, integer(b"\1")),
        "one integer": sequence(first),
        "no integer": sequence(),
        "nothing": b"",
        "leading zero in r": sequence(integer(b"\0" + unsigned(r).rjust(33, b"\0")), second),
        "leading zero in s": sequence(first, integer(b"\0" + unsigned(s).rjust(33, b"\0"))),
        "leading ff in negative r": sequence(integer(b"\xff\xff\x01"), second),
        "empty r": sequence(integer(b""), second),
        "empty s": sequence(first, integer(b"")),
        "long form length of sequence": bytes([0x30, 0x81, len(body)]) + body,
        "longer form length of sequence": bytes([0x30, 0x82, 0, len(body)]) + body,
        "long form length of r": sequence(bytes([2, 0x81, len(unsigned(r))]) + unsigned(r), second),
        "indefinite length": b"\x30\x80" + body + b"\0\0",
        "length one too small": bytes([0x30, len(body) - 1]) + body,
        "length one too large": bytes([0x30, len(body) + 1]) + body,
        "r longer than the rest": sequence(bytes([2, 120]) + unsigned(r), second),
        "set": sequence(first, second, tag=0x31),
        "octet string": sequence(first, second, tag=0x04),
        "primitive sequence": sequence(first, second, tag=0x10),
        "r as bit string": sequence(integer(unsigned(r), tag=3), second),
        "s as null": sequence(first, b"\x05\0"),
        "nested": sequence(good),
        "raw": r.to_bytes(32) + s.to_bytes(32),
        "over 127 bytes": bytes([0x30, 0x81, 200]) + integer(b"\1" + b"\0" * 97) * 2,
        "hexadecimal": good.hex().encode(),
    }
    return [Case(f"der: {name}", key, signature, "der") for name, signature in bad.items()]


def _p256_edges() -> list[Case]:
    """Return signatures whose arithmetic meets rare points."""
    generator, z = NIST256p.generator, p256_hash()
    cases = []
    for secret in (1, 2, 3, N - 1, N - 2, (N + 1) // 2):
        signature = encode_p256_signature(*p256_sign(secret))
        cases.append(Case(f"secret {secret}", p256_key(secret), signature, None))
    for nonce in (1, 2, N - 1, N - 2):
        signature = encode_p256_signature(*p256_sign(77, nonce=nonce))
        cases.append(Case(f"nonce {nonce}", p256_key(77), signature, None))
    r = generator.x() % N
    for s in (1, 2, 127, 128, 255, 256, N - 1, N // 2):
        secret = (s - z) * pow(r, -1, N) % N
        cases.append(Case(f"valid with s={s}", p256_key(secret), encode_p256_signature(r, s), None))
    nonce = 12345
    r = (generator * nonce).to_affine().x() % N
    # u1 G = u2 Q (a doubling) and u1 G = -u2 Q (infinity).
    secret = z * pow(r, -1, N) % N
    cases.append(
        Case("doubling", p256_key(secret), encode_p256_signature(r, 2 * z * pow(nonce, -1, N) % N), None),
    )
    cases.append(Case("infinity", p256_key(N - secret), encode_p256_signature(r, 4711), "mismatch"))
    cases.append(_p256_small_r(z))
    return cases


def _p256_small_r(z: int) -> Case:
    """Return a valid signature whose R has an x of at least n, so that r = x - n."""
    x = N
    while True:
        x += 1
        square = (x**3 - 3 * x + NIST256p.curve.b()) % P
        if pow(square, (P - 1) // 2, P) == 1:
            break
    point = Point(NIST256p.curve, x, square_root_mod_prime(square, P), N)
    r, s = x - N, 99991
    first, second = z * pow(s, -1, N) % N, r * pow(s, -1, N) % N
    # Q = (R - u1 G) / u2
    public = (point + NIST256p.generator.to_affine() * (N - first)) * pow(second, -1, N)
    return Case("x of R at least n", p256_point(public), encode_p256_signature(r, s), None)


# Ed25519


def ed_secret(number: int) -> tuple[bytes, bytes]:
    seed = hashlib.sha256(b"seed %d" % number).digest()
    return seed, curve.publickey_unsafe(seed)


def ed_sign(number: int, data: bytes = MESSAGE) -> tuple[PublicKey, bytes]:
    seed, public = ed_secret(number)
    return PublicKey(Kind.ED25519, public), curve.signature_unsafe(data, seed, public)


def torsion() -> list[tuple[int, int, int, int]]:
    """Return the eight points of small order."""
    y = 2
    while True:
        y += 1
        try:
            point = curve.decodepoint(y.to_bytes(32, "little"))
        except ValueError:
            continue
        small = curve.scalarmult(point, L)
        if len({curve.encodepoint(curve.scalarmult(small, times)) for times in range(1, 9)}) == 8:
            return [curve.scalarmult(small, times) for times in range(8)]


def small_order_encodings() -> list[bytes]:
    return [curve.encodepoint(point) for point in torsion()]


def non_canonical_encodings() -> list[bytes]:
    """Return encodings of y >= p, with either sign, and the two of x = 0 with its sign set."""
    found = []
    for y in range(FIELD, 1 << 255):
        found += [y.to_bytes(32, "little"), (y | 1 << 255).to_bytes(32, "little")]
    return found


def ed_challenge(point: bytes, public: bytes, data: bytes = MESSAGE) -> int:
    return int.from_bytes(hashlib.sha512(point + public + data).digest(), "little") % L


def scalar(number: int) -> bytes:
    return number.to_bytes(32, "little")


def ed_cases() -> list[Case]:
    key, good = ed_sign(1)
    other, _ = ed_sign(2)
    point, s = good[:32], int.from_bytes(good[32:], "little")
    cases = [
        Case("valid", key, good, None),
        Case("empty message", *ed_sign(3, b""), None, b""),
        Case("long message", *ed_sign(3, b"x" * 100_000), None, b"x" * 100_000),
        Case("other message", key, good, "mismatch", b"something else"),
        Case("other key", other, good, "mismatch"),
        Case("S=0", key, point + scalar(0), "mismatch"),
        Case("S=L-1", key, point + scalar(L - 1), "mismatch"),
        Case("negated S", key, point + scalar(L - s), "mismatch"),
        Case("S=L", key, point + scalar(L), "scalar"),
        Case("S of ones", key, point + b"\xff" * 32, "scalar"),
        Case("empty", key, b"", "length"),
        Case("63 bytes", key, good[:63], "length"),
        Case("65 bytes", key, good + b"\0", "length"),
        Case("twice", key, good + good, "length"),
        Case("R of zeros", key, b"\0" * 32 + good[32:], "point-small-order"),
        Case("R of ones", key, b"\xff" * 32 + good[32:], "point-not-canonical"),
        Case("DER of P-256", key, encode_p256_signature(*p256_sign(5)), "length"),
    ]
    cases += [Case(f"S+{times}L", key, point + scalar(s + times * L), "scalar") for times in range(1, 15)]
    return cases + _ed_points(key) + _ed_mixed_order()


def _ed_points(key: PublicKey) -> list[Case]:
    seed, public = ed_secret(1)
    secret = _clamped(seed)
    cases = []
    for number, encoded in enumerate(small_order_encodings()):
        # Would verify where R may have small order: S = h a for R = O.
        s = ed_challenge(encoded, public) * secret % L
        cases.append(Case(f"R of small order {number}", key, encoded + scalar(s), "point-small-order"))
    for number, encoded in enumerate(non_canonical_encodings()):
        s = ed_challenge(encoded, public) * secret % L
        cases.append(Case(f"R not canonical {number}", key, encoded + scalar(s), "point-not-canonical"))
    off = next(y for y in range(2, 100) if not _on_curve(y))
    cases.append(Case("R off the curve", key, scalar(off) + scalar(5), "point-off-curve"))
    return cases


def _clamped(seed: bytes) -> int:
    number = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return number & (1 << 254) - 8 | 1 << 254


def _on_curve(y: int) -> bool:
    try:
        curve.decodepoint(scalar(y))
    except ValueError:
        return False
    return True


def mixed_order_encodings() -> list[bytes]:
    """Return keys with a part of small order; OpenSSL and pure Python differ about signatures by them."""
    good = curve.scalarmult(curve.B, 77)
    return [curve.encodepoint(curve.edwards_add(good, small)) for small in torsion()[1:]]


def _ed_mixed_order() -> list[Case]:
    """Return signatures whose R carries a part of small order: right for verifiers that multiply by the cofactor."""
    cases = []
    key, plain = ed_sign(9)
    for number, small in enumerate(torsion()[1:], 1):
        mixed = curve.encodepoint(curve.edwards_add(curve.decodepoint(plain[:32]), small))
        s = int.from_bytes(plain[32:], "little")
        s += (ed_challenge(mixed, key.point) - ed_challenge(plain[:32], key.point)) * _clamped(ed_secret(9)[0])
        cases.append(Case(f"R of mixed order {number}", key, mixed + scalar(s % L), "mismatch"))
    return cases


def random_cases(count: int = 40) -> list[Case]:
    """Return valid signatures with random keys and messages, and each with one bit changed."""
    source = random.Random(20261122)
    cases = []
    for number in range(count):
        data = source.randbytes(source.randrange(200))
        secret = source.randrange(1, N)
        pairs = [(p256_key(secret), encode_p256_signature(*p256_sign(secret, data))), ed_sign(number + 100, data)]
        for key, signature in pairs:
            cases.append(Case(f"{key.kind} random {number}", key, signature, None, data))
            changed = bytearray(signature)
            bit = source.randrange(8 * len(signature))
            changed[bit // 8] ^= 1 << bit % 8
            cases.append(Case(f"{key.kind} random {number} with bit {bit} changed", key, bytes(changed), "any", data))
    return cases


def every_case() -> list[Case]:
    return [*p256_cases(), *ed_cases(), *random_cases()]
