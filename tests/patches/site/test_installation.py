import threading

import pytest

from patchline.patches.errors import PatchlineError
from patchline.patches.site import area
from tests.crash_scenes import FINE, step
from tests.samples import fix
from tests.worlds import LinkTo, World

BASE = {
    "bin/run": (b"#!/bin/sh\necho old\n", True),
    "lib/a.txt": b"a old\n",
    "lib/b.txt": b"b old\n",
    "lib/gone/only.txt": b"only\n",
    "etc/app.ini": b"colour = red\n",
    "current": LinkTo("lib"),
}
CHANGES = {
    "bin/run": (b"#!/bin/sh\necho new\n", True),
    "lib/a.txt": (b"a new\n", True),
    "lib/gone/only.txt": None,
    "lib/fresh/deep/x.txt": b"x\n",
    "current": LinkTo("bin"),
    "etc/app.ini": b"colour = blue\n",
}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, BASE)


def test_apply_then_rollback_gives_the_identical_tree(world):
    before = world.tree()
    hotfix = world.hotfix(CHANGES)
    _, result = world.apply(hotfix)
    assert result.outcome == "applied"
    after = world.tree()
    assert after["lib/a.txt"][1:3] == (b"a new\n", 0o755)
    assert after["lib/fresh/deep/x.txt"][1] == b"x\n"
    assert "lib/gone" not in after
    assert after["current"][1] == "bin"
    assert world.inventory().level.label == "1.0+HF-2026-0001-r1"
    assert world.inventory().drift == []
    world.rollback()
    assert world.tree() == before
    assert world.inventory().level.label == "1.0"


def inodes(world, *paths):
    return [(world.root / path).stat().st_ino for path in paths]


def test_rollback_of_code_gives_back_the_very_files_that_were_there(world):
    before = inodes(world, "lib/a.txt", "bin/run", "etc/app.ini")
    world.apply(world.hotfix(CHANGES, entry={"etc/app.ini": {"class": "config"}}))
    plan, _ = world.rollback()
    assert inodes(world, "lib/a.txt", "bin/run") == before[:2]
    assert inodes(world, "etc/app.ini") != before[2:], "a config file is always a copy: others may write it"
    assert (world.root / "lib/a.txt").stat().st_nlink == 1
    assert plan.bytes_written == len(BASE["etc/app.ini"]) + len(CHANGES["etc/app.ini"])


def test_rollback_gives_back_a_copy_where_a_step_could_write_into_it(tmp_path):
    world = World(tmp_path, BASE)
    before = inodes(world, "lib/a.txt")
    world.apply(world.hotfix(CHANGES, steps=[step("up", "start", FINE)], script_contents=[FINE]), root_steps=True)
    world.rollback(root_steps=True)
    assert inodes(world, "lib/a.txt") != before


def test_rollback_gives_back_a_copy_of_what_another_rollback_may_need(world):
    same = {"lib/a.txt": b"b old\n"}
    world.apply(world.hotfix({"lib/b.txt": b"b new\n"}))
    world.apply(world.hotfix(same, "HF-2026-0002", fixes=[fix("BUG-2")]))
    world.apply(world.hotfix({"lib/a.txt": b"a newest\n"}, "HF-2026-0003", fixes=[fix("BUG-3")], base={**BASE, **same}))
    world.rollback("HF-2026-0003")
    (world.root / "lib/a.txt").write_bytes(b"written into\n")
    world.rollback("HF-2026-0001")
    assert (world.root / "lib/b.txt").read_bytes() == b"b old\n"


def test_file_of_the_same_stamp_is_not_read_again(world, monkeypatch):
    hotfix, reads = world.hotfix(CHANGES), []
    real = area.hash_file

    def counted(handle, *arguments):
        reads.append(handle)
        return real(handle, *arguments)

    monkeypatch.setattr(area, "hash_file", counted)
    world.apply(hotfix)
    changed = [path for path, content in BASE.items() if path in CHANGES and not isinstance(content, LinkTo)]
    assert len(reads) == len(changed), "once, to see that it is what the hotfix was made for"


def test_large_file_is_read_once_while_the_payload_comes(tmp_path, monkeypatch):
    base, changes = {"data.bin": b"old" * 300_000, "small": b"old\n"}, {"data.bin": b"new" * 300_000, "small": b"new\n"}
    world, reads = World(tmp_path, base), []
    real = area.hash_file

    def counted(handle, *arguments):
        reads.append(threading.current_thread() is threading.main_thread())
        return real(handle, *arguments)

    monkeypatch.setattr(area, "hash_file", counted)
    hotfix = world.hotfix(changes)
    world.apply(hotfix)
    assert sorted(reads) == [False, True], "the large one in a thread of its own, each once"
    world.rollback()
    assert world.tree()["data.bin"][1] == base["data.bin"]


def test_payload_that_is_refused_while_a_large_file_is_read_leaves_nothing(tmp_path):
    world = World(tmp_path, {"data.bin": b"old" * 300_000})
    hotfix = world.hotfix({"data.bin": b"new" * 300_000})
    before, data = world.tree(), bytearray(hotfix.path.read_bytes())
    data[-2000] ^= 1
    hotfix.path.write_bytes(data)
    with pytest.raises(PatchlineError):
        world.apply(hotfix)
    assert world.tree() == before
    with world.opened() as site:
        assert not site.roots["app"].names(".patchline/staging")
