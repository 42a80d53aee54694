import os
from pathlib import Path

import pytest

from patchline.patches.errors import InstallationError, PatchlineError
from patchline.patches.site import creating
from patchline.patches.site.disk import Disk
from tests.worlds import NOW, LinkTo, World, put, take

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of others")
BASE = {"lib/a.txt": b"a old\n", "lib/b.txt": b"b old\n"}


def new_site(roots, follow=()):
    return creating.NewSite("demo", "1.0", roots, tuple(follow), b"{}", None)


def test_linked_root_linked_log_folder_and_foreign_unreadable_folder_are_never_changed(tmp_path):
    real, volume = tmp_path / "real", tmp_path / "volume"
    put(volume, {"today.log": b"log\n"})
    put(real, {"log": LinkTo(str(volume)), "foreign/secret": b"secret\n"})
    if os.geteuid() == 0:
        os.chown(real / "foreign", 4711, 4711)
    (real / "foreign").chmod(0)
    (tmp_path / "app").symlink_to("real")
    world = World(tmp_path, BASE)
    before = (take(volume), (tmp_path / "app").readlink(), (real / "log").readlink(), os.stat(real / "foreign"))
    world.apply(world.hotfix({"lib/a.txt": b"a new\n", "lib/new/x": b"x\n", "lib/b.txt": None}))
    world.rollback()
    after = (take(volume), (tmp_path / "app").readlink(), (real / "log").readlink(), os.stat(real / "foreign"))
    assert after[:3] == before[:3]
    for name in ("st_ino", "st_mode", "st_uid", "st_mtime_ns", "st_ctime_ns"):
        assert getattr(after[3], name) == getattr(before[3], name)
    assert world.tree()["lib/a.txt"][1] == b"a old\n"


def test_link_on_the_way_is_refused_with_the_reason(tmp_path):
    world = World(tmp_path, BASE)
    put(tmp_path / "elsewhere", {"a.txt": b"a old\n"})
    (world.root / "lib").rename(world.root / "lib.real")
    (world.root / "lib").symlink_to("lib.real")
    plan = world.plan(world.hotfix({"lib/a.txt": b"a new\n", "lib/new.txt": b"x\n"}))
    assert {problem.code for problem in plan.problems} >= {"installation.special-file"}
    assert "a link on the way" in str(plan.problems[0])


def test_link_recorded_at_init_is_followed_for_files_folders_and_attributes(tmp_path):
    put(tmp_path / "app", {"plugins": LinkTo("../elsewhere")})
    put(tmp_path / "elsewhere", {"a.txt": b"a old\n"})
    (tmp_path / "elsewhere").chmod(0o750)
    before = take(tmp_path / "elsewhere")
    world = World(tmp_path, BASE, follow=("plugins",))
    base = {"plugins/a.txt": b"a old\n"}
    world.apply(world.hotfix({"plugins/a.txt": b"a new\n", "plugins/new/x": b"x\n"}, base=base))
    after = take(tmp_path / "elsewhere")
    assert after["a.txt"][1] == b"a new\n"
    assert (after["new"][2], after["new/x"][2]) == (0o750, 0o640)
    world.rollback()
    assert take(tmp_path / "elsewhere") == before
    assert (world.root / "plugins").is_symlink()


def test_linked_folder_that_is_emptied_stays_a_link(tmp_path):
    put(tmp_path / "app", {"plugins": LinkTo("../elsewhere")})
    put(tmp_path / "elsewhere", {"a.txt": b"a old\n"})
    world = World(tmp_path, BASE, follow=("plugins",))
    world.apply(world.hotfix({"plugins/a.txt": None}, base={"plugins/a.txt": b"a old\n"}))
    assert (world.root / "plugins").is_symlink()
    assert take(tmp_path / "elsewhere") == {}
    world.rollback()
    assert take(tmp_path / "elsewhere")["a.txt"][1] == b"a old\n"


def test_recorded_link_that_leads_elsewhere_now_is_refused(tmp_path):
    put(tmp_path / "app", {"plugins": LinkTo("../elsewhere")})
    put(tmp_path / "elsewhere", {"a.txt": b"a old\n"})
    put(tmp_path / "third", {"a.txt": b"a old\n"})
    world = World(tmp_path, BASE, follow=("plugins",))
    (world.root / "plugins").unlink()
    (world.root / "plugins").symlink_to("../third")
    hotfix = world.hotfix({"plugins/a.txt": b"a new\n"}, base={"plugins/a.txt": b"a old\n"})
    plan = world.plan(hotfix)
    assert [problem.code for problem in plan.problems] == ["installation.special-file"]
    assert "leads elsewhere now" in str(plan.problems[0])
    assert take(tmp_path / "third")["a.txt"][1] == b"a old\n"


def test_link_is_recorded_by_its_real_place_when_the_root_is_named_through_a_link(tmp_path):
    put(tmp_path / "real", {**BASE, "plugins": LinkTo("../elsewhere")})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "app").symlink_to("real")
    new = new_site({"app": tmp_path / "app"}, [tmp_path / "real/plugins"])
    creating.create(new, tmp_path / "state", Disk(), NOW)
    assert b'"plugins":{"inode"' in (tmp_path / "state/site.json").read_bytes()


# Several roots


@pytest.fixture
def two(tmp_path):
    put(tmp_path / "etc", {"app.ini": b"red\n"})
    return World(tmp_path, BASE, more_roots={"etc": tmp_path / "etc"})


def both(world):
    return take(world.root), take(world.folder / "etc")


