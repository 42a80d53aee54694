import os
import shutil
import subprocess

import pytest

from tests.worlds import Directory, LinkTo, World

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
DEEP = "/".join(["d" * 60] * 5) + "/deep.txt"


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, {"bin/run": (b"old\n", True), "lib/a.txt": b"a old\n", "lib/gone/only.txt": b"only\n"})


def run(*command):
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


def tool(name):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not on this machine")


def test_modes_links_unicode_names_empty_files_long_paths_and_read_only_files_survive_the_round_trip(tmp_path):
    base = {
        "bin/tool": (b"old\n", True),
        "bin/plain": b"old\n",
        "empty": b"",
        "ünï/cödé/日本語 \U0001f600.txt": b"old\n",
        DEEP: b"old\n",
        "readonly": b"old\n",
        "link": LinkTo("bin/tool"),
        "becomes-link": b"file\n",
        "becomes-file": LinkTo("bin"),
        "becomes-folder": b"file\n",
        "folder/becomes-file/inner": b"inner\n",
        "vanishes/deep/er": b"gone\n",
        "stays": b"",
    }
    world = World(tmp_path, base)
    (world.root / "readonly").chmod(0o444)
    (world.root / "vanishes/deep").chmod(0o710)
    (world.root / "kept-empty").mkdir(mode=0o750)
    before = world.tree()
    changes = {
        "bin/tool": b"new\n",
        "bin/plain": (b"new\n", True),
        "empty": b"no more\n",
        "added-empty": b"",
        "ünï/cödé/日本語 \U0001f600.txt": b"new\n",
        DEEP: b"new\n",
        "readonly": b"new\n",
        "link": LinkTo("bin/plain"),
        "new-link": LinkTo("nowhere"),
        "becomes-link": LinkTo("bin/tool"),
        "becomes-file": b"file\n",
        "becomes-folder": Directory(),
        "becomes-folder/new": b"new\n",
        "folder/becomes-file": b"file\n",
        "folder/becomes-file/inner": None,
        "vanishes/deep/er": None,
        "added/deep/er": b"added\n",
    }
    world.apply(world.hotfix(changes, pre={"folder/becomes-file": [Directory()]}))
    after = world.tree()
    assert after["bin/tool"][1:3] == (b"new\n", 0o644)
    assert after["bin/plain"][1:3] == (b"new\n", 0o755)
    assert after["readonly"][1:3] == (b"new\n", 0o444)
    assert after["becomes-link"][1] == "bin/tool"
    assert after["becomes-folder/new"][1] == b"new\n"
    assert after["folder/becomes-file"][1] == b"file\n"
    assert "vanishes" not in after
    assert {"kept-empty", "stays"} <= after.keys()
    assert world.inventory().drift == []
    world.rollback()
    assert world.tree() == before


def test_empty_folder_that_was_there_before_stays_when_its_only_file_comes_and_goes(world):
    (world.root / "plugins").mkdir(mode=0o750)
    before = world.tree()
    world.apply(world.hotfix({"plugins/x": b"x\n"}))
    world.apply(world.hotfix({"lib/a.txt": b"a new\n"}, revision=2))
    assert "plugins/x" not in world.tree()
    assert world.tree()["plugins"] == before["plugins"]
    world.rollback()
    world.rollback()
    assert world.tree() == before


def test_folder_that_one_hotfix_emptied_comes_back_with_the_other_ones_file(tmp_path):
    world = World(tmp_path, {"d/x": b"x\n", "d/y": b"y\n", "z": b"z\n"})
    (world.root / "d").chmod(0o750)
    before = world.tree()
    world.apply(world.hotfix({"d/x": None}))
    world.apply(world.hotfix({"d/y": None}, "HF-2"))
    assert "d" not in world.tree()
    world.rollback("HF-2026-0001")
    assert world.tree()["d"][2] == 0o750
    world.rollback("HF-2")
    assert world.tree() == before


def test_folder_that_one_hotfix_took_and_another_made_anew_is_the_old_one_again(tmp_path):
    world = World(tmp_path, {"d/x": b"x\n", "z": b"z\n"})
    (world.root / "d").chmod(0o750)
    before = world.tree()
    world.apply(world.hotfix({"d/x": None}))
    world.apply(world.hotfix({"d/new": b"new\n"}, "HF-2"))
    assert world.tree()["d"][2] == 0o750
    world.rollback("HF-2026-0001")
    world.rollback("HF-2")
    assert world.tree() == before


def test_folder_of_two_hotfixes_stays_until_both_are_gone(world):
    before = world.tree()
    world.apply(world.hotfix({"fresh/one": b"1\n"}))
    world.apply(world.hotfix({"fresh/two": b"2\n"}, "HF-2"))
    world.rollback("HF-2026-0001")
    assert "fresh/two" in world.tree()
    world.rollback("HF-2")
    assert world.tree() == before


