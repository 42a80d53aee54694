import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from patchline.patches.errors import ProblemsError
from tests.crash_scenes import step
from tests.samples import sha256
from tests.trees import FAST
from tests.users import ANN, as_user, give, open_folder
from tests.worlds import LinkTo, World, put, take

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as several users")
BASE = {"lib/a.txt": b"a old\n", "lib/b.txt": b"b old\n"}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, BASE)


# 24: the product is running


def test_program_that_is_running_is_replaced_and_taken_back_while_it_runs(tmp_path):
    data = Path(shutil.which("sleep")).read_bytes()
    world = World(tmp_path, {"bin/server": (data, True)})
    hotfix = world.hotfix({"bin/server": (data + b"\0", True)})
    with subprocess.Popen([world.root / "bin/server", "60"]) as server:
        try:
            world.apply(hotfix)
            assert server.poll() is None
            with subprocess.Popen([world.root / "bin/server", "60"]) as patched:
                world.rollback()
                assert patched.poll() is None
                patched.kill()
            assert world.tree()["bin/server"][1] == data
        finally:
            server.kill()


# Bytes


def test_bytes_are_those_of_new_contents_and_of_earlier_ones_that_need_a_copy(tmp_path):
    base = {"code": b"1" * 1000, "asset": b"2" * 100, "gone": b"3" * 10}
    world = World(tmp_path, base)
    plan = world.plan(
        world.hotfix({"code": b"4" * 5, "asset": b"5" * 3, "gone": None}, entry={"asset": {"class": "asset"}})
    )
    assert plan.bytes_written == 5 + 3 + 100
    assert plan.as_document()["bytes"] == 108


# Rights, file systems, attributes


@pytest.mark.skipif(not os.access(FAST, os.W_OK), reason="there is no second file system here")
def test_linked_folder_on_another_file_system_is_refused(tmp_path):
    with tempfile.TemporaryDirectory(dir=FAST) as volume:
        if os.stat(volume).st_dev == os.stat(tmp_path).st_dev:
            pytest.skip("there is no second file system here")
        put(Path(volume), {"a.txt": b"old\n"})
        put(tmp_path / "app", {"plugins": LinkTo(volume)})
        world = World(tmp_path, BASE, follow=("plugins",))
        hotfix = world.hotfix({"plugins/a.txt": b"new\n"}, base={"plugins/a.txt": b"old\n"})
        assert world.refusals(hotfix) == ["installation.other-file-system"]
        assert take(Path(volume))["a.txt"][1] == b"old\n"


@as_root
def test_all_that_is_wrong_with_rights_files_and_relations_is_told_at_once():
    with open_folder() as shared:
        maker = World(shared / "maker", BASE)
        hotfix = maker.hotfix(
            {"lib/a.txt": b"a new\n", "lib/b.txt": b"b new\n", "other/x": b"x\n"},
            relations={
                "requires": [{"hotfix": "HF-9", "revision": 1}],
                **{key: [] for key in ("conflicts", "supersedes", "includes", "merges")},
            },
        )
        second = maker.hotfix({"third/y": b"y\n", "lib/b.txt": b"b9\n"}, "HF-8", pre={"lib/b.txt": [b"other\n"]})
        for item in (hotfix, second):
            item.path.chmod(0o644)
        maker.folder.chmod(0o755)
        (shared / "ann").mkdir()
        give(shared / "ann", ANN)
        as_user(ANN, lambda: World(shared / "ann", BASE) and None)
        world = World(shared / "ann", BASE, existing=True)
        (world.root / "third").mkdir()
        outcome = as_user(ANN, lambda: [problem.code for problem in world.plan(hotfix, second).problems])
        assert outcome.value == [
            "relation.requires",
            "installation.changed-file",
            "installation.folder-owner",
            "installation.attributes",
        ]


@as_root
def test_step_runs_as_root_only_where_hotfix_and_policy_say_so(world):
    script = b"exit 0\n"

    def with_step(*, root):
        return world.hotfix(
            {"lib/a.txt": b"new\n"}, steps=[{**step("stop-it", "stop", script), "root": root}], script_contents=[script]
        )

    assert world.refusals(with_step(root=True), root_steps=False) == ["refused.root-step"]
    assert world.refusals(with_step(root=False), root_steps=True) == ["refused.root-step"]
    assert world.refusals(with_step(root=True), root_steps=True) == []


@as_root
def test_step_that_needs_root_is_refused_for_a_user_and_others_run_with_the_users_rights():
    script = b"id -u > $PATCHLINE_ROOT_APP/../ran\n"
    with open_folder() as shared:
        maker = World(shared / "maker", BASE)
        maker.folder.chmod(0o755)
        hotfixes = [
            maker.hotfix(
                {"lib/a.txt": b"new\n"},
                steps=[{**step("stop-it", "stop", script), "root": root}],
                script_contents=[script],
            )
            for root in (True, False)
        ]
        for item in hotfixes:
            item.path.chmod(0o644)
        (shared / "ann").mkdir()
        give(shared / "ann", ANN)
        as_user(ANN, lambda: World(shared / "ann", BASE) and None)
        world = World(shared / "ann", BASE, existing=True)
        assert as_user(ANN, lambda: world.apply(hotfixes[0])).code == "refused.needs-root"
        assert as_user(ANN, lambda: world.apply(hotfixes[1])[1].outcome).value == "applied"
        assert (world.folder / "ran").read_text() == f"{ANN}\n"


# Earlier contents


@pytest.mark.parametrize("harm", ["missing", "shorter"])
def test_rollback_whose_earlier_content_is_gone_is_refused_before_anything_is_written(world, harm):
    world.apply(world.hotfix({"lib/a.txt": b"new\n", "lib/b.txt": None}))
    kept = world.root / ".patchline/objects" / sha256(b"a old\n")
    kept.unlink()
    if harm == "shorter":
        kept.write_bytes(b"a")
    before = world.tree()
    with pytest.raises(Exception, match="the earlier content of") as refused:
        world.rollback()
    assert refused.value.code == "installation.object-missing"
    assert not isinstance(refused.value, ProblemsError)
    assert world.tree() == before
