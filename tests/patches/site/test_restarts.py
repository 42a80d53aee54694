from datetime import timedelta

import pytest

from patchline.patches.site import restarts
from tests.worlds import World


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path, {"a.txt": b"a0\n", "b.txt": b"b0\n"})
    made.apply(made.hotfix({"a.txt": b"a1\n"}, "HF-A", guidance=["restart-service:shop"]))
    made.apply(made.hotfix({"b.txt": b"b1\n"}, "HF-B", guidance=["manual:tell the operators"]))
    return made


def pending(world, booted=None):
    with world.opened() as site:
        layers = site.ledger().active
        found = restarts.pending(site, layers, booted)
        return [layer.hotfix for layer in layers if layer.manifest in found]


def test_restart_is_pending_until_the_product_began_with_the_level_or_the_machine_was_booted(world):
    assert pending(world) == ["HF-A"]
    assert pending(world, world.now - timedelta(days=1)) == ["HF-A"]
    assert pending(world, world.now + timedelta(days=1)) == []
    own = world.root / ".patchline"
    (own / "RUNNING").write_bytes((own / "PATCHLEVEL").read_bytes())
    assert pending(world) == []
    world.now += timedelta(hours=1)
    world.apply(world.hotfix({"a.txt": b"a2\n"}, "HF-C", pre={"a.txt": [b"a1\n"]}, guidance=["reload"]))
    assert pending(world) == ["HF-C"]


@pytest.mark.parametrize(
    "stamp", [b"", b"1.0\n", b"1.0\ncode\nyesterday\n", b"1.0\ncode\n2026-11-22T12:00:00\n", b"\xff" * 9]
)
def test_what_is_no_copy_of_the_level_says_nothing(world, stamp):
    (world.root / ".patchline" / "RUNNING").write_bytes(stamp)
    assert pending(world) == ["HF-A"]


def test_stamp_behind_a_link_says_nothing(world):
    (world.root / ".patchline" / "RUNNING").symlink_to("/dev/zero")
    assert pending(world) == ["HF-A"]


def test_machine_says_when_it_was_booted():
    assert restarts.boot_time() is not None