# Owner, group, mode


def test_replaced_file_keeps_every_mode_bit_but_the_executable_ones(world):
    (world.root / "lib/a.txt").chmod(0o2640)
    (world.root / "bin/run").chmod(0o4750)
    world.apply(world.hotfix({"lib/a.txt": (b"new\n", True), "bin/run": (b"new\n", True)}))
    assert oct(world.tree()["lib/a.txt"][2]) == oct(0o2750)
    assert oct(world.tree()["bin/run"][2]) == oct(0o4750)


@as_root
def test_replaced_file_keeps_owner_and_group_and_rollback_too(world):
    os.chown(world.root / "lib/a.txt", 4711, 4712)
    (world.root / "lib/link").symlink_to("a.txt")
    os.chown(world.root / "lib/link", 4711, 4712, follow_symlinks=False)
    before = world.tree()
    hotfix = world.hotfix({"lib/a.txt": b"new\n", "lib/link": LinkTo("gone")}, pre={"lib/link": [LinkTo("a.txt")]})
    world.apply(hotfix)
    assert world.tree()["lib/a.txt"][3:] == (4711, 4712)
    assert world.tree()["lib/link"][3:] == (4711, 4712)
    world.rollback()
    assert world.tree() == before


@as_root
def test_removed_file_and_link_come_back_with_owner_and_group(world):
    os.chown(world.root / "lib/gone/only.txt", 4711, 4712)
    (world.root / "lib/gone/link").symlink_to("only.txt")
    os.chown(world.root / "lib/gone/link", 4711, 4712, follow_symlinks=False)
    before = world.tree()
    hotfix = world.hotfix(
        {"lib/gone/only.txt": None, "lib/gone/link": None}, pre={"lib/gone/link": [LinkTo("only.txt")]}
    )
    world.apply(hotfix)
    assert "lib/gone" not in world.tree()
    world.rollback()
    assert world.tree() == before


@as_root
def test_added_file_and_folder_take_the_group_of_a_setgid_folder_and_pass_it_on(world):
    os.chown(world.root / "lib", 0, 4712)
    (world.root / "lib").chmod(0o2750)
    world.apply(world.hotfix({"lib/new/x": b"x\n"}))
    tree = world.tree()
    assert tree["lib/new"][2:] == (0o2750, 0, 4712)
    assert tree["lib/new/x"][2:] == (0o640, 0, 4712)


def test_umask_of_the_applier_plays_no_part(world):
    previous = os.umask(0o077)
    try:
        world.apply(world.hotfix({"lib/new/x": b"x\n", "lib/new/tool": (b"x\n", True)}))
    finally:
        os.umask(previous)
    tree = world.tree()
    assert [tree[path][2] for path in ("lib/new", "lib/new/x", "lib/new/tool")] == [0o755, 0o644, 0o755]


# Access lists and extended attributes


def access_list(path):
    return subprocess.run(["getfacl", "-cp", str(path)], check=True, capture_output=True, text=True).stdout


@tool("setfacl")
def test_access_list_of_a_replaced_file_stays_and_survives_the_rollback(world):
    run("setfacl", "-m", "u:4711:rw,g:4712:r", world.root / "lib/a.txt")
    before = access_list(world.root / "lib/a.txt")
    world.apply(world.hotfix({"lib/a.txt": b"new\n"}))
    assert access_list(world.root / "lib/a.txt") == before
    world.rollback()
    assert access_list(world.root / "lib/a.txt") == before


@tool("setfacl")
def test_added_files_and_folders_get_what_the_kernel_gives_under_a_default_access_list(world):
    run("setfacl", "-d", "-m", "u:4711:rwx,g:4712:r-x,o::-", world.root / "lib")
    previous = os.umask(0)
    try:
        (world.root / "lib/theirs").mkdir()
        (world.root / "lib/theirs/x").touch()
    finally:
        os.umask(previous)
    world.apply(world.hotfix({"lib/ours/x": b"x\n"}))
    assert access_list(world.root / "lib/ours") == access_list(world.root / "lib/theirs")
    assert access_list(world.root / "lib/ours/x") == access_list(world.root / "lib/theirs/x")


@tool("setfattr")
def test_extended_attributes_of_a_replaced_and_of_a_removed_file_survive(world):
    for path in ("lib/a.txt", "lib/gone/only.txt"):
        run("setfattr", "-n", "user.note", "-v", "of the customer", world.root / path)
    world.apply(world.hotfix({"lib/a.txt": b"new\n", "lib/gone/only.txt": None}))
    assert os.getxattr(world.root / "lib/a.txt", "user.note") == b"of the customer"
    world.rollback()
    for path in ("lib/a.txt", "lib/gone/only.txt"):
        assert os.getxattr(world.root / path, "user.note") == b"of the customer"
