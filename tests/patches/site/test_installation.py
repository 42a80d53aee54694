import pytest

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
