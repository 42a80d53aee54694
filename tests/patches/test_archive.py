import io
import subprocess
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchline.patches import archive
from patchline.patches.errors import ArchiveError

NAMES = [f"files/{number:064x}" for number in range(1, 12)]
TYPES = {
    tarfile.LNKTYPE: "type-hard-link",
    tarfile.SYMTYPE: "type-link",
    tarfile.CHRTYPE: "type-device",
    tarfile.BLKTYPE: "type-device",
    tarfile.DIRTYPE: "type-folder",
    tarfile.FIFOTYPE: "type-fifo",
    tarfile.AREGTYPE: "type-old",
    tarfile.CONTTYPE: "type",
    tarfile.XHDTYPE: "type-pax",
    tarfile.XGLTYPE: "type-pax-global",
    tarfile.GNUTYPE_LONGNAME: "type-long-name",
    tarfile.GNUTYPE_LONGLINK: "type-long-name",
    tarfile.GNUTYPE_SPARSE: "type-sparse",
}
FIELDS = {
    "mode-special": {"mode": 0o4644},
    "mode": {"mode": 0o666},
    "owner": {"uid": 1000},
    "owner-name": {"uname": "root"},
    "time": {"mtime": 1},
    "link-name": {"linkname": "x"},
    "name-encoding": {"name": "files/é"},
    "name-empty": {"name": ""},
}
PLACES = {
    "name-after-nul": (90, b"hidden"),
    "number-binary": (124, b"\x80"),
    "number": (124, b"-"),
    "device-number": (335, b"1"),
    "name-prefix": (345, b"etc"),
    "header-end": (511, b"x"),
    "magic": (257, b"ustar  \0"),
}
SMALL = (("files/a", b"one"), ("files/b", b"x" * 512), ("files/c", b""))


class Trickle:
    """A pipe at its worst: gives a few bytes at a time."""

    def __init__(self, data, step):
        self.stream, self.step = io.BytesIO(data), step

    def read(self, size):
        return self.stream.read(min(size, self.step))


def pack(members):
    stream = io.BytesIO()
    writer = archive.TarWriter(stream)
    for name, data in members:
        writer.add(name, len(data), [data])
    writer.close()
    return stream.getvalue()


def unpack(data, names, step=1 << 30):
    members = archive.read_members(Trickle(data, step), names, what="test.tar")
    return [(member.name, b"".join(member.chunks())) for member in members]


def refusal(data, names):
    with pytest.raises(ArchiveError) as caught:
        unpack(data, names)
    assert caught.value.hint and "test.tar" in caught.value.message
    return caught.value.code.removeprefix("archive.")


def small_names():
    return [name for name, _ in SMALL]


def with_header(changes):
    info = tarfile.TarInfo("files/a")
    info.size = 3
    for field, value in changes.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.USTAR_FORMAT) + pack(SMALL)[archive.BLOCK :]


def with_bytes(place, replacement):
    block = bytearray(archive.header("files/a", 3))
    block[place : place + len(replacement)] = replacement
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + pack(SMALL)[archive.BLOCK :]


@given(st.lists(st.binary(max_size=2000), max_size=len(NAMES)), st.integers(1, 5000))
def test_members_come_back_as_they_were_written_however_the_stream_trickles(contents, step):
    members = list(zip(NAMES, contents, strict=False))
    assert unpack(pack(members), [name for name, _ in members], step) == members


@given(st.lists(st.binary(max_size=3 * archive.CHUNK), max_size=4))
def test_archive_size_is_known_before_writing(contents):
    packed = pack(zip(NAMES, contents, strict=False))
    assert archive.archive_size(len(data) for data in contents) == len(packed)


@given(st.sampled_from(NAMES), st.integers(0, 8 * 2**30 - 1))
def test_header_is_the_one_that_python_writes_for_a_plain_file(name, size):
    info = tarfile.TarInfo(name)
    info.size = size
    assert archive.header(name, size) == info.tobuf(tarfile.USTAR_FORMAT)


@given(st.data())
def test_any_changed_byte_is_refused_or_changes_content_only(data):
    packed = bytearray(pack(SMALL))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        found = unpack(bytes(packed), small_names())
    except ArchiveError:
        return
    assert place in {*range(512, 515), *range(1536, 2048)}
    assert [(name, len(content)) for name, content in found] == [(name, len(content)) for name, content in SMALL]


@given(st.integers(0, 4500))
def test_cut_archive_is_refused_as_truncated_or_without_its_end(length):
    packed = pack(SMALL)
    if length >= len(packed):
        assert refusal(packed + bytes(length - len(packed) + 1), small_names()) == "trailing-data"
    else:
        assert refusal(packed[:length], small_names()) in {"truncated", "end-block"}


