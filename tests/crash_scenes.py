"""Changes of a site that are cut off, and what must hold whenever they were."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patchline.patches.errors import PatchlineError
from patchline.patches.site import changing, staging
from patchline.patches.site.changing import Context
from patchline.patches.site.disk import Disk
from patchline.patches.site.installation import Installation
from patchline.patches.site.state import OBJECTS, STAGING
from tests.fault_disk import Crash, FaultDisk, Platter, read_in, write_out
from tests.samples import fix, sha256
from tests.worlds import Directory, Hotfix, LinkTo, Tree, World

BASE: Tree = {
    "bin/run": (b"#!/bin/sh\necho old\n", True),
    "lib/a.txt": b"a old\n",
    "lib/b.txt": b"b old\n",
    "lib/one.txt": b"same\n",
    "lib/two.txt": b"same\n",
    "lib/gone/only.txt": b"only\n",
    "etc/app.ini": b"colour = red\n",
    "current": LinkTo("lib"),
    "swap": b"a file\n",
    "tower": Directory(),
    "tower/deep.txt": b"deep\n",
    "hall": Directory(),
    "hall/door.txt": b"door\n",
    "road": LinkTo("lib"),
    "own.txt": b"the customer's\n",
}
CHANGES: Tree = {
    "bin/run": (b"#!/bin/sh\necho new\n", True),
    "lib/a.txt": (b"a new\n", True),
    "lib/one.txt": b"other\n",
    "lib/two.txt": b"other\n",
    "lib/gone/only.txt": None,
    "lib/fresh/deep/x.txt": b"x\n",
    "etc/app.ini": b"colour = blue\n",
    "current": LinkTo("bin"),
    "swap": Directory(),
    "swap/inner.txt": b"inner\n",
    "tower": b"a tower\n",
    "tower/deep.txt": None,
    "hall": LinkTo("lib"),
    "hall/door.txt": None,
    "road": Directory(),
    "road/stone.txt": b"stone\n",
}
CONFIG = {"etc/app.ini": {"class": "config"}}
FIRST, SECOND = "HF-2026-0001", "HF-2026-0002"
ROOT = os.geteuid() == 0
"""Steps are made for the user who runs the tests."""


def big(world: World) -> Hotfix:
    return world.hotfix(CHANGES, entry=CONFIG)


def small(world: World, name: str = SECOND, **more: Any) -> Hotfix:
    """A hotfix of its own: an added file, a changed and a removed one."""
    changes = {"lib/b.txt": b"b newer\n", "own/new/y.txt": b"y\n"}
    return world.hotfix(changes, name=name, fixes=[fix("BUG-2")], **more)


def over(world: World) -> Hotfix:
    """The second revision of the big one, which replaces it."""
    changes = {**CHANGES, "lib/a.txt": b"a newest\n", "lib/fresh/deep/z.txt": b"z\n"}
    pre = {
        path: [BASE.get(path), CHANGES[path]] for path in CHANGES if path in changes and changes[path] != CHANGES[path]
    }
    return world.hotfix(changes, entry=CONFIG, pre=pre, revision=2)


def step(name: str, phase: str, script: bytes, **more: Any) -> dict[str, Any]:
    document = {
        "id": name,
        "kind": "script",
        "phase": phase,
        "script": sha256(script),
        "interpreter": "/bin/sh",
        "args": [],
        "timeout_s": 20,
        "root": ROOT,
        "idempotent": True,
        "irreversible": False,
        "on": "both",
    }
    return {**document, **more}


FINE, SICK = b"exit 0\n", b"echo not well; exit 1\n"


def stepping(world: World, health: bytes = FINE) -> Hotfix:
    steps = [step("down", "stop", FINE), step("up", "start", FINE), step("well", "health", health)]
    scripts = sorted({FINE, health})
    return world.hotfix(CHANGES, entry=CONFIG, steps=steps, checks=["well"], script_contents=scripts)


def edit_config(world: World) -> None:
    (world.root / "etc/app.ini").write_bytes(b"colour = my own\n")


@dataclass(frozen=True)
class Scene:
    """A change that will be cut off.

    Attributes:
        prepare: what was done before; returns what `act` is given.
        act: the change.
        back: what leads from its end to its start again.
    """

    name: str
    prepare: Callable[[World], Any]
    act: Callable[[World, Any], Any]
    back: Callable[[World, Any], Any]
    tags: frozenset[str] = frozenset()


def _apply(world: World, hotfixes: Any) -> None:
    world.apply(*hotfixes, root_steps=True)


def _roll_back(world: World, hotfixes: Any) -> None:
    for hotfix in reversed(hotfixes):
        world.rollback(hotfix.manifest.hotfix, root_steps=True)


def _applied(world: World, *hotfixes: Hotfix) -> tuple[Hotfix, ...]:
    for hotfix in hotfixes:
        _apply(world, [hotfix])
    return hotfixes


def _config_kept(world: World) -> tuple[Hotfix, ...]:
    edit_config(world)
    return (big(world),)


def _edited_since(world: World) -> tuple[Hotfix, ...]:
    hotfixes = _applied(world, big(world))
    (world.root / "lib/a.txt").write_bytes(b"a edited\n")
    (world.root / "lib/fresh/deep/mine.txt").write_bytes(b"mine\n")
    return hotfixes


def _replaced(world: World) -> tuple[Hotfix, ...]:
    _applied(world, big(world))
    return (over(world),)


def _nothing(world: World, hotfixes: Any) -> None:
    """There is no way back, or none is needed."""


def _clean_up(world: World, hotfixes: Any) -> None:
    with world.opened() as site:
        changing.cleanup(site, 1, Context(world.now))


def _for_cleanup(world: World) -> tuple[Hotfix, ...]:
    return _applied(world, big(world), small(world))


def _two(world: World) -> tuple[Hotfix, ...]:
    return _applied(world, big(world), small(world))


def _second_revision(world: World) -> tuple[Hotfix, ...]:
    return _applied(world, big(world), over(world))[1:]


def _to_baseline(world: World, hotfixes: Any) -> None:
    world.rollback("baseline", to_level=True)


STEPS = frozenset({"steps"})
"""Programs are run, which takes longer."""
SCENES = {
    scene.name: scene
    for scene in (
        Scene("apply", lambda world: (big(world),), _apply, _roll_back),
        Scene("rollback", lambda world: _applied(world, big(world)), _roll_back, _apply),
        Scene("set", lambda world: (big(world), small(world)), _apply, _roll_back),
        Scene("rollback-of-two", _two, _to_baseline, _apply),
        Scene("replacement", _replaced, _apply, _roll_back),
        Scene("rollback-of-replacement", _second_revision, _roll_back, _apply),
        Scene("config-kept-aside", _config_kept, _apply, _roll_back),
        Scene("rollback-of-edited", _edited_since, _roll_back, _nothing),
        Scene("apply-with-steps", lambda world: (stepping(world),), _apply, _roll_back, STEPS),
        Scene("apply-not-well", lambda world: (stepping(world, SICK),), _apply, _nothing, STEPS),
        Scene("cleanup", _two, _clean_up, _nothing),
    )
}


@dataclass(frozen=True)
class End:
    """How a site stands: tree, level, what differs from what is expected."""

    tree: dict[str, Any]
    level: str
    drift: tuple[str, ...]
    objects: frozenset[str]
    """Digests of the earlier contents that a rollback needs, those that are there and good."""

    @classmethod
    def of(cls, world: World) -> "End":
        found = world.inventory()
        with world.opened() as site:
            needed = site.ledger().needed_objects()
            paths = {digest: site.roots[root].path / OBJECTS / digest for root, digest in needed}
            good = {name for name, path in paths.items() if path.exists() and sha256(path.read_bytes()) == name}
        return cls(world.tree(), found.level.label, tuple(str(item) for item in found.drift), frozenset(good))


class Trial:
    """A scene played once to its end, and then again as often as wanted, cut off somewhere.

    Attributes:
        steps: what the disk was told when it was not cut off.
    """

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene, self.world = scene, World(folder, BASE)
        self.hotfixes = scene.prepare(self.world)
        self.tops = (self.world.root, self.world.state)
        self.start = read_in(self.tops)
        self.before = End.of(self.world)
        disk = FaultDisk()
        self.error = self.act(disk)
        self.steps = disk.steps
        self.after = End.of(self.world)

    def act(self, disk: Disk) -> str | None:
        """Play the scene; return the code of the error it ends with."""
        self.world.disk = disk
        try:
            self.scene.act(self.world, self.hotfixes)
        except PatchlineError as error:
            return error.code
        finally:
            self.world.disk = None
        return None

    def act_until(self, number: int, *, half: bool = False) -> None:
        """Play it from the start, gone at this step."""
        write_out(self.start)
        try:
            self.act(FaultDisk(stop_at=number, half=half))
        except Crash:
            return
        assert number >= len(self.steps)

    def recover(self, disk: Disk | None = None, *, torn: bool = False) -> None:
        """Do what the next command does first.

        Args:
            disk: with or without a fault.
            torn: what was prepared may be lost, which no file system with a journal does: it is told, and undone.
        """
        self.world.disk = disk
        try:
            self.world.recover()
        except PatchlineError as error:
            # A health step may fail again.
            if error.code not in ("health.failed", "installation.staged-missing" if torn else ""):
                raise
        finally:
            self.world.disk = None

    def has_ended(self) -> bool:
        """Tell whether the change came to its end before it was cut off."""
        with self.world.opened() as site:
            under_way = Installation(site, self.world.now).journal.under_way
        return not under_way and End.of(self.world) == self.after

    def platter(self, steps: int) -> Platter:
        """What the disk holds before a step."""
        return Platter(self.start).replay(self.steps[:steps])

    def must_be_whole(self) -> End:
        """Check that the site is at one of the two ends, tidy, and can be taken back; return at which."""
        end = End.of(self.world)
        assert end in (self.before, self.after), _difference(end, self.before, self.after)
        with self.world.opened() as site:
            assert not staging.remains(site)
            installation = Installation(site, self.world.now)
            assert not installation.journal.under_way
            for area in site.roots.values():
                noted = area.path / STAGING / "../PATCHLEVEL"
                assert not noted.exists() or noted.read_text().splitlines()[0] == end.level
        return end

    def must_go_on(self) -> None:
        """Check that the same change, and then the way back, still work."""
        if End.of(self.world) == self.before:
            assert self.act(Disk()) == self.error
            assert End.of(self.world) == self.after
        self.scene.back(self.world, self.hotfixes)
        if self.scene.back is not _nothing:
            assert End.of(self.world) == self.before


def _difference(end: End, before: End, after: End) -> str:
    def against(other: End) -> list[str]:
        paths = sorted(
            path for path in end.tree.keys() | other.tree.keys() if end.tree.get(path) != other.tree.get(path)
        )
        more = [end.drift, other.drift, end.objects ^ other.objects]
        return [
            end.level,
            other.level,
            *map(str, more),
            *(f"{path}: {end.tree.get(path)} / {other.tree.get(path)}" for path in paths),
        ]

    return f"neither before ({against(before)}) nor after ({against(after)})"
