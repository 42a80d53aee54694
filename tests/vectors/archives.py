"""Vectors of the two archives: members, headers, ends and compression. Everything in them is signed as it is."""

from collections.abc import Callable

from tests.vectors import material
from tests.vectors.cases import Delivery, register
from tests.vectors.packing import ZEROS, Part, bomb, gzip, header, member, tar
from tests.vectors.release import deliver

Change = Callable[[list[Part]], bytes]
PLACE = 1
"""Where something is inserted or changed: behind the first member."""


def inner(change: Change) -> Delivery:
    """Deliver a bundle whose payload's tar was changed."""
    return with_payload(gzip(change(material.payload_parts(material.document()))))


def outer(change: Change) -> Delivery:
    """Deliver a bundle whose own tar was changed."""
    return deliver(bundle=change(material.container_parts(material.canonical(material.document()), material.payload())))


def with_payload(packed: bytes) -> Delivery:
    return deliver(bundle=material.container(packed=packed))


def both(name: str, code: str, change: Change, *entries: int, inside: str | None = None) -> None:
    """Register a change of either archive; `inside` is the code for the payload where it differs."""
    register(name, f"archive.{inside or code}", lambda: inner(change), entries=entries)
    register(f"container-{name}", f"archive.{code}", lambda: outer(change), entries=entries)


def inserted(*new: Part) -> Change:
    return lambda parts: tar([*parts[:PLACE], *new, *parts[PLACE:]])


def with_fields(**fields: bytes) -> Change:
    def change(parts: list[Part]) -> bytes:
        old = parts[PLACE]
        name = old.head[:100].rstrip(b"\0")
        part = Part(header(name, len(old.content), **fields), old.content)
        return tar([*parts[:PLACE], part, *parts[PLACE + 1 :]])

    return change


def changed(place: int, value: bytes) -> Change:
    """Change bytes of the archive, counted from the start of the member at PLACE."""

    def change(parts: list[Part]) -> bytes:
        data = bytearray(tar(parts))
        start = sum(len(part.packed()) for part in parts[:PLACE]) + place
        data[start : start + len(value)] = value
        return bytes(data)

    return change


NAMES = {
    "absolute": (b"/etc/cron.d/x", 1),
    "parent": (b"../x", 2),
    "nested-parent": (b"files/../../x", 3),
    "dot": (b"./x", 4),
    "double-slash": (b"files//b", 5),
    "backslash": (b"..\\x", 7),
    "drive": (b"C:x", 8),
    "stream": (b"a:b", 9),
    "device": (b"CON.txt", 10),
    "trailing-dot": (b"x.", 11),
    "trailing-space": (b"x ", 12),
    "control": (b"x\n\x1b[2J", 13),
    "dash": (b"--checkpoint-action=exec=sh", 15),
    "upper-case-digest": (b"files/" + b"AB" * 32, 74),
    "short-digest": (b"files/" + b"a" * 63, 75),
    "unlisted": (b"files/" + b"a" * 64, 46),
}
for key, (raw, number) in NAMES.items():
    both(f"name-{key}", "unknown-member", inserted(member(raw, b"x")), number)
both("name-empty", "name-empty", inserted(member(b"", b"x")), 6)
both("name-after-nul", "name-after-nul", inserted(member(b"README.txt\0/../x", b"x")), 14)
both("name-not-ascii", "name-encoding", inserted(member(b"files/\xff", b"x")), 16)

TYPES = {
    "link-outside": ("type-link", Part(header(b"x", 0, type=b"2", linkname=b"/etc")), 23),
    "hard-link-outside": ("type-hard-link", Part(header(b"x", 0, type=b"1", linkname=b"/etc/passwd")), 25),
    "fifo": ("type-fifo", Part(header(b"x", 0, type=b"6")), 29),
    "character-device": ("type-device", Part(header(b"x", 0, type=b"3", devmajor=b"0000001")), 30),
    "block-device": ("type-device", Part(header(b"x", 0, type=b"4", devmajor=b"0000010")), 30),
    "folder": ("type-folder", Part(header(b"x/", 0, type=b"5")), 22),
    "gnu-long-name": ("type-long-name", member(b"././@LongLink", b"y" * 120 + b"\0", type=b"L"), 31),
    "gnu-long-link": ("type-long-name", member(b"././@LongLink", b"y" * 120 + b"\0", type=b"K"), 31),
    "pax": ("type-pax", member(b"./PaxHeaders/x", b"15 path=../../x\n", type=b"x"), 32),
    "pax-global": ("type-pax-global", member(b"pax_global_header", b"15 path=../../x\n", type=b"g"), 33),
    "gnu-sparse": ("type-sparse", member(b"x", b"x", type=b"S"), 34),
    "contiguous": ("type", member(b"x", b"x", type=b"7"), 34),
    "old-file": ("type-old", member(b"x", b"x", type=b"\0"), 34),
}
for key, (refused, part, number) in TYPES.items():
    both(f"type-{key}", refused, inserted(part), number)
