import pytest

from patchline.patches.errors import InstallationError, PatchlineError, ProblemsError, RefusedError, RelationError
from tests.samples import fix
from tests.worlds import World

BASE = {"a": b"a0\n", "b": b"b0\n", "c": b"c0\n", "x": b"x0\n"}
NONE = {"requires": [], "conflicts": [], "supersedes": [], "includes": [], "merges": []}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, BASE)


def fixes(text):
    return [fix(name) for name in text.split()]


def level(world):
    return world.inventory().level.label


def contents(world):
    return {path: item[1] for path, item in world.tree().items()}


def refused(call):
    with pytest.raises(PatchlineError) as error:
        call()
    return error.value


def snapshot(world):
    """Every byte of the roots with their own folders, and of the state but for the lock."""
    return {
        str(path.relative_to(world.folder)): (path.read_bytes() if path.is_file() else None, path.lstat().st_mtime_ns)
        for top in (world.root, world.state)
        for path in [top, *top.rglob("*")]
        if path.name != "lock"
    }


# 14: a superset


def test_superset_replaces_one_keeps_the_other_and_its_rollback_brings_the_replaced_one_back(world):
    world.apply(world.hotfix({"a": b"a1\n", "c": b"c1\n"}, "HF-A", fixes=fixes("F1 F2")))
    world.apply(world.hotfix({"x": b"x1\n"}, "HF-X", fixes=fixes("F9")))
    before, had = world.tree(), level(world)
    superset = world.hotfix({"a": b"a2\n", "b": b"b2\n", "c": b"c1\n"}, "HF-C", fixes=fixes("F1 F2 F3 F4"))
    world.apply(superset)
    assert level(world) == "1.0+HF-C-r1+HF-X-r1"
    assert contents(world) == {"a": b"a2\n", "b": b"b2\n", "c": b"c1\n", "x": b"x1\n"}
    refusal = refused(lambda: world.rollback("HF-A"))
    assert (refusal.code, refusal.message) == ("relation.not-on-top", "HF-C-r1 took the place of HF-A-r1")
    world.rollback("HF-C")
    assert (world.tree(), level(world)) == (before, had)
    world.rollback("HF-X")
    world.rollback("HF-A")
    assert contents(world) == BASE


# 15: a subset


def test_subset_is_already_contained_nothing_is_written_a_hundred_times(world):
    world.apply(world.hotfix({"a": b"a2\n", "b": b"b2\n"}, "HF-C", fixes=fixes("F1 F2")))
    subset = world.hotfix({"a": b"a1\n"}, "HF-A", fixes=fixes("F1"))
    before = snapshot(world)
    ledger = (world.state / "ledger").read_bytes()
    for _ in range(100):
        plan, result = world.apply(subset)
        assert result.outcome == "nothing"
        assert [where for _, where in plan.contained] == ["HF-C-r1"]
    after = snapshot(world)
    assert (world.state / "ledger").read_bytes() == ledger
    assert {path: data for path, (data, _) in after.items()} == {path: data for path, (data, _) in before.items()}


# 16: a cumulative without the customer's fix


def test_cumulative_without_the_customers_fix_stops_naming_it_and_goes_on_when_the_loss_is_accepted(world):
    world.apply(world.hotfix({"a": b"a7\n", "b": b"b7\n"}, "HF-7", fixes=fixes("F7")))
    before = world.tree()
    cumulative = world.hotfix({"a": b"a9\n", "c": b"c9\n"}, "HF-CU", fixes=fixes("F1"), kind="cumulative")
    refusal = refused(lambda: world.apply(cumulative))
    assert (refusal.code, refusal.message) == ("relation.lost-fix", "HF-CU-r1 would lose F7 of HF-7-r1")
    assert "--accept-loss F7" in refusal.hint
    assert world.tree() == before
    world.apply(cumulative, accept_loss=["F7"])
    assert contents(world) == {"a": b"a9\n", "b": b"b0\n", "c": b"c9\n", "x": b"x0\n"}
    assert world.inventory().layers[0].lost == ("F7",)
    world.rollback("HF-CU")
    assert (world.tree(), level(world)) == (before, "1.0+HF-7-r1")


# 17: three on one file


def test_middle_one_of_three_on_one_file_is_not_rolled_back_and_the_one_above_is_named(world):
    world.apply(world.hotfix({"a": b"a1\n"}, "HF-A"))
    world.apply(world.hotfix({"a": b"a2\n"}, "HF-B", pre={"a": [b"a0\n", b"a1\n"]}))
    world.apply(world.hotfix({"a": b"a3\n"}, "HF-C", pre={"a": [b"a0\n", b"a1\n", b"a2\n"]}))
    before = world.tree()
    refusal = refused(lambda: world.rollback("HF-B"))
    assert refusal.message == "HF-C-r1 lies on top of HF-B-r1"
    assert (world.tree(), level(world)) == (before, "1.0+HF-A-r1+HF-B-r1+HF-C-r1")
    for name, content in (("HF-C", b"a2\n"), ("HF-B", b"a1\n"), ("HF-A", b"a0\n")):
        world.rollback(name)
        assert contents(world)["a"] == content