def test_hotfix_changes_several_roots_as_one(two):
    before = both(two)
    hotfix = two.hotfix(
        {"lib/a.txt": b"a new\n", "app.ini": b"blue\n", "conf.d/x": b"a new\n"},
        base={**BASE, "app.ini": b"red\n"},
        entry={"app.ini": {"root": "etc"}, "conf.d/x": {"root": "etc"}},
    )
    two.apply(hotfix)
    app, etc = both(two)
    assert (app["lib/a.txt"][1], etc["app.ini"][1], etc["conf.d/x"][1]) == (b"a new\n", b"blue\n", b"a new\n")
    for name in ("app", "etc"):
        assert (two.folder / name / ".patchline/PATCHLEVEL").read_text().startswith("1.0+HF-2026-0001-r1\n")
    two.rollback()
    assert both(two) == before


def test_edit_in_one_root_refuses_the_change_of_both(two):
    (two.folder / "etc/app.ini").write_bytes(b"mine\n")
    before = both(two)
    hotfix = two.hotfix(
        {"lib/a.txt": b"a new\n", "app.ini": b"blue\n"},
        base={**BASE, "app.ini": b"red\n"},
        entry={"app.ini": {"root": "etc"}},
    )
    with pytest.raises(InstallationError, match="is not in a state"):
        two.apply(hotfix)
    assert both(two) == before


def test_root_that_the_site_does_not_have_is_told_once(tmp_path):
    world = World(tmp_path, BASE)
    changes = {"app.ini": b"x\n", "other.ini": b"x\n"}
    hotfix = world.hotfix(changes, entry={path: {"root": "etc"} for path in changes})
    assert world.refusals(hotfix) == ["installation.root-missing"]


# Making a site


def refused_code(call):
    with pytest.raises(PatchlineError) as refused:
        call()
    return refused.value.code


@pytest.mark.parametrize(
    ("roots", "state"),
    [
        ({"app": "a", "data": "a/data"}, "state"),
        ({"app": "a", "data": "a"}, "state"),
        ({"app": "a"}, "a/state"),
        ({"app": "a"}, "a"),
        ({"app": "a/data"}, "a"),
    ],
)
def test_roots_and_state_that_lie_in_each_other_are_refused(tmp_path, roots, state):
    (tmp_path / "a/data").mkdir(parents=True)
    new = new_site({name: tmp_path / path for name, path in roots.items()})
    assert refused_code(lambda: creating.create(new, tmp_path / state, Disk(), NOW)) == "installation.overlap"


def test_root_of_a_site_is_not_made_a_site_again(tmp_path):
    world = World(tmp_path, BASE)
    new = new_site({"app": world.root})
    assert refused_code(lambda: creating.create(new, tmp_path / "other", Disk(), NOW)) == "installation.exists"
    world.apply(world.hotfix({"lib/a.txt": b"a new\n"}))


def test_state_folder_of_a_site_is_not_used_for_another(tmp_path):
    world = World(tmp_path, BASE)
    (tmp_path / "second").mkdir()
    new = new_site({"app": tmp_path / "second"})
    assert refused_code(lambda: creating.create(new, world.state, Disk(), NOW)) == "installation.exists"


def test_init_that_was_cut_off_can_be_done_again(tmp_path):
    class Cut(Exception):
        pass

    class Cutting(Disk):
        left = 0

        def step(self, *_, **__):
            self.left -= 1
            if self.left < 0:
                raise Cut

    put(tmp_path / "app", BASE)
    new = new_site({"app": tmp_path / "app"})
    for steps in range(200):
        disk = Cutting()
        disk.left = steps
        try:
            creating.create(new, tmp_path / "state", disk, NOW)
            break
        except Cut:
            if (tmp_path / "state/site.json").exists():
                break
    assert steps > 20
    world = World(tmp_path, BASE, existing=True)
    world.apply(world.hotfix({"lib/a.txt": b"a new\n"}))


def test_root_that_was_moved_is_refused(tmp_path):
    world = World(tmp_path, BASE)
    world.root.rename(tmp_path / "moved")
    put(world.root, BASE)
    assert refused_code(world.recover) == "installation.root-moved"


def test_patch_level_can_be_read_by_everybody_and_the_rest_by_nobody_else(tmp_path):
    world = World(tmp_path, BASE)
    own = world.root / ".patchline"
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in [own, *own.iterdir()]}
    assert modes == {
        ".patchline": "0o755",
        "PATCHLEVEL": "0o644",
        "objects": "0o700",
        "staging": "0o700",
        "site": "0o600",
    }
    assert (own / "PATCHLEVEL").read_text().splitlines()[0] == "1.0"


def test_root_whose_path_no_document_can_hold_is_refused(tmp_path):
    (tmp_path / "a\nb").mkdir()
    new = new_site({"app": tmp_path / "a\nb"})
    assert refused_code(lambda: creating.create(new, tmp_path / "state", Disk(), NOW)) == "usage.root-path"


@pytest.mark.parametrize("link", ["lib", "nowhere", "lib/a.txt", "/tmp"])
def test_follow_names_links_below_a_root(tmp_path, link):
    put(tmp_path / "app", BASE)
    new = new_site({"app": tmp_path / "app"}, [tmp_path / "app" / link])
    assert refused_code(lambda: creating.create(new, tmp_path / "state", Disk(), NOW)) == "usage.follow"


def test_state_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    put(tmp_path, {"app/x": b"", "file": b""})
    new = new_site({"app": tmp_path / "app"})
    for folder in (tmp_path / "file", tmp_path / "file/below", Path("/proc/nope/state")):
        assert refused_code(lambda folder=folder: creating.create(new, folder, Disk(), NOW)) == "installation.state"
