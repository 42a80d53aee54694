import os
import sys

import pytest

from patchline.patches import documents, identifiers
from patchline.patches.baselines import BaselineList
from patchline.patches.site.disk import Disk
from tests.samples import file_state, fix
from tests.worlds import World

BASE = {"lib/a.jar": b"a0\n", "lib/b.jar": b"b0\n", "conf/app.ini": b"red\n"}


def listed(base):
    entries = [{"path": path, "state": file_state(data)} for path, data in sorted(base.items())]
    return documents.encode({"format": 1, "product": "demo", "baseline": "1.0", "roots": {"app": entries}})


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, BASE)


@pytest.fixture
def listed_world(tmp_path):
    return World(tmp_path, BASE, baseline_list=listed(BASE))


def drift(world):
    return [str(item) for item in world.inventory().drift]


def short(data):
    return f"file {documents.digest(data)[:12]}"


def test_jar_placed_by_hand_is_named_with_the_hotfix_it_belongs_to(world):
    world.apply(world.hotfix({"lib/a.jar": b"a1\n", "lib/b.jar": b"b1\n"}, "HF-A"))
    world.apply(world.hotfix({"lib/a.jar": b"a2\n"}, "HF-B", pre={"lib/a.jar": [b"a1\n"]}))
    assert drift(world) == []
    (world.root / "lib/a.jar").write_bytes(b"a1\n")
    (world.root / "lib/b.jar").write_bytes(b"by hand\n")
    assert drift(world) == [
        f"app/lib/a.jar: {short(b'a1' + bytes([10]))} of HF-A-r1, expected {short(b'a2' + bytes([10]))} of HF-B-r1",
        f"app/lib/b.jar: {short(b'by hand' + bytes([10]))}, expected {short(b'b1' + bytes([10]))} of HF-A-r1",
    ]


def test_file_put_back_to_the_baseline_is_told_as_that(world):
    world.apply(world.hotfix({"lib/a.jar": b"a1\n"}, "HF-A"))
    (world.root / "lib/a.jar").write_bytes(b"a0\n")
    assert [item.looks_like for item in world.inventory().drift] == ["the baseline"]


def test_missing_unreadable_and_executable_files_are_drift(world):
    world.apply(world.hotfix({path: b"new\n" for path in BASE}, "HF-A"))
    (world.root / "lib/a.jar").unlink()
    (world.root / "lib/b.jar").chmod(0o755)
    (world.root / "conf/app.ini").unlink()
    os.mkfifo(world.root / "conf/app.ini")
    found = drift(world)
    assert [text.split(", expected")[0] for text in found] == [
        "app/conf/app.ini: cannot be read",
        "app/lib/a.jar: missing",
        f"app/lib/b.jar: {short(b'new' + bytes([10]))} (executable)",
    ]


def test_untouched_paths_are_checked_only_with_the_baselines_list(world, tmp_path):
    (world.root / "lib/b.jar").write_bytes(b"mine\n")
    assert (world.inventory().checked, drift(world)) == (0, [])
    other = World(tmp_path / "other", BASE, baseline_list=listed(BASE))
    (other.root / "lib/b.jar").write_bytes(b"mine\n")
    assert other.inventory().checked == 3
    assert [item.owner for item in other.inventory().drift] == ["the baseline"]


def test_list_of_the_sample_is_one_that_can_be_read():
    assert BaselineList.parse(listed(BASE)).baseline == "1.0"


def test_difference_is_the_customers_with_the_list_and_unknown_without(world, listed_world_factory):
    for site, who in ((world, "unknown"), (listed_world_factory(), "the customer")):
        (site.root / "lib/a.jar").write_bytes(b"mine\n")
        problem = site.plan(site.hotfix({"lib/a.jar": b"a1\n"})).problems[0]
        assert problem.message.endswith(f"(changed by: {who})")


@pytest.fixture
def listed_world_factory(tmp_path):
    return lambda: World(tmp_path / "listed", BASE, baseline_list=listed(BASE))


def test_place_that_was_given_back_belongs_to_what_lies_below(world):
    world.apply(world.hotfix({"lib/a.jar": b"a1\n", "lib/b.jar": b"b1\n"}))
    world.apply(world.hotfix({"lib/b.jar": b"b2\n"}, revision=2))
    (world.root / "lib/a.jar").write_bytes(b"mine\n")
    assert [item.owner for item in world.inventory().drift] == ["the baseline"]


def test_level_is_the_hash_that_the_format_defines_and_its_code_can_be_told_by_phone(world):
    hotfix = world.hotfix({"lib/a.jar": b"a1\n", "lib/b.jar": b"b1\n"})
    world.apply(hotfix, preserve=["app/lib/a.jar"])
    preserved = documents.digest(documents.encode(["app/lib/a.jar"]))
    expected = documents.digest(
        documents.encode(
            {
                "format": 1,
                "product": "demo",
                "baseline": "1.0",
                "hotfixes": [[hotfix.manifest.digest, preserved]],
            }
        )
    )
    level = world.inventory().level
    assert level.digest == expected
    assert level.code == identifiers.level_code(expected)
    assert (world.root / ".patchline/PATCHLEVEL").read_text().splitlines() == [
        "1.0+HF-2026-0001-r1*",
        level.code,
        "2026-11-22T12:00:00+00:00",
    ]


# 33: a long history


class Unsynced(Disk):
    """A disk that makes nothing durable: a long history in a short time."""

    def append(self, area, path, data):
        with (area.path / path).open("ab") as stream:
            stream.write(data)