def test_rolling_back_to_a_level_takes_everything_above_it_in_one_transaction(world):
    world.apply(world.hotfix({"a": b"a1\n"}, "HF-A"))
    reached = world.inventory().level
    tree = world.tree()
    world.apply(world.hotfix({"b": b"b1\n"}, "HF-B"))
    world.apply(world.hotfix({"a": b"a2\n", "d/new": b"d\n"}, "HF-A", revision=2))
    for target in (reached.label, reached.digest, reached.code):
        _, result = world.rollback(target, to_level=True)
        assert result.outcome == "rolled-back"
        assert (world.tree(), level(world)) == (tree, reached.label)
        world.apply(world.hotfix({"b": b"b1\n"}, "HF-B"))
    world.rollback("baseline", to_level=True)
    assert contents(world) == BASE
    assert refused(lambda: world.rollback("9.9+HF-Z-r1", to_level=True)).code == "not-found.level"


def test_rolling_back_to_the_level_it_has_does_nothing(world):
    world.apply(world.hotfix({"a": b"a1\n"}, "HF-A"))
    _, result = world.rollback(level(world), to_level=True)
    assert result.outcome == "nothing"


def test_rolling_back_what_is_not_applied_is_refused_by_name(world):
    assert refused(lambda: world.rollback("HF-Z")).message == "HF-Z is not applied here"


# Sets


def test_set_is_one_transaction_wholly_there_or_wholly_not(world):
    one = world.hotfix({"a": b"a1\n"}, "HF-A")
    two = world.hotfix({"b": b"b1\n"}, "HF-B", pre={"b": [b"other\n"]})
    before = world.tree()
    assert refused(lambda: world.apply(one, two)).code == "installation.changed-file"
    assert (world.tree(), level(world)) == (before, "1.0")
    good = world.hotfix({"b": b"b1\n"}, "HF-B")
    plan, result = world.apply(good, one)
    assert [layer.manifest.label for layer, _ in plan.layers] == ["HF-A-r1", "HF-B-r1"]
    assert {layer.transaction for layer in world.inventory().layers} == {result.transaction}
    world.rollback("HF-A")
    assert contents(world) == {**BASE, "b": b"b1\n"}
    world.rollback("HF-B")
    assert world.tree() == before


def test_hotfixes_of_one_set_build_on_each_other_and_come_off_one_by_one(world):
    one = world.hotfix({"a": b"a1\n", "d/one": b"1\n"}, "HF-A")
    two = world.hotfix({"a": b"a2\n", "d/two": b"2\n"}, "HF-B", pre={"a": [b"a1\n"]})
    before = world.tree()
    world.apply(two, one, world.hotfix({"d/one": b"3\n"}, "HF-C", pre={"d/one": [b"1\n"]}))
    assert contents(world) == {**BASE, "a": b"a2\n", "d": None, "d/one": b"3\n", "d/two": b"2\n"}
    world.rollback("HF-C")
    assert contents(world)["d/one"] == b"1\n"
    world.rollback("HF-B")
    assert contents(world) == {**BASE, "a": b"a1\n", "d": None, "d/one": b"1\n"}
    world.rollback("HF-A")
    assert world.tree() == before


def test_replacing_one_of_the_same_set_leaves_it_inactive(world):
    small = world.hotfix({"a": b"a1\n", "c": b"c1\n"}, "HF-A", fixes=fixes("F1"))
    big = world.hotfix(
        {"b": b"b2\n"}, "HF-B", fixes=fixes("F1 F2"), relations={**NONE, "supersedes": [{"hotfix": "HF-A"}]}
    )
    world.apply(small, big)
    assert level(world) == "1.0+HF-B-r1"
    assert contents(world) == {**BASE, "b": b"b2\n"}
    world.rollback("HF-B")
    assert (contents(world), level(world)) == ({**BASE, "a": b"a1\n", "c": b"c1\n"}, "1.0+HF-A-r1")


def test_replaced_hotfix_applied_again_lies_beside_and_both_come_back_as_they_were(world):
    first = world.hotfix({"a": b"a1\n"}, "HF-A", fixes=fixes("F1"))
    other = world.hotfix(
        {"b": b"b2\n"}, "HF-B", fixes=fixes("F2"), relations={**NONE, "supersedes": [{"hotfix": "HF-A"}]}
    )
    world.apply(first)
    world.apply(other, accept_loss=["F1"])
    world.apply(first)
    assert level(world) == "1.0+HF-A-r1+HF-B-r1"
    assert refused(lambda: world.rollback("HF-B")).code == "relation.not-on-top"
    world.rollback("HF-A")
    world.rollback("HF-B")
    assert (contents(world), level(world)) == ({**BASE, "a": b"a1\n"}, "1.0+HF-A-r1")


