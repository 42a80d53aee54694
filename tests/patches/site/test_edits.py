import os

import pytest

from patchline.patches.errors import InstallationError, ProblemsError
from tests.worlds import Directory, LinkTo, World

BASE = {
    "bin/run": (b"#!/bin/sh\necho old\n", True),
    "lib/a.txt": b"a old\n",
    "lib/b.txt": b"b old\n",
    "lib/gone/only.txt": b"only\n",
    "etc/app.ini": b"colour = red\n",
    "current": LinkTo("lib"),
}
CONFIG = {"entry": {"etc/app.ini": {"class": "config"}}}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, BASE)


def changed(world, path):
    return world.tree()[path][1]


def snapshot(world):
    """Everything there is: the roots with their own folders, and the state."""
    return {
        str(path.relative_to(world.folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for top in (world.root, world.state)
        for path in top.rglob("*")
        # The lock file says who holds it last; it is no content.
        if path.name != "lock"
    }


def test_pre_image_differs_all_conflicts_are_listed_in_one_run_with_owner_and_nothing_is_written(world):
    (world.root / "lib/a.txt").write_bytes(b"mine\n")
    (world.root / "lib/b.txt").unlink()
    (world.root / "bin/run").chmod(0o644)
    before = snapshot(world)
    hotfix = world.hotfix(
        {"lib/a.txt": b"a new\n", "lib/b.txt": b"b new\n", "bin/run": b"new\n", "etc/app.ini": b"x\n"}
    )
    with pytest.raises(ProblemsError) as refused:
        world.apply(hotfix)
    assert [problem.message for problem in refused.value.problems] == [
        "app/bin/run is not in a state HF-2026-0001-r1 accepts (changed by: unknown)",
        "app/lib/a.txt is not in a state HF-2026-0001-r1 accepts (changed by: unknown)",
        "app/lib/b.txt is missing; HF-2026-0001-r1 changes it (changed by: unknown)",
    ]
    assert snapshot(world) == before


def test_override_sets_the_file_keeps_the_edited_one_aside_and_rollback_brings_it_back(world):
    edited = world.root / "lib/a.txt"
    edited.write_bytes(b"mine\n")
    edited.chmod(0o600)
    before = world.tree()
    plan, _ = world.apply(world.hotfix({"lib/a.txt": b"a new\n"}), override=["app/lib/a.txt"])
    assert changed(world, "lib/a.txt") == b"a new\n"
    assert world.tree()["lib/a.txt.patchline-saved"][1:3] == (b"mine\n", 0o600)
    assert "app/lib/a.txt was edited; the edited one is kept as lib/a.txt.patchline-saved" in plan.notes
    world.rollback()
    assert world.tree() == before


def test_preserve_leaves_the_file_stars_the_label_and_changes_the_level(world, tmp_path):
    (world.root / "lib/a.txt").write_bytes(b"mine\n")
    hotfix = world.hotfix({"lib/a.txt": b"a new\n", "lib/b.txt": b"b new\n"})
    world.apply(hotfix, preserve=["app/lib/a.txt"])
    assert (changed(world, "lib/a.txt"), changed(world, "lib/b.txt")) == (b"mine\n", b"b new\n")
    starred = world.inventory()
    assert starred.level.label == "1.0+HF-2026-0001-r1*"
    assert starred.layers[0].preserved == ("app/lib/a.txt",)
    other = World(tmp_path / "other", BASE)
    other.apply(hotfix)
    assert other.inventory().level.digest != starred.level.digest
    assert "1.0+HF-2026-0001-r1*" in (world.root / ".patchline/PATCHLEVEL").read_text()
    world.rollback()
    assert (changed(world, "lib/a.txt"), changed(world, "lib/b.txt")) == (b"mine\n", b"b old\n")


def test_optional_file_that_is_absent_is_skipped_and_noted_and_a_mandatory_one_refused(world):
    (world.root / "lib/a.txt").unlink()
    before = world.tree()
    assert world.refusals(world.hotfix({"lib/a.txt": b"a new\n"})) == ["installation.missing-file"]
    optional = {"entry": {"lib/a.txt": {"optional": True}}}
    plan, _ = world.apply(world.hotfix({"lib/a.txt": b"a new\n", "lib/b.txt": b"b new\n"}, **optional))
    assert "app/lib/a.txt is not there, which the hotfix allows: skipped" in plan.notes
    assert "lib/a.txt" not in world.tree()
    assert world.inventory().drift == []
    world.rollback()
    assert world.tree() == before


def test_edited_config_stays_and_the_new_one_lies_beside(world):
    config = world.root / "etc/app.ini"
    config.write_bytes(b"colour = mine\n")
    config.chmod(0o640)
    before = world.tree()
    plan, _ = world.apply(world.hotfix({"etc/app.ini": b"colour = blue\n"}, **CONFIG))
    assert changed(world, "etc/app.ini") == b"colour = mine\n"
    assert world.tree()["etc/app.ini.patchline-new"][1:3] == (b"colour = blue\n", 0o640)
    assert (
        "app/etc/app.ini was edited and stays; the hotfix's one lies beside it as etc/app.ini.patchline-new"
        in plan.notes
    )
    assert world.inventory().layers[0].kept == ("app/etc/app.ini",)
    world.rollback()
    assert world.tree() == before


def test_edited_config_that_the_hotfix_removes_stays(world):
    (world.root / "etc/app.ini").write_bytes(b"colour = mine\n")
    before = world.tree()
    plan, _ = world.apply(world.hotfix({"etc/app.ini": None}, **CONFIG))
    assert "app/etc/app.ini was edited and stays" in plan.notes
    assert world.tree() == before
    world.rollback()
    assert world.tree() == before


def test_new_config_of_the_next_revision_replaces_an_untouched_one_and_never_an_edited_one(world):
    (world.root / "etc/app.ini").write_bytes(b"colour = mine\n")
    world.apply(world.hotfix({"etc/app.ini": b"blue\n"}, **CONFIG))
    world.apply(world.hotfix({"etc/app.ini": b"green\n"}, revision=2, **CONFIG))
    assert changed(world, "etc/app.ini.patchline-new") == b"green\n"
    (world.root / "etc/app.ini.patchline-new").write_bytes(b"merging\n")
    world.apply(world.hotfix({"etc/app.ini": b"pink\n"}, revision=3, **CONFIG))
    assert changed(world, "etc/app.ini.patchline-new") == b"merging\n"
    assert changed(world, "etc/app.ini.patchline-new.2") == b"pink\n"
    for _ in range(3):
        world.rollback()
    assert changed(world, "etc/app.ini.patchline-new") == b"merging\n"
    assert changed(world, "etc/app.ini") == b"colour = mine\n"
    assert "etc/app.ini.patchline-new.2" not in world.tree()


def test_names_beside_a_very_long_name_fit_and_nothing_is_overwritten(tmp_path):
    name = "é" * 120 + ".conf"
    world = World(tmp_path, {name: b"old\n"})
    (world.root / name).write_bytes(b"mine\n")
    world.apply(world.hotfix({name: b"new\n"}), override=[f"app/{name}"])
    saved = [path for path in world.tree() if path.endswith(".patchline-saved")]
    assert [changed(world, path) for path in saved] == [b"mine\n"]
    assert all(len(os.fsencode(path)) <= 255 for path in saved)
    world.rollback()
    assert set(world.tree()) == {name}


# 19: edits made after the patch


def test_file_edited_after_the_patch_is_saved_aside_by_the_rollback_and_reported(world):
    world.apply(world.hotfix({"lib/a.txt": b"a new\n", "lib/fresh.txt": b"fresh\n"}))
    for name in ("lib/a.txt", "lib/fresh.txt"):
        (world.root / name).write_bytes(b"mine\n")
        (world.root / name).chmod(0o600)
    plan, _ = world.rollback()
    assert plan.notes == [
        "app/lib/a.txt was edited after the hotfix; the edited one is kept as lib/a.txt.patchline-saved",
        "app/lib/fresh.txt was edited after the hotfix; the edited one is kept as lib/fresh.txt.patchline-saved",
    ]
    tree = world.tree()
    assert tree["lib/a.txt"][1:3] == (b"a old\n", 0o644)
    assert "lib/fresh.txt" not in tree
    assert [tree[f"lib/{name}.txt.patchline-saved"][1:3] for name in ("a", "fresh")] == [(b"mine\n", 0o600)] * 2


def test_saved_edits_of_several_rollbacks_take_names_of_their_own(world):
    hotfix = world.hotfix({"lib/a.txt": b"a new\n"})
    for text in (b"one\n", b"two\n", b"three\n"):
        world.apply(hotfix)
        (world.root / "lib/a.txt").write_bytes(text)
        world.rollback()
    tree = world.tree()
    saved = [tree[f"lib/a.txt.patchline-saved{ending}"][1] for ending in ("", ".2", ".3")]
    assert saved == [b"one\n", b"two\n", b"three\n"]


def test_file_removed_after_the_patch_comes_back_with_its_folder(world):
    world.apply(world.hotfix({"etc/app.ini": b"blue\n"}))
    (world.root / "etc/app.ini").unlink()
    (world.root / "etc").rmdir()
    plan, _ = world.rollback()
    assert plan.notes == ["app/etc/app.ini was removed after the hotfix; it comes back"]
    assert changed(world, "etc/app.ini") == b"colour = red\n"


def test_folder_made_by_the_customer_where_a_file_was_added_stays(world):
    world.apply(world.hotfix({"lib/fresh": b"fresh\n"}))
    (world.root / "lib/fresh").unlink()
    (world.root / "lib/fresh").mkdir()
    (world.root / "lib/fresh/mine").write_bytes(b"mine\n")
    plan, _ = world.rollback()
    assert plan.notes == ["app/lib/fresh is a folder of somebody else's now, and stays"]
    assert changed(world, "lib/fresh/mine") == b"mine\n"


def test_folder_made_by_the_customer_where_a_file_was_replaced_refuses_the_rollback(world):
    world.apply(world.hotfix({"lib/a.txt": b"a new\n"}))
    (world.root / "lib/a.txt").unlink()
    (world.root / "lib/a.txt").mkdir()
    with pytest.raises(InstallationError) as refused:
        world.rollback()
    assert refused.value.code == "installation.folder-in-use"


def test_file_of_the_customer_in_a_folder_that_was_added_stays_with_the_folder(world):
    world.apply(world.hotfix({"fresh/x.txt": b"x\n"}))
    (world.root / "fresh/mine.txt").write_bytes(b"mine\n")
    plan, _ = world.rollback()
    assert plan.notes == ["app/fresh stays, something else lies in it"]
    assert changed(world, "fresh/mine.txt") == b"mine\n"
    assert "fresh/x.txt" not in world.tree()


def test_file_of_the_customer_in_a_folder_that_should_become_a_file_refuses_apply(tmp_path):
    world = World(tmp_path, {"d/inner": b"inner\n"})
    (world.root / "d/mine").write_bytes(b"mine\n")
    hotfix = world.hotfix({"d": b"file\n", "d/inner": None}, pre={"d": [Directory()]})
    assert world.refusals(hotfix) == ["installation.folder-in-use"]


def test_file_of_the_customer_in_a_folder_that_was_a_file_refuses_rollback(tmp_path):
    world = World(tmp_path, {"d": b"file\n"})
    world.apply(world.hotfix({"d": Directory(), "d/inner": b"inner\n"}))
    (world.root / "d/mine").write_bytes(b"mine\n")
    with pytest.raises(InstallationError) as refused:
        world.rollback()
    assert refused.value.code == "installation.folder-in-use"
    assert changed(world, "d/mine") == b"mine\n"


def test_file_where_a_folder_is_needed_refuses_apply_and_rollback(world):
    hotfix = world.hotfix({"lib/gone/only.txt": b"new\n", "lib/gone/added.txt": b"x\n"})
    world.apply(hotfix)
    for path in ("added.txt", "only.txt"):
        (world.root / "lib/gone" / path).unlink()
    (world.root / "lib/gone").rmdir()
    (world.root / "lib/gone").write_bytes(b"mine\n")
    with pytest.raises(InstallationError) as refused:
        world.rollback()
    assert refused.value.code == "installation.no-folder"
    assert world.refusals(world.hotfix({"lib/gone/other.txt": b"x\n"}, "HF-2")) == ["installation.no-folder"]


def test_permissions_that_the_customer_changed_after_the_patch_stay(world):
    world.apply(world.hotfix({"lib/a.txt": b"a new\n", "bin/run": (b"new\n", True)}))
    (world.root / "lib/a.txt").chmod(0o600)
    world.rollback()
    assert world.tree()["lib/a.txt"][1:3] == (b"a old\n", 0o600)
    assert world.tree()["bin/run"][2] == 0o755


def test_rolling_back_two_levels_keeps_the_edit_that_the_upper_one_had_kept(world):
    world.apply(world.hotfix({"etc/app.ini": b"blue\n"}, **CONFIG))
    (world.root / "etc/app.ini").write_bytes(b"mine\n")
    second = world.hotfix({"etc/app.ini": b"green\n"}, "HF-2", pre={"etc/app.ini": [b"blue\n"]}, **CONFIG)
    world.apply(second)
    world.rollback("baseline", to_level=True)
    tree = world.tree()
    assert tree["etc/app.ini"][1] == b"colour = red\n"
    assert tree["etc/app.ini.patchline-saved"][1] == b"mine\n"
    assert "etc/app.ini.patchline-new" not in tree


def test_rolling_back_two_levels_keeps_the_edit_that_the_upper_one_had_overridden(world):
    world.apply(world.hotfix({"lib/a.txt": b"one\n"}))
    (world.root / "lib/a.txt").write_bytes(b"mine\n")
    second = world.hotfix({"lib/a.txt": b"two\n"}, "HF-2", pre={"lib/a.txt": [b"a old\n", b"one\n"]})
    world.apply(second, override=["app/lib/a.txt"])
    world.rollback("baseline", to_level=True)
    assert changed(world, "lib/a.txt") == b"a old\n"
    assert changed(world, "lib/a.txt.patchline-saved") == b"mine\n"


def test_customers_link_in_place_of_a_file_is_saved_as_the_link_it_is(world):
    (world.root / "lib/a.txt").unlink()
    (world.root / "lib/a.txt").symlink_to("/etc/hostname")
    before = world.tree()
    world.apply(world.hotfix({"lib/a.txt": b"a new\n"}), override=["app/lib/a.txt"])
    assert changed(world, "lib/a.txt") == b"a new\n"
    assert changed(world, "lib/a.txt.patchline-saved") == "/etc/hostname"
    world.rollback()
    assert world.tree() == before
