"""Local users who try to make the applier write, read or wait where it should not."""

import os
import shutil
import signal
import socket
import subprocess

import pytest

from patchline.patches.errors import PatchlineError
from patchline.patches.site import creating, state
from patchline.patches.site.disk import Disk
from tests.samples import sha256
from tests.users import ANN, EVE, as_user, give, open_folder
from tests.worlds import NOW, LinkTo, World, put, take

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as several users")
BASE = {"lib/a.txt": b"a old\n", "lib/b.txt": b"b old\n", "other/a.txt": b"theirs\n"}
CHANGES = {"lib/a.txt": b"a new\n", "lib/b.txt": None, "lib/new/x.txt": b"x\n"}


@pytest.fixture(autouse=True)
def never_hangs():
    previous = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it hangs"))
    signal.alarm(100)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def sentinel(tmp_path):
    """A folder that nothing may ever change."""
    put(tmp_path / "outside", {"a.txt": b"theirs\n", "b.txt": b"theirs\n", "new/x.txt": b"theirs\n"})
    before = take(tmp_path / "outside")
    yield tmp_path / "outside"
    assert take(tmp_path / "outside") == before


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, BASE)


@pytest.fixture
def shared():
    """A folder of root that other users may pass through."""
    with open_folder() as folder:
        yield folder


def refused(call):
    with pytest.raises(PatchlineError) as error:
        call()
    return error.value


def anns(folder):
    """A world of Ann's own, and a hotfix for it."""
    (folder / "ann").mkdir()
    give(folder / "ann", ANN)
    maker = World(folder / "maker", BASE)
    hotfix = maker.hotfix(CHANGES)
    hotfix.path.chmod(0o644)
    (folder / "maker").chmod(0o755)
    assert as_user(ANN, lambda: World(folder / "ann", BASE) and None).code is None
    return World(folder / "ann", BASE, existing=True), hotfix


# The state folder


@as_root
def test_user_applies_and_rolls_back_with_no_rights_but_their_own(shared):
    world, hotfix = anns(shared)
    before = world.tree()
    assert as_user(ANN, lambda: world.apply(hotfix)[1].outcome).value == "applied"
    assert world.tree()["lib/new/x.txt"][3:] == (ANN, ANN)
    assert as_user(ANN, lambda: world.rollback()[1].outcome).value == "rolled-back"
    assert world.tree() == before


@as_root
def test_state_folder_of_somebody_else_is_refused(shared):
    world, hotfix = anns(shared)
    os.chown(world.state, EVE, EVE)
    assert as_user(ANN, lambda: world.apply(hotfix)).code == "installation.state"
    world.state.chmod(0o755)
    assert as_user(ANN, lambda: world.apply(hotfix)).code == "installation.state-owner"
    assert refused(lambda: world.apply(hotfix)).code == "installation.state-owner"


@as_root
@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o702])
def test_state_folder_open_to_others_is_refused(shared, mode):
    world, hotfix = anns(shared)
    world.state.chmod(mode)
    assert as_user(ANN, lambda: world.apply(hotfix)).code == "installation.state-open"


@as_root
@pytest.mark.parametrize(
    ("mode", "owner", "code"),
    [
        (0o777, ANN, "installation.state-open"),
        (0o1777, ANN, None),
        (0o1777, EVE, "installation.state-open"),
        (0o775, ANN, "installation.state-open"),
        (0o755, EVE, "installation.state-open"),
        (0o777, 0, "installation.state-open"),
        (0o1777, 0, None),
        (0o755, 0, None),
    ],
)
def test_folder_above_the_state_must_let_nobody_else_swap_it(shared, mode, owner, code):
    world, _ = anns(shared)
    above = shared / "above"
    above.mkdir()
    (above / "ann").mkdir()
    os.chown(above / "ann", ANN, ANN)
    world.state.rename(above / "ann/state")
    os.chown(above, owner, owner)
    above.chmod(mode)

    def apply():
        with state.opened(world.root, above / "ann/state", Disk()):
            return "opened"

    outcome = as_user(ANN, apply)
    assert outcome.code == code, outcome
    assert (outcome.value == "opened") == (code is None)