def opened_files(work):
    names = []
    active = [True]

    def hook(event, arguments):
        if active and event == "open":
            names.append(str(arguments[0]))

    sys.addaudithook(hook)
    try:
        work()
    finally:
        active.clear()
    return names


def test_history_of_a_thousand_hotfixes_costs_inventory_no_more_files_and_apply_neither(world):
    hotfix, other = world.hotfix({"lib/a.jar": b"a1\n"}, "HF-A"), world.hotfix({"lib/b.jar": b"b1\n"}, "HF-B")
    world.apply(other)
    first = opened_files(lambda: world.apply(hotfix))
    world.rollback("HF-A")
    with world.opened() as site:
        site.disk = Unsynced()
        ledger = site.ledger()
        applied, back = ledger.chain.rows[-2:]
        record = site.state.read(f"transactions/{applied['transaction']}", 1 << 20)
        for number in range(1000):
            name = f"20260101T000000Z-{number:08x}"
            (world.state / "transactions" / name).write_bytes(record)
            gone = [{**layer, "transaction": name} for layer in back["layers"]]
            ledger.append({**applied, "transaction": name})
            ledger.append({**back, "transaction": f"{name}-back", "layers": gone})
    assert len(ledger.layers) == 1002
    files = opened_files(lambda: world.inventory(check=True))
    assert world.inventory().level.label == "1.0+HF-B-r1"
    assert len(files) < 30
    assert not any("20260101" in name for name in files)
    last = opened_files(lambda: world.apply(hotfix))
    assert len(last) <= len(first) * 1.2


# 34: cleanup


def size_of(folder):
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def test_cleanup_frees_what_it_announced_and_the_current_level_can_still_be_rolled_back(world):
    for number in range(4):
        pre = [b"a%d\n" % number * 1000] if number else [b"a0\n"]
        hotfix = world.hotfix({"lib/a.jar": b"a%d\n" % (number + 1) * 1000}, f"HF-{number}", pre={"lib/a.jar": pre})
        world.apply(hotfix)
    objects = world.root / ".patchline/objects"
    before = size_of(objects)
    announced = world.cleanup(keep=1, dry_run=True)
    assert size_of(objects) == before
    done = world.cleanup(keep=1)
    assert done == announced
    assert done.freed == before - size_of(objects) == 2 * 3000 + 3
    assert len(done.transactions) == 3
    world.rollback("HF-3")
    assert world.tree()["lib/a.jar"][1] == b"a3\n" * 1000
    with pytest.raises(Exception, match="freed by cleanup") as refused:
        world.rollback("HF-2")
    assert refused.value.code == "installation.cleaned"
    assert "bundle" in refused.value.hint
    assert world.inventory().level.label == "1.0+HF-0-r1+HF-1-r1+HF-2-r1"


def test_cleanup_again_frees_nothing(world):
    world.apply(world.hotfix({"lib/a.jar": b"a1\n"}, "HF-A"))
    world.apply(world.hotfix({"lib/b.jar": b"b1\n"}, "HF-B"))
    assert world.cleanup(keep=1).freed > 0
    again = world.cleanup(keep=1)
    assert (again.transactions, again.freed) == ([], 0)


@pytest.mark.parametrize("keep", [0, 1, -3])
def test_cleanup_always_keeps_the_current_level(world, keep):
    world.apply(world.hotfix({"lib/a.jar": b"a1\n"}, "HF-A"))
    assert world.cleanup(keep=keep).transactions == []
    world.rollback("HF-A")
    assert world.tree()["lib/a.jar"][1] == b"a0\n"


def test_content_that_a_kept_transaction_shares_with_a_cleaned_one_stays(world):
    world.apply(world.hotfix({"lib/a.jar": b"same\n"}, "HF-A"))
    world.apply(world.hotfix({"lib/a.jar": b"other\n"}, "HF-B", pre={"lib/a.jar": [b"same\n"]}))
    names = ("requires", "conflicts", "supersedes", "includes", "merges")
    after_b = {**{name: [] for name in names}, "requires": [{"hotfix": "HF-B", "revision": 1}]}
    world.apply(world.hotfix({"lib/a.jar": b"same\n"}, "HF-C", pre={"lib/a.jar": [b"other\n"]}, relations=after_b))
    world.apply(world.hotfix({"lib/a.jar": b"last\n"}, "HF-D", pre={"lib/a.jar": [b"same\n"]}))
    world.cleanup(keep=1)
    world.rollback("HF-D")
    assert world.tree()["lib/a.jar"][1] == b"same\n"


def test_new_revision_that_gives_back_what_cleanup_freed_is_refused_in_time(world):
    world.apply(world.hotfix({"lib/a.jar": b"a1\n", "lib/b.jar": b"b1\n"}))
    world.apply(world.hotfix({"conf/app.ini": b"blue\n"}, "HF-B"))
    world.cleanup(keep=1)
    before = world.tree()
    newer = world.hotfix({"lib/b.jar": b"b2\n"}, revision=2)
    assert world.refusals(newer) == ["installation.object-missing"]
    assert world.tree() == before


def test_partial_fixes_of_a_preserved_path_leave_room_for_the_hotfix_that_brings_them(world):
    (world.root / "lib/a.jar").write_bytes(b"mine\n")
    world.apply(world.hotfix({"lib/a.jar": b"a1\n"}, "HF-A", fixes=[fix("F1")]), preserve=["app/lib/a.jar"])
    plan = world.plan(world.hotfix({"lib/b.jar": b"b1\n"}, "HF-B", fixes=[fix("F1")]))
    assert plan.contained == []
