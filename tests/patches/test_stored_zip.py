import shutil
import subprocess
import zipfile
from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from patchline.patches import stored_zip
from patchline.patches.errors import ZipError
from patchline.patches.stored_zip import Member, StoredZip, write_members

FILES = {"README.txt": b"read me\n", "a/b.json": b"{}", "a/c/empty": b"", "big.bin": bytes(range(256)) * 9000}


def packed(files=FILES):
    out = BytesIO()
    write_members(out, [(name, len(data), BytesIO(data)) for name, data in files.items()])
    return out.getvalue()


def opened(data, most=100):
    return StoredZip(BytesIO(data), len(data), most_members=most, what="x.zip")


def unpacked(data):
    archive = opened(data)
    return {member.name: archive.read(member, 1 << 24) for member in archive.members}


def code_of(data, most=100):
    with pytest.raises(ZipError) as refused:
        archive = opened(data, most)
        for member in archive.members:
            archive.read(member, 1 << 24)
    return refused.value.code


def test_what_was_packed_comes_out_in_its_order():
    assert list(unpacked(packed()).items()) == list(FILES.items())


def test_same_members_make_the_same_bytes():
    assert packed() == packed()


def test_empty_zip_is_one():
    assert unpacked(packed({})) == {}


def test_python_and_unzip_open_it(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(packed())
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == FILES
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    program = shutil.which("unzip")
    if program is None:
        pytest.skip("unzip is not installed")
    subprocess.run([program, "-q", path, "-d", tmp_path / "out"], check=True)
    assert {
        str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()
    } == FILES
    assert (tmp_path / "out/README.txt").stat().st_mode & 0o777 == 0o644


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)


@given(st.dictionaries(NAMES, st.binary(max_size=300), max_size=6))
def test_any_members_come_out_as_they_went_in(files):
    if len({name.lower() for name in files}) == len(files):
        assert unpacked(packed(files)) == files


@given(st.binary(max_size=400))
@example(b"")
@example(b"PK\x05\x06" + bytes(18) + b"x")
@example(b"PK\x05\x06" + b"\xff" * 18)
@example(b"\xff" * 200 + b"PK\x05\x06" + b"\xff" * 16 + bytes(2))
def test_garbage_is_refused_by_one_clear_error(data):
    if data != packed({}):
        code_of(data)


WHOLE = packed({"a": b"one", "b/c": b"two" * 5})


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_any_byte_changed_is_noticed(at, flip):
    changed = bytearray(WHOLE)
    changed[at] ^= flip
    code_of(bytes(changed))


@given(st.integers(0, len(WHOLE) - 1))
def test_any_cut_is_noticed(length):
    code_of(WHOLE[:length])


@given(st.integers(0, len(WHOLE)), st.binary(min_size=1, max_size=20))
def test_anything_put_in_is_noticed(at, more):
    code_of(WHOLE[:at] + more + WHOLE[at:])


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/x",
        "a/../x",
        "./x",
        "a//b",
        "",
        "a\\b",
        "C:x",
        "-x",
        ".x",
        "a/",
        "é",
        "a b",
        "x\n",
        "a" * 300,
        "a/" * 9 + "b",
    ],
)
def test_name_that_means_more_than_a_name_is_refused(name):
    with pytest.raises(ZipError) as refused:
        packed({name: b""})
    assert refused.value.code == "zip.name"


@pytest.mark.parametrize("names", [("A", "a"), ("a", "a/b"), ("a/b/c", "A/B"), ("x/y", "X/Y")])
def test_two_members_of_one_name_are_refused(names):
    with pytest.raises(ZipError) as refused:
        packed(dict.fromkeys(names, b""))
    assert refused.value.code == "zip.name"


def test_hostile_name_in_a_foreign_zip_is_refused():
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../../etc/passwd", b"x")
    assert code_of(out.getvalue()) == "zip.name"


def test_zips_of_other_programs_are_refused():
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            archive.writestr("a", b"x" * 100)
        assert code_of(out.getvalue()) == "zip.form"


def test_directory_that_names_another_file_than_the_header_is_refused():
    at = WHOLE.index(b"b/c")
    assert code_of(WHOLE[:at] + b"b/d" + WHOLE[at + 3 :]) == "zip.form"


def test_overlapping_members_are_refused():
    first = Member("a", 30, 0, 0)
    second = Member("b", 30, 0, 0)
    data = bytes(61)
    assert code_of(data + stored_zip._directory([first, second], 61)) == "zip.form"


def test_too_many_members_are_refused_before_they_are_read():
    assert code_of(packed(), most=3) == "zip.too-many"
    assert (
        code_of(
            bytes(100)
            + stored_zip._END_64.pack(b"PK\x06\x06", 44, 0, 45, 0, 0, 1 << 60, 1 << 60, 0, 0)
            + bytes(20)
            + b"PK\x05\x06"
            + bytes(4)
            + b"\xff" * 12
            + bytes(2)
        )
        == "zip.too-many"
    )


def test_member_larger_than_asked_for_is_not_read():
    archive = opened(packed())
    with pytest.raises(ZipError) as refused:
        archive.read(archive.members[3], 100)
    assert refused.value.code == "zip.member-too-large"


@pytest.mark.parametrize("told", [2, 4])
def test_file_that_changes_while_it_is_packed_is_noticed(told):
    with pytest.raises(ZipError) as refused:
        write_members(BytesIO(), [("a", told, BytesIO(b"abc"))])
    assert refused.value.code == "zip.source-size"


def test_members_beyond_4_gib_are_read_as_python_reads_them(tmp_path):
    sizes = {"small": 3, "huge": (1 << 32) + 5, "after": 7, "edge": 0xFFFFFFFF, "below": 0xFFFFFFFE}
    path, members, offset = tmp_path / "x.zip", [], 0
    with path.open("wb") as out:
        for name, size in sizes.items():
            member = Member(name, size, 0, offset)
            out.seek(offset)
            out.write(stored_zip._local_header(member))
            members.append(member)
            offset = member.end
        out.seek(offset)
        out.write(stored_zip._directory(members, offset))
    with path.open("rb") as file, zipfile.ZipFile(path) as archive:
        found = StoredZip(file, path.stat().st_size, most_members=9, what="x.zip")
        assert found.members == tuple(members)
        assert [(i.filename, i.file_size, i.header_offset) for i in archive.infolist()] == [
            (member.name, member.size, member.offset) for member in members
        ]
        for info in archive.infolist():
            archive.open(info).close()


def test_zip_of_more_members_than_a_plain_one_counts_is_read_as_python_reads_it():
    data = packed({f"m{number}": b"" for number in range(65_536)})
    assert len(opened(data, 70_000).members) == 65_536
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert len(archive.namelist()) == 65_536