@as_root
def test_component_of_an_attacker_in_a_sticky_folder_is_refused(shared):
    world, _ = anns(shared)
    above = shared / "sticky"
    above.mkdir(mode=0o1777)
    above.chmod(0o1777)
    (above / "eve").mkdir()
    world.state.rename(above / "eve/state")
    os.chown(above / "eve", EVE, EVE)

    def open_it():
        with state.opened(world.root, above / "eve/state", Disk()):
            return "opened"

    assert as_user(ANN, open_it).code == "installation.state-open"


@as_root
def test_folder_writable_by_an_access_list_alone_is_noticed(shared):
    if shutil.which("setfacl") is None:
        pytest.skip("setfacl is not on this machine")
    world = World(shared / "roots", BASE)
    subprocess.run(["setfacl", "-m", f"u:{EVE}:rwx", str(world.root / "lib")], check=True)
    assert world.refusals(world.hotfix(CHANGES)) == ["installation.folder-open"]


@as_root
def test_making_a_state_folder_below_a_folder_open_to_others_is_refused(shared):
    world, _ = anns(shared)
    (shared / "free").mkdir()
    (shared / "free").chmod(0o777)
    (world.folder / "second").mkdir()
    give(world.folder, ANN)
    new = creating.NewSite("demo", "1.0", {"app": world.folder / "second"}, (), b"{}", None)
    outcome = as_user(ANN, lambda: creating.create(new, shared / "free/state", Disk(), NOW))
    assert outcome.code == "installation.state-open"


# Who may act where


@as_root
def test_applier_who_is_not_the_owner_is_told_to_use_runuser(shared):
    world, hotfix = anns(shared)
    give(world.root / "lib", EVE)
    outcome = as_user(ANN, lambda: world.apply(hotfix))
    assert outcome.code == "installation.folder-owner"
    assert outcome.hint == f"Run as the folder's owner: runuser -u {EVE} -- patchline-site …"
    assert world.tree()["lib/a.txt"][1] == b"a old\n"


@as_root
def test_root_does_not_act_in_the_folder_of_a_user(shared):
    world = World(shared / "roots", BASE)
    give(world.root / "lib", EVE)
    plan = world.plan(world.hotfix(CHANGES))
    assert {problem.code for problem in plan.problems} == {"installation.folder-owner"}
    assert "runuser" in plan.problems[0].hint


@as_root
@pytest.mark.parametrize("which", ["app", "app/lib", "."])
@pytest.mark.parametrize("mode", [0o777, 0o757, 0o775])
def test_root_does_not_act_below_a_folder_that_others_can_write(shared, which, mode):
    world = World(shared / "roots", BASE)
    hotfix = world.hotfix(CHANGES)
    folder = world.folder / which
    os.chown(folder, 0, EVE)
    folder.chmod(mode)
    before = world.tree()
    assert refused(lambda: world.apply(hotfix)).code in ("installation.folder-open", "installation.state-open")
    assert world.tree() == before


@as_root
def test_file_that_the_user_cannot_keep_the_owner_of_is_refused_before_anything_is_written(shared):
    world, hotfix = anns(shared)
    os.chown(world.root / "lib/a.txt", EVE, EVE)
    (world.root / "lib/a.txt").chmod(0o644)
    outcome = as_user(ANN, lambda: world.apply(hotfix))
    assert outcome.code == "installation.attributes"
    assert "the owner of app/lib/a.txt" in outcome.message


@as_root
def test_unreadable_file_of_somebody_else_is_refused_with_the_reason(shared):
    world, hotfix = anns(shared)
    os.chown(world.root / "lib/a.txt", EVE, EVE)
    (world.root / "lib/a.txt").chmod(0o600)
    outcome = as_user(ANN, lambda: world.apply(hotfix))
    assert outcome.code == "installation.special-file"
    assert "Permission denied" in outcome.message


