"""What no single delivery can show: deliveries in sequence, and what somebody does at the site in between."""

import os
import shutil

import pytest

from patchline.patches import bundle
from patchline.patches.errors import PatchlineError
from patchline.patches.site import changing
from patchline.patches.site.changing import Consent, Context
from tests.samples import manifest_document
from tests.worlds import NOW, LinkTo, World, take

BASE = {"a.txt": b"old\n", "d/b.txt": b"old\n", "e/c.txt": b"old\n"}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "site", BASE)


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "b.txt").write_bytes(b"not ours\n")
    return folder


def refusal(action, *arguments, **options):
    with pytest.raises(PatchlineError) as caught:
        action(*arguments, **options)
    assert caught.value.hint
    return caught.value


def relations(**changes):
    return manifest_document()["relations"] | changes


def test_second_bundle_does_not_write_through_the_link_that_the_first_one_made(world):
    first = world.hotfix({"l": LinkTo("e")}, name="HF-2026-0001")
    second = world.hotfix({"l/c.txt": b"through\n"}, name="HF-2026-0002", pre={"l/c.txt": [b"old\n"]})
    world.apply(first)
    before = world.tree()
    # The link is the first hotfix's own, so nothing of the product lies below it.
    assert refusal(world.apply, second).code == "installation.missing-file"
    assert world.tree() == before


def test_set_of_two_bundles_does_not_write_through_a_link_of_its_own(world):
    first = world.hotfix({"l": LinkTo("e")}, name="HF-2026-0001")
    second = world.hotfix({"l/new.txt": b"through\n"}, name="HF-2026-0002")
    before = world.tree()
    refusal(world.apply, first, second)
    assert world.tree() == before


def test_bundle_exchanged_after_it_was_opened_is_not_looked_at_again(world):
    good = world.hotfix({"a.txt": b"mended\n"})
    evil = world.hotfix({"a.txt": b"evil\n"}, name="HF-2026-0002")
    with world.opened() as site, bundle.open_container(good.path) as container:
        os.replace(evil.path, good.path)
        changing.apply(site, [(good.verified, container)], Consent(), Context(NOW))
    assert (world.root / "a.txt").read_bytes() == b"mended\n"


def test_bundle_overwritten_in_place_while_it_is_read_is_refused(world):
    hotfix = world.hotfix({"a.txt": os.urandom(2 << 20)})
    before = world.tree()
    with world.opened() as site, bundle.open_container(hotfix.path) as container:
        with hotfix.path.open("r+b") as file:
            file.seek(1 << 20)
            file.write(b"evil" * 1000)
        refused = refusal(changing.apply, site, [(hotfix.verified, container)], Consent(), Context(NOW))
    assert refused.code.startswith(("archive.", "bundle."))
    assert world.tree() == before


def test_staging_that_is_a_link_to_elsewhere_is_not_written_to(world, outside):
    hotfix = world.hotfix({"a.txt": b"mended\n"})
    own = world.root / ".patchline"
    for name in ("staging", "objects"):
        shutil.rmtree(own / name, ignore_errors=True)
        (own / name).symlink_to(outside)
    before, there = world.tree(), take(outside)
    refusal(world.apply, hotfix)
    assert take(outside) == there
    assert world.tree() == before


def test_own_folder_that_is_a_link_to_elsewhere_is_not_written_to(world, outside):
    hotfix = world.hotfix({"a.txt": b"mended\n"})
    shutil.copytree(world.root / ".patchline", outside / "copy")
    shutil.rmtree(world.root / ".patchline")
    (world.root / ".patchline").symlink_to(outside / "copy")
    before, there = take(world.root), take(outside)
    refusal(world.apply, hotfix)
    assert take(outside) == there
    assert take(world.root) == before


def test_file_that_the_site_made_a_link_is_not_written_through(world, outside):
    hotfix = world.hotfix({"d/b.txt": b"mended\n"})
    (world.root / "d/b.txt").unlink()
    (world.root / "d/b.txt").symlink_to(outside / "b.txt")
    before = world.tree()
    refusal(world.apply, hotfix)
    assert (outside / "b.txt").read_bytes() == b"not ours\n"
    assert world.tree() == before


def test_folder_that_the_site_made_a_link_is_not_written_through(world, outside):
    hotfix = world.hotfix({"d/b.txt": b"mended\n"}, pre={"d/b.txt": [b"old\n", b"not ours\n"]})
    shutil.rmtree(world.root / "d")
    (world.root / "d").symlink_to(outside)
    before = world.tree()
    assert refusal(world.apply, hotfix).code == "installation.special-file"
    assert (outside / "b.txt").read_bytes() == b"not ours\n"
    assert world.tree() == before


def test_hotfix_for_another_baseline_is_refused(world):
    target = {"product": "demo", "baselines": ["2.0"], "platforms": ["linux"], "requires_products": []}
    hotfix = world.hotfix({"a.txt": b"mended\n"}, target=target)
    before = world.tree()
    assert refusal(world.apply, hotfix).code == "relation.baseline"
    assert world.tree() == before


def test_unmet_requirement_and_a_cycle_are_refused(world):
    def needing(name, other, content):
        requires = relations(requires=[{"hotfix": other, "revision": 1}])
        return world.hotfix({content: b"mended\n"}, name=name, relations=requires)

    one = needing("HF-2026-0001", "HF-2026-0002", "a.txt")
    two = needing("HF-2026-0002", "HF-2026-0001", "d/b.txt")
    before = world.tree()
    assert refusal(world.apply, one).code == "relation.requires"
    assert refusal(world.apply, one, two).code.startswith("relation.")
    assert world.tree() == before


def test_disk_that_fills_up_leaves_everything_as_it_was(world):
    import resource
    import signal

    hotfix = world.hotfix({"a.txt": os.urandom(1 << 20)})
    before = world.tree()
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        refusal(world.apply, hotfix)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert world.tree() == before
    world.apply(hotfix)
    world.rollback()
    assert world.tree() == before