both(
    "type-write-through-link",
    "type-link",
    inserted(Part(header(b"files/d", 0, type=b"2", linkname=b".")), member(b"files/d/x", b"x")),
    24,
    28,
)
both(
    "type-hard-link-to-link",
    "type-link",
    inserted(
        Part(header(b"files/s", 0, type=b"2", linkname=b"/etc/passwd")),
        Part(header(b"files/h", 0, type=b"1", linkname=b"files/s")),
    ),
    26,
)

FIELDS: dict[str, tuple[str, dict[str, bytes], int]] = {
    "size-base-256": ("number-binary", {"size": b"\x80" + bytes(7) + b"\0\0\0\x05"}, 35),
    "size-negative": ("number", {"size": b"-0000000001"}, 36),
    "size-too-wide": ("number", {"size": b"777777777777"}, 36),
    "size-spaces": ("number", {"size": b"         15 "}, 36),
    "mode-not-octal": ("number", {"mode": b"0000648"}, 36),
    "setuid": ("mode-special", {"mode": b"0004644"}, 38),
    "setgid": ("mode-special", {"mode": b"0002644"}, 38),
    "sticky": ("mode-special", {"mode": b"0001644"}, 38),
    "mode-0666": ("mode", {"mode": b"0000666"}, 39),
    "user-id": ("owner", {"uid": b"0001750"}, 40),
    "group-id": ("owner", {"gid": b"0001750"}, 40),
    "user-name": ("owner-name", {"uname": b"root"}, 40),
    "group-name": ("owner-name", {"gname": b"wheel"}, 40),
    "time": ("time", {"mtime": b"14570000000"}, 40),
    "link-name": ("link-name", {"linkname": b"/etc/passwd"}, 25),
    "name-prefix": ("name-prefix", {"prefix": b"/etc"}, 1),
    "device-number": ("device-number", {"devmajor": b"0000001"}, 30),
    "after-the-fields": ("header-end", {"rest": b"tar\0"}, 34),
    "gnu-magic": ("magic", {"magic": b"ustar  \0"}, 31),
    "no-magic": ("magic", {"magic": b""}, 31),
    "checksum-wrong": ("checksum", {"checksum": b"000000\0 "}, 37),
}
for key, (refused, raw_fields, number) in FIELDS.items():
    both(key, refused, with_fields(**raw_fields), number)


def twice(parts: list[Part]) -> bytes:
    return tar([*parts[: PLACE + 1], parts[PLACE], *parts[PLACE + 1 :]])


def swapped(parts: list[Part]) -> bytes:
    return tar([*parts[:PLACE], parts[PLACE + 1], parts[PLACE], *parts[PLACE + 2 :]])


def without(place: int) -> Change:
    return lambda parts: tar([part for part in parts if part is not parts[place]])


def padded(parts: list[Part]) -> bytes:
    old = parts[PLACE]
    dirty = Part(old.head, old.content, b"\x01".rjust(-len(old.content) % 512, b"\0"))
    return tar([*parts[:PLACE], dirty, *parts[PLACE + 1 :]])


both("duplicate", "duplicate-member", twice, 20)
both("order", "member-order", swapped, 46)
both("missing", "missing-member", without(PLACE), 47)
both("missing-last", "missing-member", without(-1), 47)
both("padding", "padding", padded, 45)
both("end-one-block", "end-block", lambda parts: tar(parts, ZEROS), 42)
both("end-none", "truncated", lambda parts: tar(parts, b""), 44)
both("end-records", "trailing-data", lambda parts: tar(parts, ZEROS * 20), 43, inside="gzip-too-large")
both("end-trailing-data", "trailing-data", lambda parts: tar(parts) + b"x", 43, inside="gzip-too-large")
both("end-second-archive", "trailing-data", lambda parts: tar(parts) + tar(parts), 43, inside="gzip-too-large")
both("truncated-content", "truncated", lambda parts: tar(parts)[: len(parts[0].packed()) + 512 + 1], 44)
both("truncated-header", "truncated", lambda parts: tar(parts)[: len(parts[0].packed()) + 100], 44)

# Compression

GOOD_TAR = tar(material.payload_parts(material.document()))


def gzip_case(name: str, code: str, make: Callable[[], bytes], *entries: int) -> None:
    register(f"gzip-{name}", f"archive.{code}", lambda: with_payload(make()), entries=entries)


def bomb_case(name: str, code: str, start: bytes, zeros: int, *, large: bool = False) -> None:
    def make() -> Delivery:
        return with_payload(bomb(start, zeros))

    register(f"gzip-{name}", f"archive.{code}", make, entries=(48,), large=large, exact=False)