# What a root says of itself


def test_forged_id_that_leads_to_another_site_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "default_state", lambda site: tmp_path / "states" / site)
    worlds = []
    for name in ("one", "two"):
        put(tmp_path / name / "app", BASE)
        new = creating.NewSite("demo", "1.0", {"app": tmp_path / name / "app"}, (), b"{}", None)
        made = creating.create(new, tmp_path / "states" / name, Disk(), NOW)
        worlds.append((tmp_path / name / "app", made))
    (root, home), (other, other_home) = worlds
    forged = (other / ".patchline/site").read_text()
    (root / ".patchline/site").write_text(forged)
    other_home.rename(tmp_path / "states" / forged.strip())

    def open_it(folder):
        with state.opened(root, folder, Disk()):
            pass

    assert refused(lambda: open_it(None)).code == "installation.root-unknown"
    assert refused(lambda: open_it(home)).code == "installation.root-unknown"
    assert refused(lambda: open_it(tmp_path / "states" / forged.strip())).code == "installation.root-unknown"


@pytest.mark.parametrize("text", ["../../../../etc", "A" * 32, "", "0" * 31, "0" * 32 + "/x", "\x00" * 32, "é" * 32])
def test_id_that_is_no_id_leads_nowhere(world, text):
    (world.root / ".patchline/site").write_text(text)

    def open_it():
        with state.opened(world.root, None, Disk()):
            pass

    assert refused(open_it).code == "installation.root-unknown"


def test_id_that_is_a_fifo_or_a_link_is_refused_and_nothing_waits_or_stays_open(world, sentinel):
    own = world.root / ".patchline/site"
    before = len(os.listdir("/proc/self/fd"))
    for make in (lambda: os.mkfifo(own), lambda: own.symlink_to(sentinel / "a.txt"), lambda: own.mkdir()):
        own.unlink()
        make()

        def open_it(folder):
            with state.opened(world.root, folder, Disk()):
                pass

        assert refused(lambda: open_it(None)).exit_code in (11, 23)
        assert refused(lambda: open_it(world.state)).code == "installation.root-unknown"
        if own.is_dir() and not own.is_symlink():
            own.rmdir()
            own.touch()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("name", ["staging", "objects", "."])
def test_own_folder_that_was_replaced_by_a_link_is_refused(world, sentinel, name):
    hotfix = world.hotfix(CHANGES)
    own = world.root / ".patchline" if name == "." else world.root / ".patchline" / name
    own.rename(world.folder / "moved")
    own.symlink_to(sentinel if name != "." else world.folder / "moved")
    assert refused(lambda: world.apply(hotfix)).exit_code == 23


@pytest.mark.parametrize("name", ["", "staging", "objects"])
def test_own_folder_that_is_a_link_before_init_is_refused(tmp_path, sentinel, name):
    put(tmp_path / "app", BASE)
    own = tmp_path / "app/.patchline"
    if name:
        own.mkdir()
    (own / name if name else own).symlink_to(sentinel)
    new = creating.NewSite("demo", "1.0", {"app": tmp_path / "app"}, (), b"{}", None)
    assert refused(lambda: creating.create(new, tmp_path / "state", Disk(), NOW)).code == "installation.own-folder"


@as_root
def test_own_folder_that_an_attacker_made_before_init_is_refused(shared):
    put(shared / "app", BASE)
    (shared / "app/.patchline").mkdir()
    os.chown(shared / "app/.patchline", EVE, EVE)
    new = creating.NewSite("demo", "1.0", {"app": shared / "app"}, (), b"{}", None)
    assert refused(lambda: creating.create(new, shared / "state", Disk(), NOW)).code == "installation.own-folder"


# What lies at a path


def test_target_that_is_a_link_is_refused_and_replaced_itself_when_overridden(world, sentinel):
    (world.root / "lib/a.txt").unlink()
    (world.root / "lib/a.txt").symlink_to(sentinel / "a.txt")
    hotfix = world.hotfix({"lib/a.txt": b"a new\n"})
    assert world.refusals(hotfix) == ["installation.changed-file"]
    world.apply(hotfix, override=["app/lib/a.txt"])
    assert not (world.root / "lib/a.txt").is_symlink()
    world.rollback()
    assert (world.root / "lib/a.txt").readlink() == sentinel / "a.txt"