def test_same_level_whatever_the_order_and_the_machine(tmp_path):
    one, two = World(tmp_path / "one", BASE), World(tmp_path / "two", BASE)
    hotfixes = [one.hotfix({path: b"new\n"}, f"HF-{path.upper()}") for path in ("a", "b", "c")]
    for hotfix in hotfixes:
        one.apply(hotfix)
    for hotfix in reversed(hotfixes):
        two.apply(hotfix)
    assert one.inventory().level == two.inventory().level
    assert one.tree() == two.tree()


def test_diagnostic_changes_no_level(world):
    before = world.inventory().level
    world.apply(world.hotfix({"a": b"a1\n"}, "HF-D", kind="diagnostic", expires="2026-12-31"))
    assert world.inventory().level == before
    assert [layer.label for layer in world.inventory().layers] == ["HF-D-r1"]


# 40: one line


def test_wrong_product_baseline_and_platform_are_refused_with_expected_and_found_in_one_line_each(world):
    target = {"product": "idm", "baselines": ["9.0"], "platforms": ["windows"], "requires_products": []}
    refusal = refused(lambda: world.apply(world.hotfix({"a": b"a1\n"}, target=target)))
    assert isinstance(refusal, ProblemsError)
    assert [problem.message for problem in refusal.problems] == [
        "HF-2026-0001-r1 is for idm; this site has demo",
        "HF-2026-0001-r1 is for windows; this site is linux and unix",
    ]
    target = {**target, "product": "demo", "platforms": ["linux"]}
    refusal = refused(lambda: world.apply(world.hotfix({"a": b"a1\n"}, target=target)))
    assert (refusal.exit_code, refusal.message) == (
        22,
        "HF-2026-0001-r1 is for baseline 9.0; this site has 1.0",
    )


# Plans


def test_plan_writes_nothing_and_is_the_same_for_the_same_situation(world):
    hotfix = world.hotfix({"a": b"a1\n", "d/new": (b"new\n", True), "b": None})
    before = snapshot(world)
    first, second = world.plan(hotfix), world.plan(hotfix)
    assert snapshot(world) == before
    assert first.as_document() == second.as_document()
    assert first.digest == second.digest
    world.apply(hotfix)
    world.rollback()
    assert world.plan(hotfix).digest != first.digest
    assert world.plan(hotfix).as_document()["actions"] == first.as_document()["actions"]


def test_plan_with_problems_writes_nothing_either(world):
    (world.root / "a").write_bytes(b"mine\n")
    before = snapshot(world)
    assert world.refusals(world.hotfix({"a": b"a1\n"})) == ["installation.changed-file"]
    assert snapshot(world) == before


def test_plan_that_was_reviewed_is_carried_out_and_a_changed_site_is_refused(world):
    hotfix = world.hotfix({"a": b"a1\n", "b": b"b1\n"})
    reviewed = world.plan(hotfix).digest
    (world.root / "a").write_bytes(b"a1\n")
    before = world.tree()
    with pytest.raises(RefusedError) as refusal:
        world.apply(hotfix, plan=reviewed)
    assert refusal.value.code == "refused.plan-changed"
    assert world.tree() == before
    (world.root / "a").write_bytes(b"a0\n")
    world.apply(hotfix, plan=reviewed)
    assert contents(world) == {**BASE, "a": b"a1\n", "b": b"b1\n"}


@pytest.mark.parametrize("change", ["choices", "mode", "other hotfix"])
def test_plan_depends_on_choices_attributes_and_what_is_applied(world, change):
    hotfix = world.hotfix({"a": b"a1\n"})
    reviewed, choices = world.plan(hotfix).digest, {}
    if change == "choices":
        choices = {"preserve": ["app/a"]}
    elif change == "mode":
        (world.root / "a").chmod(0o600)
    else:
        world.apply(world.hotfix({"b": b"b1\n"}, "HF-B"))
    with pytest.raises(RefusedError):
        world.apply(hotfix, plan=reviewed, **choices)


def test_plan_names_the_state_of_each_path_steps_guidance_and_time(world):
    hotfix = world.hotfix({"a": b"a1\n", "b": None}, guidance=["restart-service:demo"])
    document = world.plan(hotfix).as_document()
    assert [action["path"] for action in document["actions"]] == ["app/a", "app/b"]
    assert document["actions"][1]["after"] == {"type": "absent"}
    assert document["guidance"] == ["restart-service:demo"]
    assert document["seconds"] >= 1
    assert document["problems"] == []


def test_rollback_of_a_cleaned_hotfix_and_of_one_below_are_refused_together(world):
    world.apply(world.hotfix({"a": b"a1\n"}, "HF-A"))
    world.apply(world.hotfix({"a": b"a2\n"}, "HF-B", pre={"a": [b"a1\n"]}))
    world.cleanup(keep=1)
    refusal = refused(lambda: world.rollback("HF-A"))
    assert isinstance(refusal, ProblemsError)
    assert {type(problem) for problem in refusal.problems} == {RelationError, InstallationError}
