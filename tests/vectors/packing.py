"""A tar and gzip writer that writes whatever it is told to, unlike the one of the product, which it shares nothing with.

Its bytes depend on nothing but its arguments: gzip is written here too, by the simplest way there is.
"""

import re
import struct
import zlib
from dataclasses import dataclass
from functools import cache

BLOCK = 512
ZEROS = bytes(BLOCK)


def header(name: bytes, length: int, *, checksum: bytes | None = None, **fields: bytes) -> bytes:
    """Return a ustar header in which any field may be given as raw bytes."""
    places = {
        "name": (0, 100),
        "mode": (100, 108),
        "uid": (108, 116),
        "gid": (116, 124),
        "size": (124, 136),
        "mtime": (136, 148),
        "type": (156, 157),
        "linkname": (157, 257),
        "magic": (257, 265),
        "uname": (265, 297),
        "gname": (297, 329),
        "devmajor": (329, 337),
        "devminor": (337, 345),
        "prefix": (345, 500),
        "rest": (500, 512),
    }
    usual = {
        "name": name,
        "mode": b"0000644",
        "uid": b"0000000",
        "gid": b"0000000",
        "size": b"%011o" % length,
        "mtime": b"00000000000",
        "type": b"0",
        "magic": b"ustar\x0000",
    }
    block = bytearray(BLOCK)
    for field, value in {**usual, **fields}.items():
        start, end = places[field]
        block[start:end] = value.ljust(end - start, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block) if checksum is None else checksum
    return bytes(block)


@dataclass(frozen=True)
class Part:
    """One member: its header as it stands, its content, and what follows the content up to the next header."""

    head: bytes
    content: bytes = b""
    padding: bytes | None = None

    def packed(self) -> bytes:
        padding = bytes(-len(self.content) % BLOCK) if self.padding is None else self.padding
        return self.head + self.content + padding


def member(name: str | bytes, content: bytes, **fields: bytes) -> Part:
    raw = name.encode() if isinstance(name, str) else name
    return Part(header(raw, len(content), **fields), content)


def tar(parts: list[Part], end: bytes = ZEROS * 2) -> bytes:
    return b"".join(part.packed() for part in parts) + end


def squeezed(data: bytes) -> bytes:
    """Return deflate bytes in which nothing but runs of one byte is shortened, by the fixed codes of RFC 1951."""
    bits: list[int] = [1, 1, 0]
    for match in re.finditer(rb"(.)\1*", data, re.DOTALL):
        bits += _literal(match[1][0])
        left = len(match[0]) - 1
        for length, code in _RUNS:
            bits += code * (left // length)
            left %= length
        bits += _literal(match[1][0]) * left
    bits += [0] * 7
    bits += [0] * (-len(bits) % 8)
    octets = (bits[place : place + 8] for place in range(0, len(bits), 8))
    return bytes(sum(bit << number for number, bit in enumerate(octet)) for octet in octets)


_RUNS = ((258, [1, 1, 0, 0, 0, 1, 0, 1] + [0] * 5), (10, [0, 0, 0, 1, 0, 0, 0] + [0] * 5))
"""The byte before, so many times: length codes 285 and 264, both with distance code 0."""


@cache
def _literal(value: int) -> list[int]:
    code, width = (0x30 + value, 8) if value < 144 else (0x190 + value - 144, 9)
    return [code >> place & 1 for place in reversed(range(width))]


def gzip(
    data: bytes,
    *,
    head: bytes = bytes.fromhex("1f8b08000000000000ff"),
    body: bytes | None = None,
    checksum: int | None = None,
    length: int | None = None,
) -> bytes:
    checksum = zlib.crc32(data) if checksum is None else checksum
    length = len(data) if length is None else length
    return head + (squeezed(data) if body is None else body) + struct.pack("<II", checksum, length % (1 << 32))


def bomb(start: bytes, zeros: int) -> bytes:
    """Return a gzip file of a start and zeros, about a thousandth of their size."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    body, checksum = [], 0
    for place in range(-1, zeros >> 20):
        piece = start if place < 0 else bytes(1 << 20)
        checksum = zlib.crc32(piece, checksum)
        body.append(squeeze.compress(piece))
    body.append(squeeze.flush())
    return gzip(b"", body=b"".join(body), checksum=checksum, length=len(start) + (zeros >> 20 << 20))