@pytest.mark.parametrize("target", ["a\nb", "\x7f", "b\udcff", "x" * 2000], ids=["line", "control", "bytes", "long"])
def test_link_that_no_document_can_hold_is_refused_whatever_is_chosen(world, target):
    (world.root / "lib/a.txt").unlink()
    os.symlink(target, world.root / "lib/a.txt")
    hotfix = world.hotfix({"lib/a.txt": b"a new\n"})
    for choice in ({}, {"override": ["app/lib/a.txt"]}, {"preserve": ["app/lib/a.txt"]}):
        assert world.refusals(hotfix, **choice) == ["installation.special-file"]


def test_hard_link_is_copied_and_the_other_name_is_neither_changed_nor_trusted(world, tmp_path):
    planted = tmp_path / "elsewhere"
    os.link(world.root / "lib/a.txt", planted)
    world.apply(world.hotfix({"lib/a.txt": b"a new\n"}))
    assert planted.read_bytes() == b"a old\n"
    planted.write_bytes(b"changed by its other name\n")
    world.rollback()
    assert world.tree()["lib/a.txt"][1] == b"a old\n"
    assert planted.read_bytes() == b"changed by its other name\n"


def test_earlier_content_that_somebody_changed_in_the_object_store_is_not_put_back(world):
    world.apply(world.hotfix({"lib/a.txt": b"a new\n"}))
    for item in (world.root / ".patchline/objects").iterdir():
        item.write_bytes(b"a 0ld\n")
    before = world.tree()
    assert refused(world.rollback).code == "installation.object-changed"
    assert world.tree() == before


def test_object_planted_before_it_is_needed_is_replaced(world, sentinel):
    planted = world.root / ".patchline/objects" / sha256(b"a old\n")
    planted.symlink_to(sentinel / "a.txt")
    world.apply(world.hotfix({"lib/a.txt": b"a new\n"}))
    assert not planted.is_symlink()
    world.rollback()
    assert world.tree()["lib/a.txt"][1] == b"a old\n"


def special(kind, path):
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            here = os.open(path.parent, os.O_RDONLY)
            try:
                server.bind(f"/proc/self/fd/{here}/{path.name}")
            finally:
                os.close(here)
    else:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))


@pytest.mark.parametrize("kind", ["fifo", "socket", pytest.param("device", marks=as_root)])
def test_special_file_in_place_of_a_file_is_refused_and_nothing_waits_for_it(world, kind):
    hotfix = world.hotfix(CHANGES)
    special(kind, world.root / "lib/a.txt")
    before = world.tree()
    for choice in ({}, {"override": ["app/lib/a.txt"]}, {"preserve": ["app/lib/a.txt"]}):
        assert world.refusals(hotfix, **choice) == ["installation.special-file"]
    assert world.tree() == before
    assert world.inventory().drift == []


@pytest.mark.parametrize("name", ["ledger", "journal", "secret", "site.json"])
def test_fifo_in_the_state_folder_is_refused_and_nothing_waits_for_it(world, name):
    (world.state / name).unlink()
    os.mkfifo(world.state / name)
    assert refused(lambda: world.inventory(check=True) if name != "journal" else world.recover()).exit_code == 23


def test_link_with_an_absolute_target_on_the_way_is_never_followed(world, sentinel):
    put(world.root, {"linked": LinkTo(str(sentinel))})
    base = {"linked/a.txt": b"theirs\n"}
    hotfix = world.hotfix({"linked/a.txt": b"new\n", "linked/added.txt": b"new\n"}, base=base)
    assert set(world.refusals(hotfix)) >= {"installation.special-file"}
    assert refused(lambda: world.apply(hotfix, override=["app/linked/a.txt"])).exit_code == 23
