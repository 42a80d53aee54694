from datetime import timedelta

import pytest

from patchline.patches import documents
from patchline.patches.manifest import Manifest
from tests.papers import NOW, Paper, codes, hotfix, included, notes, ref, state
from tests.samples import fix


@pytest.fixture
def site():
    return Paper({"a": "a0", "b": "b0", "c": "c0", "d": "d0"})


def labels(decision):
    return [layer.manifest.label for layer in decision.layers]


def replaced(decision):
    return [item.manifest.label for layer in decision.layers for item in layer.replaces]


# The whole hotfix


def test_disjoint_hotfixes_apply_beside_each_other(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    decision = site.decide(hotfix("HF-2", {"b": ("b0", "b1")}, fixes="F2"))
    assert labels(decision) == ["HF-2-r1"]
    assert replaced(decision) == []


def test_all_refusals_come_at_once(site):
    wrong = hotfix(
        "HF-9",
        {"a": ("other", "a9"), "b": ("other", "b9")},
        target={"product": "idm", "platforms": ["windows"]},
        relations={"requires": [ref("HF-7", 2)]},
    )
    changed = hotfix("HF-8", {"c": ("other", "c9"), "d": ("other", "d9")}, fixes="F8")
    site.recalled.add(wrong.digest)
    assert codes(site.decide(wrong, changed)) == [
        "installation.changed-file",
        "installation.changed-file",
        "recalled.policy",
        "relation.product",
        "relation.platform",
        "relation.requires",
    ]


def test_recalled_hotfix_is_refused(site):
    manifest = hotfix()
    site.recalled.add(manifest.digest)
    assert codes(site.decide(manifest)) == ["recalled.policy"]


def test_recalled_hotfix_is_refused_even_where_it_is_applied_already(site):
    manifest = hotfix()
    site.apply(manifest)
    site.recalled.add(manifest.digest)
    assert codes(site.decide(manifest)) == ["recalled.policy"]


@pytest.mark.parametrize(
    ("target", "code", "message"),
    [
        ({"product": "idm"}, "relation.product", "HF-1-r1 is for idm; this site has demo"),
        (
            {"baselines": ["0.9", "1.1"]},
            "relation.baseline",
            "HF-1-r1 is for baseline 0.9 or 1.1; this site has 1.0",
        ),
        ({"platforms": ["windows"]}, "relation.platform", "HF-1-r1 is for windows; this site is linux and unix"),
    ],
)
def test_wrong_target_is_refused_with_expected_and_found_in_one_line(site, target, code, message):
    problem = site.decide(hotfix(target=target)).problems[0]
    assert (problem.code, problem.message) == (code, message)


def test_other_products_beside_are_named_as_a_warning(site):
    target = {"requires_products": [{"product": "console", "versions": ["3.1", "3.2"]}]}
    decision = site.decide(hotfix(target=target))
    assert decision.problems == []
    assert decision.warnings == ["HF-1-r1 needs console 3.1 or 3.2 beside it; check that it is there"]


def test_diagnostic_is_refused_after_its_day(site):
    manifest = hotfix(kind="diagnostic", expires="2026-11-22")
    assert codes(site.decide(manifest)) == []
    site.now = NOW + timedelta(days=1)
    assert codes(site.decide(manifest)) == ["relation.expired"]


def test_same_revision_has_nothing_to_do_a_hundred_times(site):
    manifest = hotfix()
    site.apply(manifest)
    for _ in range(100):
        decision = site.apply(manifest)
        assert decision.layers == []
        assert decision.contained == [(manifest, "HF-1-r1")]
    assert len(site.installed) == 1


def test_older_revision_than_applied_is_refused(site):
    site.apply(hotfix(revision=3))
    assert codes(site.decide(hotfix(revision=2))) == ["relation.older-revision"]


def test_other_manifest_of_the_same_revision_is_refused(site):
    site.apply(hotfix())
    assert codes(site.decide(hotfix(title="Another text"))) == ["relation.other-manifest"]


def test_two_revisions_in_one_set_are_refused(site):
    assert codes(site.decide(hotfix(), hotfix(revision=2))) == ["relation.set-revisions"]


def test_one_file_given_twice_counts_once(site):
    assert labels(site.decide(hotfix(), hotfix())) == ["HF-1-r1"]


# Requires and conflicts


def needing(name, *references, changes=None, **more):
    changes = {"b": ("b0", "b1")} if changes is None else changes
    return hotfix(name, changes, fixes=f"F-{name}", relations={"requires": list(references)}, **more)


def test_unmet_requirement_is_refused(site):
    decision = site.decide(needing("HF-2", ref("HF-1", 2)))
    assert codes(decision) == ["relation.requires"]
    assert "HF-1-r2" in decision.problems[0].message


def test_requirement_is_met_by_the_set(site):
    decision = site.decide(needing("HF-1", ref("HF-2", 1)), hotfix("HF-2"))
    assert decision.problems == []
    assert labels(decision) == ["HF-2-r1", "HF-1-r1"]


def test_requirement_is_met_by_a_later_revision(site):
    site.apply(hotfix(revision=4))
    assert site.decide(needing("HF-2", ref("HF-1", 2))).problems == []


def test_requirement_is_not_met_by_an_earlier_revision(site):
    site.apply(hotfix(revision=1))
    assert codes(site.decide(needing("HF-2", ref("HF-1", 2)))) == ["relation.requires"]


def test_requirement_is_met_by_what_includes_it(site):
    inner = hotfix(revision=2)
    site.apply(hotfix("HF-5", {"a": ("a0", "a5")}, fixes="F5", relations={"includes": [included(inner)]}))
    assert site.decide(needing("HF-2", ref("HF-1", 2))).problems == []
    assert codes(site.decide(needing("HF-2", ref("HF-1", 3)))) == ["relation.requires"]


def test_requirement_is_met_by_a_replaced_hotfix_whose_fixes_are_all_there(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    site.apply(hotfix("HF-5", {"a": (("a0", "a1"), "a5")}, fixes="F1 F5"))
    assert site.decide(needing("HF-2", ref("HF-1", 1))).problems == []


def test_requirement_is_not_met_by_a_replaced_hotfix_whose_fix_was_lost(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    new = hotfix("HF-5", {"a": (("a0", "a1"), "a5")}, fixes="F5", relations={"supersedes": [ref("HF-1")]})
    site.apply(new, accept_loss=["F1"])
    assert codes(site.decide(needing("HF-2", ref("HF-1", 1)))) == ["relation.requires"]


def test_hotfix_that_another_requires_is_not_replaced_by_one_without_its_fixes(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    site.apply(needing("HF-2", ref("HF-1", 1)))
    new = hotfix("HF-5", {"a": (("a0", "a1"), "a5")}, fixes="F5", relations={"supersedes": [ref("HF-1")]})
    assert codes(site.decide(new, accept_loss=["F1"])) == ["relation.required"]


def test_cycle_of_requirements_is_refused(site):
    one = needing("HF-1", ref("HF-2", 1), changes={"a": ("a0", "a1")})
    two = needing("HF-2", ref("HF-1", 1))
    assert codes(site.decide(one, two)) == ["relation.cycle"]


@pytest.mark.parametrize("new_declares", [True, False], ids=["new", "applied"])
def test_declared_conflict_is_refused_in_both_directions(site, new_declares):
    conflicts = {"conflicts": [ref("HF-2" if not new_declares else "HF-1")]}
    site.apply(hotfix("HF-1", fixes="F1", relations={} if new_declares else conflicts))
    new = hotfix("HF-2", {"b": ("b0", "b1")}, fixes="F2", relations=conflicts if new_declares else {})
    assert codes(site.decide(new)) == ["relation.conflict"]


def test_conflict_reaches_up_to_its_revision(site):
    site.apply(hotfix("HF-1", fixes="F1", revision=3))
    new = hotfix("HF-2", {"b": ("b0", "b1")}, fixes="F2", relations={"conflicts": [ref("HF-1", 2)]})
    assert site.decide(new).problems == []
    site.apply(hotfix("HF-3", {"c": ("c0", "c1")}, fixes="F3", revision=2))
    new = hotfix("HF-4", {"b": ("b0", "b1")}, fixes="F4", relations={"conflicts": [ref("HF-3", 2)]})
    assert codes(site.decide(new)) == ["relation.conflict"]


def test_conflict_within_a_set_is_refused(site):
    one = hotfix("HF-1", fixes="F1", relations={"conflicts": [ref("HF-2")]})
    two = hotfix("HF-2", {"b": ("b0", "b1")}, fixes="F2")
    assert codes(site.decide(one, two)) == ["relation.conflict", "relation.conflict"]


def test_conflict_with_a_revision_that_the_set_replaces_does_not_count(site):
    site.apply(hotfix("HF-5", fixes="F5", relations={"conflicts": [ref("HF-1")]}))
    decision = site.decide(
        hotfix("HF-1", {"b": ("b0", "b1")}, fixes="F1"),
        hotfix("HF-5", {"a": (("a0", "a1"), "a2")}, fixes="F5", revision=2),
    )
    assert decision.problems == []
    assert labels(decision) == ["HF-1-r1", "HF-5-r2"]


# Order of a set


def test_set_is_ordered_by_requires_then_includes_then_id(site):
    last = needing("HF-1", ref("HF-4", 1), changes={"a": ("a0", "a1")})
    third = hotfix("HF-3", {"c": ("c0", "c1")}, fixes="F3")
    second = hotfix("HF-2", {"b": ("b0", "b1")}, fixes="F2")
    first = hotfix("HF-4", {"d": ("d0", "d4")}, fixes="F4")
    outer = hotfix("HF-0", {"d": (("d0", "d4"), "d9")}, fixes="F0 F4", relations={"includes": [included(first)]})
    decision = site.decide(last, third, outer, second, first)
    assert decision.problems == []
    assert labels(decision) == ["HF-2-r1", "HF-3-r1", "HF-4-r1", "HF-0-r1", "HF-1-r1"]


# Contained


def test_subset_of_fixes_has_nothing_to_do_and_says_where_it_is_contained(site):
    site.apply(hotfix("HF-5", {"a": ("a0", "a5")}, fixes="F1 F2"))
    small = hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1")
    for _ in range(100):
        decision = site.apply(small)
        assert (decision.layers, decision.contained) == ([], [(small, "HF-5-r1")])


def test_fixes_contained_in_the_union_of_several_have_nothing_to_do(site):
    site.apply(hotfix("HF-5", {"a": ("a0", "a5")}, fixes="F1"))
    site.apply(hotfix("HF-6", {"b": ("b0", "b6")}, fixes="F2"))
    decision = site.decide(hotfix("HF-7", {"a": ("a0", "a7")}, fixes="F1 F2"))
    assert [where for _, where in decision.contained] == ["HF-5-r1, HF-6-r1"]


def test_recalled_hotfix_contains_nothing(site):
    recalled = hotfix("HF-5", {"b": ("b0", "b5")}, fixes="F1")
    site.apply(recalled)
    site.recalled.add(recalled.digest)
    assert labels(site.decide(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))) == ["HF-1-r1"]


def test_newer_revision_is_not_contained_in_its_older_one(site):
    site.apply(hotfix(fixes="F1"))
    decision = site.decide(hotfix(fixes="F1", revision=2))
    assert (labels(decision), replaced(decision)) == (["HF-1-r2"], ["HF-1-r1"])


def test_fix_of_a_preserved_path_is_partial_and_contains_nothing(site):
    site.edit("a", "mine")
    site.apply(hotfix("HF-5", {"a": ("a0", "a5"), "b": ("b0", "b5")}, fixes="F1"), preserve=["app/a"])
    decision = site.decide(hotfix("HF-1", {"c": ("c0", "c1")}, fixes="F1"))
    assert labels(decision) == ["HF-1-r1"]


def test_partial_fix_takes_part_in_no_subset_rule(site):
    document = documents.decode(hotfix("HF-5", {"a": ("a0", "a5")}, fixes="F1").data, what="manifest")
    site.apply(Manifest.from_document({**document, "fixes": [fix("F1", coverage="partial")]}))
    assert labels(site.decide(hotfix("HF-1", {"b": ("b0", "b1")}, fixes="F1"))) == ["HF-1-r1"]


def test_empty_set_of_fixes_takes_part_in_no_subset_rule(site):
    empty = hotfix("HF-1", {"a": ("a0", "a1")}, fixes="")
    site.apply(hotfix("HF-5", {"b": ("b0", "b5")}, fixes="F1"))
    assert labels(site.apply(empty)) == ["HF-1-r1"]
    decision = site.decide(hotfix("HF-6", {"a": (("a0", "a1"), "a6")}, fixes="F6"))
    assert (labels(decision), replaced(decision)) == (["HF-6-r1"], [])


def test_diagnostic_contains_nothing_and_loses_nothing(site):
    probe = hotfix("HF-5", {"a": ("a0", "a5")}, fixes="F1", kind="diagnostic", expires="2026-12-31")
    site.apply(probe)
    assert labels(site.decide(hotfix("HF-1", {"b": ("b0", "b1")}, fixes="F1"))) == ["HF-1-r1"]
    newer = hotfix("HF-5", {"a": (("a0", "a5"), "a6")}, fixes="F2", kind="diagnostic", expires="2026-12-31", revision=2)
    assert site.decide(newer).problems == []


# Replacing


def test_newer_revision_replaces_the_older_one(site):
    site.apply(hotfix())
    assert replaced(site.decide(hotfix(changes={"a": ("a0", "a2")}, revision=2))) == ["HF-1-r1"]


@pytest.mark.parametrize(("revision", "goes"), [(None, True), (3, True), (2, True), (1, False)])
def test_supersedes_reaches_up_to_its_revision(site, revision, goes):
    site.apply(hotfix("HF-1", {"b": ("b0", "b1")}, fixes="F1", revision=2))
    new = hotfix("HF-5", {"a": ("a0", "a5")}, fixes="F1 F5", relations={"supersedes": [ref("HF-1", revision)]})
    assert replaced(site.decide(new)) == (["HF-1-r2"] if goes else [])


@pytest.mark.parametrize("relation", ["includes", "merges"])
def test_included_and_merged_hotfixes_are_replaced(site, relation):
    inner = hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1")
    site.apply(inner)
    new = hotfix("HF-5", {"b": ("b0", "b5"), "a": ("a0", "a5")}, fixes="F1 F5", relations={relation: [included(inner)]})
    assert replaced(site.decide(new)) == ["HF-1-r1"]


def test_strictly_contained_hotfix_is_replaced(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    new = hotfix("HF-5", {"a": ("a0", "a5"), "b": ("b0", "b5")}, fixes="F1 F2")
    assert replaced(site.decide(new)) == ["HF-1-r1"]


def test_hotfix_with_a_path_of_its_own_is_not_replaced_by_a_superset_of_its_fixes(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1"), "c": ("c0", "c1")}, fixes="F1"))
    new = hotfix("HF-5", {"a": (("a0", "a1"), "a5")}, fixes="F1 F2")
    decision = site.decide(new)
    assert (replaced(decision), decision.problems) == ([], [])


def test_superset_replaces_one_and_leaves_the_other_hotfix_alone(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1 F2"))
    site.apply(hotfix("HF-9", {"d": ("d0", "d9")}, fixes="F9"))
    site.apply(hotfix("HF-5", {"a": ("a0", "a5"), "b": ("b0", "b5")}, fixes="F1 F2 F3 F4"))
    assert [item.manifest.label for item in site.installed if item.active] == ["HF-9-r1", "HF-5-r1"]


def test_path_that_the_new_one_does_not_touch_goes_back_to_what_lies_below(site):
    site.apply(hotfix(changes={"a": ("a0", "a1"), "b": ("b0", "b1")}))
    decision = site.apply(hotfix(changes={"a": ("a0", "a2")}, revision=2))
    assert notes(decision) == {"a": "set", "b": "reverted"}
    assert site.actual["app", "b"] == state("b0")


def test_path_goes_back_to_the_hotfix_below_not_to_the_baseline(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    site.apply(hotfix("HF-2", {"a": (("a0", "a1"), "a2"), "b": ("b0", "b2")}, fixes="F2"))
    site.apply(hotfix("HF-2", {"b": ("b0", "b3")}, fixes="F2", revision=2))
    assert site.actual["app", "a"] == state("a1")


def test_replacement_is_refused_where_another_hotfix_is_built_on_a_path_that_would_go_back(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1"), "b": ("b0", "b1")}, fixes="F1"))
    site.apply(hotfix("HF-2", {"a": (("a0", "a1"), "a2")}, fixes="F2"))
    decision = site.decide(hotfix("HF-1", {"b": ("b0", "b3")}, fixes="F1", revision=2))
    assert codes(decision) == ["relation.shared-path"]
    assert decision.problems[0].message == "HF-2-r1 is built on HF-1-r1 at app/a, which HF-1-r2 would replace"


def test_replaced_twice_goes_back_to_the_very_bottom(site):
    site.apply(hotfix(changes={"a": ("a0", "a1"), "b": ("b0", "b1")}))
    site.apply(hotfix(changes={"a": ("a0", "a2"), "b": ("b0", "b2")}, revision=2))
    site.apply(hotfix(changes={"a": ("a0", "a3")}, revision=3))
    assert site.actual["app", "b"] == state("b0")
    site.apply(hotfix(changes={"c": ("c0", "c4")}, revision=4))
    assert site.actual["app", "a"] == state("a0")
    assert site.actual["app", "b"] == state("b0")


# Lost fixes


def test_replacement_that_loses_a_fix_is_refused_by_name(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1 F7"))
    decision = site.decide(hotfix("HF-1", {"a": ("a0", "a2")}, fixes="F1", revision=2))
    assert codes(decision) == ["relation.lost-fix"]
    assert decision.problems[0].message == "HF-1-r2 would lose F7 of HF-1-r1"
    assert "--accept-loss F7" in decision.problems[0].hint


def test_accepted_loss_goes_on_and_is_recorded(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1 F7"))
    decision = site.apply(hotfix("HF-1", {"a": ("a0", "a2")}, fixes="F1", revision=2), accept_loss=["F7"])
    assert decision.layers[0].lost == ["F7"]


def test_fix_that_another_active_hotfix_brings_is_not_lost(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1 F7"))
    site.apply(hotfix("HF-7", {"b": ("b0", "b7")}, fixes="F7 F8"))
    assert site.decide(hotfix("HF-1", {"a": ("a0", "a2")}, fixes="F1", revision=2)).problems == []


def cumulative(changes, fixes="F1 F2", **more):
    return hotfix("HF-CU", changes, fixes=fixes, kind="cumulative", **more)


def test_cumulative_that_would_overwrite_an_installed_fix_is_refused_naming_it(site):
    site.apply(hotfix("HF-7", {"a": ("a0", "a7"), "c": ("c0", "c7")}, fixes="F7"))
    decision = site.decide(cumulative({"a": ("a0", "a9"), "b": ("b0", "b9")}))
    assert codes(decision) == ["relation.lost-fix"]
    assert decision.problems[0].message == "HF-CU-r1 would lose F7 of HF-7-r1"


def test_cumulative_goes_on_when_the_loss_is_accepted_and_the_other_goes_as_a_whole(site):
    site.apply(hotfix("HF-7", {"a": ("a0", "a7"), "c": ("c0", "c7")}, fixes="F7"))
    decision = site.apply(cumulative({"a": ("a0", "a9"), "b": ("b0", "b9")}), accept_loss=["F7"])
    assert (replaced(decision), decision.layers[0].lost) == (["HF-7-r1"], ["F7"])
    assert notes(decision) == {"a": "set", "b": "set", "c": "reverted"}
    assert site.actual["app", "c"] == state("c0")


def test_accepting_one_loss_does_not_accept_the_other_fixes_that_would_go_with_it(site):
    one = hotfix("HF-7", {"a": ("a0", "a7"), "c": ("c0", "c7")}, fixes="F7 F8", path_fixes={"a": ["F7"], "c": ["F8"]})
    site.apply(one)
    decision = site.decide(cumulative({"a": ("a0", "a9")}), accept_loss=["F7"])
    assert [problem.message for problem in decision.problems] == ["HF-CU-r1 would lose F8 of HF-7-r1"]


def test_cumulative_leaves_a_hotfix_alone_with_which_it_shares_no_path(site):
    site.apply(hotfix("HF-7", {"c": ("c0", "c7")}, fixes="F7"))
    decision = site.decide(cumulative({"a": ("a0", "a9")}))
    assert (decision.problems, replaced(decision)) == ([], [])


def test_cumulative_goes_over_a_shared_path_whose_fixes_it_contains(site):
    other = hotfix("HF-7", {"a": ("a0", "a7"), "c": ("c0", "c7")}, fixes="F1 F7", path_fixes={"a": ["F1"], "c": ["F7"]})
    site.apply(other)
    decision = site.apply(cumulative({"a": ("a0", "a9")}))
    assert replaced(decision) == []
    assert site.rollback_problems("HF-7-r1") == ["HF-CU-r1 lies on top of HF-7-r1"]


# Shared paths


def test_hotfix_built_on_another_lies_on_top_of_it(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    decision = site.apply(hotfix("HF-2", {"a": (("a0", "a1"), "a2")}, fixes="F2"))
    assert (replaced(decision), notes(decision)) == ([], {"a": "set"})
    assert site.rollback_problems("HF-1-r1") == ["HF-2-r1 lies on top of HF-1-r1"]
    assert site.rollback_problems("HF-1-r1", "HF-2-r1") == []


def test_shared_path_that_was_not_built_on_the_other_is_refused(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    decision = site.decide(hotfix("HF-2", {"a": ("a0", "a2")}, fixes="F2"))
    assert codes(decision) == ["relation.shared-path"]
    assert decision.problems[0].message == "HF-2-r1 and HF-1-r1 both change app/a; HF-2-r1 is not built on it"


def test_shared_path_is_refused_although_the_customer_edited_it_and_overrides(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    site.edit("a", "mine")
    decision = site.decide(hotfix("HF-2", {"a": ("a0", "a2")}, fixes="F2"), override=["app/a"])
    assert codes(decision) == ["relation.shared-path"]


def test_shared_path_is_refused_although_the_customer_put_the_new_content_there(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    site.edit("a", "a2")
    assert codes(site.decide(hotfix("HF-2", {"a": ("a0", "a2")}, fixes="F2"))) == ["relation.shared-path"]


def test_same_content_from_two_hotfixes_is_shared_in_peace(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    assert site.decide(hotfix("HF-2", {"a": ("a0", "a1"), "b": ("b0", "b1")}, fixes="F2")).problems == []


def test_two_that_fit_on_each_other_are_refused_in_either_order(site):
    site.apply(hotfix("HF-0", {"a": ("a0", "a1")}, fixes="F0"))
    forth = hotfix("HF-1", {"a": (("a0", "a1"), "a2")}, fixes="F1")
    back = hotfix("HF-2", {"a": (("a0", "a2"), "a1")}, fixes="F2")
    for first, second in ((forth, back), (back, forth)):
        decision = site.decide(first, second)
        assert codes(decision) == ["relation.no-order"], decision.problems
    site.apply(back)
    decision = site.decide(forth)
    assert decision.problems[0].message == "HF-1-r1 and HF-2-r1 fit on each other at app/a"


def test_two_that_fit_on_each_other_are_in_order_when_one_requires_the_other_by_a_third(site):
    site.apply(hotfix("HF-0", {"a": ("a0", "a1")}, fixes="F0"))
    site.apply(hotfix("HF-1", {"a": (("a0", "a1"), "a2")}, fixes="F1"))
    site.apply(hotfix("HF-3", {"b": ("b0", "b1")}, fixes="F3", relations={"requires": [ref("HF-1", 1)]}))
    back = {"a": (("a0", "a2"), "a1")}
    assert codes(site.decide(hotfix("HF-2", back, fixes="F2"))) == ["relation.no-order"]
    assert codes(site.decide(hotfix("HF-2", back, fixes="F2", relations={"requires": [ref("HF-3", 1)]}))) == []


def test_path_in_a_set_is_judged_on_top_of_the_set(site):
    one = hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1")
    assert codes(site.decide(one, hotfix("HF-2", {"a": ("a0", "a2")}, fixes="F2"))) == ["relation.shared-path"]
    assert site.decide(one, hotfix("HF-2", {"a": ("a1", "a2")}, fixes="F2")).problems == []


# Edits of the customer


def test_edits_are_all_named_at_once_with_who_made_them(site):
    site.baseline = {"a": "a0"}
    site.edit("a", "mine")
    site.edit("b", "mine")
    site.apply(hotfix("HF-3", {"c": ("c0", "c3")}, fixes="F3"))
    site.edit("c", None)
    decision = site.decide(
        hotfix("HF-1", {"a": ("a0", "a1"), "b": ("b0", "b1"), "c": (("c0", "c3"), "c4")}, fixes="F1")
    )
    assert [problem.message for problem in decision.problems] == [
        "app/a is not in a state HF-1-r1 accepts (changed by: the customer)",
        "app/b is not in a state HF-1-r1 accepts (changed by: unknown)",
        "app/c is missing; HF-1-r1 changes it (changed by: the customer)",
    ]


def test_baseline_content_that_the_hotfix_does_not_know_is_not_blamed_on_the_customer(site):
    site.baseline = {"a": "a0"}
    decision = site.decide(hotfix(changes={"a": ("other", "a1")}))
    assert "(changed by: nobody; it is as the baseline has it)" in decision.problems[0].message


def test_content_of_an_earlier_hotfix_is_told_by_its_label(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    site.apply(hotfix("HF-1", {"a": ("a0", "a2")}, fixes="F1", revision=2))
    site.edit("a", "a1")
    decision = site.decide(hotfix("HF-5", {"a": (("a0", "a2"), "a5")}, fixes="F5"))
    assert "(changed by: HF-1-r1)" in decision.problems[0].message


def test_override_sets_an_edited_file_and_says_that_it_was_edited(site):
    site.edit("a", "mine")
    decision = site.decide(hotfix(), override=["app/a"])
    assert [(item.note, item.edited, item.after) for item in decision.layers[0].outcomes] == [
        ("set", True, state("a1"))
    ]


def test_preserve_leaves_a_file_edited_or_not(site):
    assert notes(site.decide(hotfix(), preserve=["app/a"])) == {"a": "preserved"}
    site.edit("a", "mine")
    assert notes(site.decide(hotfix(), preserve=["app/a"])) == {"a": "preserved"}


def test_preserving_does_not_excuse_a_shared_path(site):
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1"))
    decision = site.decide(hotfix("HF-2", {"a": ("a0", "a2")}, fixes="F2"), preserve=["app/a"])
    assert codes(decision) == ["relation.shared-path"]


def test_missing_file_is_refused_unless_it_is_optional(site):
    site.edit("a", None)
    assert codes(site.decide(hotfix())) == ["installation.missing-file"]
    assert notes(site.decide(hotfix(options={"a": {"optional": True}}))) == {"a": "skipped"}


def test_optional_file_that_came_after_it_was_skipped_is_patched_by_the_next_one(site):
    site.edit("a", None)
    site.apply(hotfix("HF-1", options={"a": {"optional": True}}, fixes="F1"))
    site.edit("a", "a0")
    decision = site.decide(hotfix("HF-2", {"a": ("a0", "a2")}, fixes="F2", options={"a": {"optional": True}}))
    assert (decision.problems, notes(decision)) == ([], {"a": "set"})


def test_edited_config_stays(site):
    site.edit("a", "mine")
    decision = site.apply(hotfix(options={"a": {"class": "config"}}))
    assert notes(decision) == {"a": "kept"}
    assert site.actual["app", "a"] == state("mine")


def test_missing_config_is_refused_as_any_mandatory_file(site):
    site.edit("a", None)
    assert codes(site.decide(hotfix(options={"a": {"class": "config"}}))) == ["installation.missing-file"]


def test_kept_config_counts_as_the_vendors_for_a_hotfix_built_on_it(site):
    config = {"options": {"a": {"class": "config"}}}
    site.edit("a", "mine")
    site.apply(hotfix("HF-1", {"a": ("a0", "a1")}, fixes="F1", **config))
    assert notes(site.decide(hotfix("HF-2", {"a": ("a1", "a2")}, fixes="F2", **config))) == {"a": "kept"}
    decision = site.decide(hotfix("HF-2", {"a": ("a0", "a2")}, fixes="F2", **config))
    assert codes(decision) == ["relation.shared-path"]


def test_what_was_overridden_once_needs_no_override_for_the_next_revision(site):
    site.edit("a", "mine")
    site.apply(hotfix(), override=["app/a"])
    decision = site.apply(hotfix(changes={"a": ("a0", "a2")}, revision=2))
    assert notes(decision) == {"a": "set"}


def test_path_that_cannot_be_managed_is_refused_with_the_reason(site):
    site.special["a"] = "a link on the way"
    decision = site.decide(hotfix(), override=["app/a"])
    assert codes(decision) == ["installation.special-file"]
    assert "a link on the way" in decision.problems[0].message


def test_edited_left_over_of_a_replaced_hotfix_is_refused_preserved_or_overridden(site):
    site.apply(hotfix(changes={"a": ("a0", "a1"), "b": ("b0", "b1")}))
    site.edit("b", "mine")
    newer = hotfix(changes={"a": ("a0", "a2")}, revision=2)
    assert codes(site.decide(newer)) == ["installation.changed-file"]
    assert notes(site.decide(newer, preserve=["app/b"])) == {"a": "set", "b": "preserved"}
    outcome = site.decide(newer, override=["app/b"]).layers[0].outcomes[-1]
    assert (outcome.note, outcome.after, outcome.edited) == ("reverted", state("b0"), True)


def test_left_over_that_was_never_set_is_left_alone(site):
    site.edit("b", "mine")
    site.apply(hotfix(changes={"a": ("a0", "a1"), "b": ("b0", "b1")}), preserve=["app/b"])
    site.edit("b", "mine again")
    decision = site.decide(hotfix(changes={"a": ("a0", "a2")}, revision=2))
    assert (decision.problems, notes(decision)) == ([], {"a": "set"})


# Rolling back


def test_hotfix_that_another_requires_is_not_rolled_back_alone(site):
    site.apply(hotfix("HF-1", fixes="F1"))
    site.apply(needing("HF-2", ref("HF-1", 1)))
    assert site.rollback_problems("HF-1-r1") == ["HF-2-r1 requires HF-1-r1"]
    assert site.rollback_problems("HF-1-r1", "HF-2-r1") == []


def test_newer_revision_may_go_when_the_older_one_that_comes_back_is_enough(site):
    site.apply(hotfix("HF-1", fixes="F1"))
    site.apply(hotfix("HF-1", {"a": ("a0", "a2")}, fixes="F1", revision=2))
    site.apply(needing("HF-2", ref("HF-1", 1)))
    assert site.rollback_problems("HF-1-r2") == []
    site.apply(needing("HF-3", ref("HF-1", 2), changes={"c": ("c0", "c3")}))
    assert site.rollback_problems("HF-1-r2") == ["HF-3-r1 requires HF-1-r2"]


def test_what_comes_back_must_not_conflict_with_what_was_applied_since(site):
    site.apply(hotfix("HF-1", fixes="F1"))
    site.apply(hotfix("HF-1", {"a": ("a0", "a2")}, fixes="F1", revision=2))
    site.apply(hotfix("HF-2", {"b": ("b0", "b2")}, fixes="F2", relations={"conflicts": [ref("HF-1", 1)]}))
    assert site.rollback_problems("HF-1-r2") == ["HF-1-r1 would come back and conflicts with HF-2-r1"]


def test_what_comes_back_must_find_what_it_requires(site):
    site.apply(hotfix("HF-2", {"b": ("b0", "b2")}, fixes="F2"))
    site.apply(hotfix("HF-1", fixes="F1", relations={"requires": [ref("HF-2", 1)]}))
    site.apply(hotfix("HF-1", {"a": ("a0", "a2")}, fixes="F1", revision=2))
    assert site.rollback_problems("HF-2-r1") == []
    assert site.rollback_problems("HF-1-r2", "HF-2-r1") == ["HF-1-r1 would come back and requires HF-2-r1 or later"]