def gzip_head(flags: int, extra: bytes) -> bytes:
    return bytes([0x1F, 0x8B, 8, flags]) + bytes(4) + b"\x00\xff" + extra


bomb_case("bomb", "gzip-too-large", GOOD_TAR, 8 << 20)
bomb_case("bomb-huge", "gzip-too-large", GOOD_TAR, 256 << 20, large=True)
bomb_case("bomb-of-zeros", "missing-member", b"", 8 << 20)
gzip_case("zstd", "gzip-magic", lambda: bytes.fromhex("28b52ffd") + GOOD_TAR, 49)
gzip_case("plain-tar", "gzip-magic", lambda: GOOD_TAR)
gzip_case("second-stream", "gzip-second-stream", lambda: gzip(GOOD_TAR) + gzip(b""), 50)
gzip_case("split-streams", "gzip-second-stream", lambda: gzip(GOOD_TAR[:1000]) + gzip(GOOD_TAR[1000:]), 50)
gzip_case("file-name", "gzip-flags", lambda: gzip(GOOD_TAR, head=gzip_head(8, b"payload.tar\0")), 51)
gzip_case("extra-field", "gzip-flags", lambda: gzip(GOOD_TAR, head=gzip_head(4, b"\x02\0hi")), 51)
gzip_case("comment", "gzip-flags", lambda: gzip(GOOD_TAR, head=gzip_head(16, b"hi\0")), 51)
gzip_case("time", "gzip-time", lambda: gzip(GOOD_TAR, head=bytes.fromhex("1f8b08000100000000ff")), 51)
gzip_case("system", "gzip-header", lambda: gzip(GOOD_TAR, head=bytes.fromhex("1f8b0800000000000003")), 51)
gzip_case("trailing-data", "gzip-trailing-data", lambda: gzip(GOOD_TAR) + b"\0", 52)
gzip_case("checksum", "gzip-checksum", lambda: gzip(GOOD_TAR, checksum=0), 53)
gzip_case("length", "gzip-length", lambda: gzip(GOOD_TAR, length=1), 53)
gzip_case("damaged", "gzip-damaged", lambda: gzip(GOOD_TAR, body=b"\xff" * 64), 53)
gzip_case("truncated", "gzip-truncated", lambda: gzip(GOOD_TAR)[:-4], 44)
gzip_case("truncated-content", "gzip-truncated", lambda: gzip(GOOD_TAR)[:400], 44)
gzip_case("empty", "gzip-truncated", lambda: b"", 44)
gzip_case("content-empty", "truncated", lambda: gzip(b""), 44)

# Content that is not what the manifest says


def content_case(name: str, code: str, place: int, content: bytes) -> None:
    def change(parts: list[Part]) -> bytes:
        raw = parts[place].head[:100].rstrip(b"\0")
        return tar([*parts[:place], member(raw, content), *parts[place + 1 :]])

    register(name, f"bundle.{code}", lambda: inner(change))


content_case("content-other", "member-digest", 0, material.OLD_CONFIG[::-1])
content_case("content-longer", "member-size", 0, material.OLD_CONFIG + b"x")
content_case("content-shorter", "member-size", 0, b"")
README = material.readme(material.document())
content_case("readme-other", "readme", -1 % len(material.payload_parts(material.document())), README.swapcase())

# Not a bundle


def file_case(name: str, code: str, make: Callable[[], bytes], *entries: int) -> None:
    register(name, code, lambda: deliver(bundle=make()), entries=entries)


ZIP_END = b"PK\x05\x06" + bytes(18)
file_case("file-empty", "bundle.not-a-bundle", lambda: b"")
file_case("file-text", "bundle.not-a-bundle", lambda: b"hello\n")
file_case("file-zip", "bundle.not-a-bundle", lambda: ZIP_END, 57, 59)
file_case("file-zip-before", "bundle.not-a-bundle", lambda: ZIP_END + material.container(), 58)
file_case("file-zip-behind", "archive.trailing-data", lambda: material.container() + ZIP_END, 58)
file_case("file-gzip", "bundle.not-a-bundle", lambda: gzip(material.container()))
file_case("file-other-tar", "bundle.not-a-bundle", lambda: tar([member("etc/passwd", b"x")]))
file_case("file-payload-alone", "bundle.not-a-bundle", material.payload)
file_case("format-2", "bundle.format", lambda: tar([member("format", b"2\n")]), 71)
file_case("format-none", "bundle.format-number", lambda: tar([member("format", b"")]), 71)
file_case("format-long", "bundle.format-number", lambda: tar([member("format", b"1" * 5000 + b"\n")]), 71)
