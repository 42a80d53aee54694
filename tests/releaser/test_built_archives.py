import io
import zipfile

import pytest

from patchline.releaser.building import FolderOrigin, Wanted
from patchline.releaser.built_archives import is_archive, same_content
from patchline.releaser.composing import Order
from patchline.releaser.recipe import Authored
from tests.releaser.test_building import built, home, refused

__all__ = ["home"]

CLASS = b"\xca\xfe\xba\xbe" + bytes(range(200))
MANIFEST = b"Manifest-Version: 1.0\r\nCreated-By: Maven 3.8\r\nBuild-Jdk: 17.0.1\r\nMain-Class: a.B\r\n\r\n"


def packed(members, *, date=(2026, 1, 1, 0, 0, 0), lead=b"", comment=b"", packing=zipfile.ZIP_DEFLATED, mode=0o644):
    stream = io.BytesIO()
    stream.write(lead)
    with zipfile.ZipFile(stream, "a" if lead else "w", packing) as archive:
        archive.comment = comment
        for name, data in members.items():
            info = zipfile.ZipInfo(name, date)
            info.compress_type = packing
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return stream.getvalue()


def same(one, other):
    return same_content(io.BytesIO(one), io.BytesIO(other))


BASE = {"META-INF/MANIFEST.MF": MANIFEST, "a/B.class": CLASS, "a/text": b"text"}


def test_time_order_and_comment_do_not_count():
    reordered = dict(reversed(list(BASE.items())))
    assert same(packed(BASE), packed(reordered, date=(2020, 5, 5, 5, 5, 4), comment=b"built by night"))


@pytest.mark.parametrize(
    "changes",
    [
        {"a/B.class": CLASS + b"1"},
        {"a/B.class": CLASS[::-1]},
        {"a/new": b"1"},
        {"META-INF/MANIFEST.MF": MANIFEST.replace(b"a.B", b"a.C")},
        {"META-INF/MANIFEST.MF": MANIFEST + b"Name: a/B.class\r\nSealed: true\r\n"},
    ],
)
def test_any_other_difference_counts(changes):
    assert not same(packed(BASE), packed({**BASE, **changes}))


def test_member_that_is_missing_or_packed_otherwise_counts():
    assert not same(packed(BASE), packed({name: BASE[name] for name in list(BASE)[:2]}))
    assert not same(packed(BASE), packed(BASE, packing=zipfile.ZIP_STORED))
    assert not same(packed(BASE), packed(BASE, mode=0o755))
    assert not same(packed(BASE), packed(BASE, lead=b"#!/bin/sh\nexec java -jar $0\n"))
    script = packed(BASE, lead=b"#!/bin/sh\n")
    assert same(script, packed(BASE, lead=b"#!/bin/sh\n", comment=b"x"))
    assert not same(script, packed(BASE, lead=b"#!/bin/ash"))


STAMPS = [
    (
        "META-INF/MANIFEST.MF",
        MANIFEST,
        b"Manifest-Version: 1.0\nMain-Class: a.B\nBuild-Jdk: 21\nBnd-LastModified: 17\nBuilt-By: night\n\n",
    ),
    ("META-INF/maven/g/a/pom.properties", b"#Mon Jan 01\nversion=1\n", b"#Tue Jan 02\nversion=1\n"),
    ("git.properties", b"git.commit.id=1\ngit.build.version=1\n", b"git.commit.id=2\ngit.build.version=1\n"),
    ("META-INF/build-info.properties", b"build.time=1\nbuild.name=x\n", b"build.time=2\nbuild.name=x\n"),
    ("a-1.dist-info/WHEEL", b"Wheel-Version: 1.0\nGenerator: x (1)\n", b"Wheel-Version: 1.0\nGenerator: x (2)\n"),
    (
        "a-1.dist-info/RECORD",
        b"a.py,sha256=1,1\na-1.dist-info/WHEEL,x,1\n",
        b"a-1.dist-info/WHEEL,y,1\na.py,sha256=1,1\n",
    ),
]


@pytest.mark.parametrize(("name", "one", "other"), STAMPS)
def test_build_stamps_do_not_count(name, one, other):
    assert same(packed({"x": b"1", name: one}), packed({"x": b"1", name: other}))
    assert not same(packed({"x": b"1", f"other-{name}x": one}), packed({"x": b"1", f"other-{name}x": other}))


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("META-INF/maven/g/a/pom.properties", b"version=1\n", b"version=2\n"),
        ("git.properties", b"git.build.version=1\n", b"git.build.version=2\n"),
        ("META-INF/build-info.properties", b"build.name=x\n", b"build.name=y\n"),
        ("a-1.dist-info/RECORD", b"a.py,sha256=1,1\n", b"a.py,sha256=2,1\n"),
    ],
)
def test_what_stands_beside_a_stamp_counts(name, one, other):
    assert not same(packed({name: one}), packed({name: other}))


def test_archive_within_an_archive_is_judged_alike():
    inner, later = packed(BASE), packed(BASE, date=(2021, 1, 1, 0, 0, 0))
    assert inner != later
    assert same(packed({"WEB-INF/lib/a.jar": inner}), packed({"WEB-INF/lib/a.jar": later}))
    other = packed({**BASE, "a/text": b"other"})
    assert not same(packed({"WEB-INF/lib/a.jar": inner}), packed({"WEB-INF/lib/a.jar": other}))


def test_what_cannot_be_read_counts_as_changed():
    assert not same(b"no archive", b"no archive either")
    assert not same(packed(BASE), packed(BASE)[:-30])
    twice = packed({"a": b"1", "b": b"1"}).replace(b"b", b"a")
    assert not same(twice, twice)


def test_only_known_endings_are_archives():
    assert is_archive(b"lib/A.JAR")
    assert is_archive(b"x.whl")
    assert not is_archive(b"jar")


def test_rebuilt_archives_are_left_out_and_listed(tmp_path):
    for side, date, text in (("before", 2024, b"1"), ("after", 2026, b"2")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "same.jar").write_bytes(packed(BASE, date=(date, 1, 1, 0, 0, 0)))
        (tmp_path / side / "fixed.jar").write_bytes(packed({**BASE, "a/text": text}, date=(date, 1, 1, 0, 0, 0)))
    order = Order("HF-2026-0001", "shop", ("1.0",), fix_titles={"BUG-1": "Mend it"})
    folders = tmp_path / "before", tmp_path / "after"
    made = built(Wanted(order, Authored(), FolderOrigin(*folders, "build", ("ada",))), tmp_path)
    assert [entry.path for entry in made.manifest.files] == ["fixed.jar"]
    assert made.record.unchanged_archives == ("same.jar",)
    strict = FolderOrigin(*folders, "build", ("ada",), strict_archives=True)
    made = built(Wanted(order, Authored(), strict), tmp_path, "strict.hotfix")
    assert [entry.path for entry in made.manifest.files] == ["fixed.jar", "same.jar"]
    (tmp_path / "after/fixed.jar").write_bytes(packed({**BASE, "a/text": b"1"}, date=(2026, 1, 1, 0, 0, 0)))
    (tmp_path / "out").mkdir()
    assert (
        refused(Wanted(order, Authored(), FolderOrigin(*folders, "build", ("ada",))), tmp_path / "out") == "build.empty"
    )