@pytest.mark.parametrize("type_flag", TYPES, ids=lambda flag: TYPES[flag])
def test_anything_but_a_regular_file_is_refused_by_its_kind(type_flag):
    assert refusal(with_header({"type": type_flag}), small_names()) == TYPES[type_flag]


@pytest.mark.parametrize("code", FIELDS)
def test_header_with_another_field_is_refused(code):
    assert refusal(with_header(FIELDS[code]), small_names()) == code


@pytest.mark.parametrize("code", PLACES)
def test_header_with_other_bytes_is_refused(code):
    assert refusal(with_bytes(*PLACES[code]), small_names()) == code


@pytest.mark.parametrize(
    "size", [b"-0000000003\0", b"+0000000003\0", b" 0000000003\0", b"00000000003 ", b"0000_000003\0"]
)
def test_size_written_in_another_way_is_refused(size):
    assert refusal(with_bytes(124, size), small_names()) == "number"


def test_wrong_checksum_is_refused():
    packed = bytearray(pack(SMALL))
    packed[150] ^= 1
    assert refusal(bytes(packed), small_names()) == "checksum"


def test_padding_must_be_zero():
    packed = bytearray(pack(SMALL))
    packed[1023] = 1
    assert refusal(bytes(packed), small_names()) == "padding"


def test_archive_with_one_zero_block_is_refused():
    assert refusal(pack(SMALL)[:-512], small_names()) == "end-block"


def test_record_padding_of_plain_tar_counts_as_trailing_data():
    assert refusal(pack(SMALL) + bytes(6144), small_names()) == "trailing-data"


def test_member_twice_is_refused():
    assert refusal(pack([SMALL[0], *SMALL]), small_names()) == "duplicate-member"


def test_members_out_of_order_are_told_from_a_missing_one():
    a, b, c = SMALL
    assert refusal(pack([a, c, b]), small_names()) == "member-order"
    assert refusal(pack([a, c]), small_names()) == "missing-member"
    assert refusal(pack([a, b]), small_names()) == "missing-member"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a\\b", "C:x", "-x", "files/", "files/\n", "scripts/x"])
def test_name_that_is_not_expected_is_refused_wherever_it_stands(name):
    for place in range(len(SMALL) + 1):
        members = [*SMALL[:place], (name, b"x"), *SMALL[place:]]
        assert refusal(pack(members), small_names()) == "unknown-member"


def test_content_that_is_not_read_is_passed_over():
    names = [member.name for member in archive.read_members(io.BytesIO(pack(SMALL)), small_names(), what="test.tar")]
    assert names == small_names()


@pytest.mark.parametrize("chunks", [[b"12"], [b"12", b"34"], []])
def test_source_that_differs_from_its_stated_size_is_refused(chunks):
    with pytest.raises(ArchiveError, match=r"files/a .* 3 bytes") as caught:
        archive.TarWriter(io.BytesIO()).add("files/a", 3, chunks)
    assert caught.value.code == "archive.source-size"


@pytest.mark.parametrize(
    ("name", "size", "code"),
    [
        ("", 0, "name"),
        ("x" * 101, 0, "name"),
        ("é", 0, "name"),
        ("x\0y", 0, "name"),
        ("x", 8 << 30, "member-too-large"),
        ("x", -1, "member-too-large"),
    ],
)
def test_member_that_a_header_cannot_hold_is_refused(name, size, code):
    with pytest.raises(ArchiveError) as caught:
        archive.header(name, size)
    assert caught.value.code == f"archive.{code}"


def test_member_written_before_its_size_is_known_has_the_same_bytes():
    file = io.BytesIO()
    writer = archive.TarWriter(file)
    writer.add("files/a", 3, [b"one"])
    assert archive.add_unmeasured(writer, file, "files/b", lambda stream: stream.write(b"x" * 512)) == 512
    writer.add("files/c", 0, [])
    writer.close()
    assert file.getvalue() == pack(SMALL)


def test_plain_tar_lists_and_extracts_without_a_word(tmp_path):
    path = tmp_path / "test.tar"
    path.write_bytes(pack(SMALL))
    listed = subprocess.run(["tar", "-tf", path], capture_output=True, check=True, text=True)
    assert (listed.stdout.split(), listed.stderr) == (small_names(), "")
    extracted = subprocess.run(["tar", "-xf", path, "-C", tmp_path], capture_output=True, check=True, text=True)
    assert extracted.stdout + extracted.stderr == ""
    assert {name: (tmp_path / name).read_bytes() for name in small_names()} == dict(SMALL)
