from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from patchline.releaser.fleet.hotfix_states import HotfixState, RevisionFacts, SiteFacts, judge
from patchline.releaser.states import State

R1 = RevisionFacts(1, "HF-1", 1, "demo", "1.0", State.PUBLISHED, frozenset({"BUG-1"}), newest=1)
SITE = SiteFacts("acme", "demo", "1.0")
THERE = replace(SITE, pending={1: False}, numbers={"HF-1": 1}, fixes={1: R1.fixes})


def state(revision=R1, site=SITE, obstacle=None):
    return judge(revision, site, obstacle).state


def test_published_one_for_the_baseline_is_available_and_with_an_obstacle_applicable():
    assert state() is HotfixState.AVAILABLE
    assert judge(R1, SITE, "not entitled").why == "not entitled"
    assert state(obstacle="not entitled") is HotfixState.APPLICABLE


def test_what_is_in_force_is_applied_or_waits_for_a_restart():
    assert state(site=THERE) is HotfixState.APPLIED
    assert state(site=replace(THERE, pending={1: True})) is HotfixState.PENDING


def test_recalled_one_is_told_where_it_is_and_offered_nowhere():
    recalled = replace(R1, state=State.RECALLED)
    assert state(recalled, THERE) is HotfixState.RECALLED_THERE
    assert state(recalled) is HotfixState.NOT_APPLICABLE
    taken = judge(recalled, replace(SITE, downloaded=frozenset({1})), None)
    assert taken.state is HotfixState.DOWNLOADED and taken.why == "it was recalled"


def test_older_revision_in_force_is_obsolete_and_the_newer_one_available():
    assert state(replace(R1, newest=2), THERE) is HotfixState.OBSOLETE_REVISION
    assert state(replace(R1, id=2, number=2, newest=2, fixes=R1.fixes | {"BUG-2"}), THERE) is HotfixState.AVAILABLE


def test_hotfix_whose_fixes_others_in_force_bring_is_superseded():
    cumulative = replace(SITE, pending={7: False}, numbers={"CU-1": 1}, fixes={7: R1.fixes | {"BUG-2"}})
    assert state(site=cumulative) is HotfixState.SUPERSEDED
    named = replace(SITE, pending={7: False}, numbers={"CU-1": 1}, named={"HF-1": 1})
    assert state(site=named) is HotfixState.SUPERSEDED


def test_rolled_back_one_is_told_as_that_and_not_as_missing():
    assert state(site=replace(SITE, gone=frozenset({1}), downloaded=frozenset({1}))) is HotfixState.ROLLED_BACK


def test_hotfix_of_another_baseline_is_not_applicable_unless_this_one_has_its_fix():
    later = replace(SITE, baseline="2.0")
    assert state(site=later) is HotfixState.NOT_APPLICABLE
    assert state(site=replace(later, baseline_fixes=frozenset({"BUG-1"}))) is HotfixState.IN_BASELINE


def test_site_of_which_nothing_is_known_neither_has_nor_lacks_it():
    silent = replace(SITE, baseline=None)
    assert state(site=silent) is HotfixState.UNKNOWN
    assert state(site=replace(silent, downloaded=frozenset({1}))) is HotfixState.DOWNLOADED


def test_hotfix_for_named_customers_is_for_them_alone():
    theirs = replace(R1, customers=frozenset({"brio"}))
    assert state(theirs) is HotfixState.NOT_APPLICABLE
    assert state(theirs, replace(SITE, customer="brio")) is HotfixState.AVAILABLE


revisions = st.builds(
    RevisionFacts,
    id=st.integers(1, 4),
    hotfix=st.sampled_from(["HF-1", "HF-2"]),
    number=st.integers(1, 3),
    product=st.sampled_from(["demo", "other"]),
    baseline=st.sampled_from(["1.0", "2.0"]),
    state=st.sampled_from(State),
    fixes=st.frozensets(st.sampled_from(["BUG-1", "BUG-2"])),
    customers=st.none() | st.just(frozenset({"acme"})),
    newest=st.integers(0, 3),
)
sites = st.builds(
    SiteFacts,
    customer=st.sampled_from(["acme", "brio"]),
    product=st.sampled_from(["demo", "other"]),
    baseline=st.none() | st.sampled_from(["1.0", "2.0"]),
    pending=st.dictionaries(st.integers(1, 4), st.booleans()),
    numbers=st.dictionaries(st.sampled_from(["HF-1", "HF-2"]), st.integers(1, 3)),
    fixes=st.dictionaries(st.integers(1, 4), st.frozensets(st.sampled_from(["BUG-1", "BUG-2"]))),
    named=st.dictionaries(st.sampled_from(["HF-1", "HF-2"]), st.integers(1, 3)),
    gone=st.frozensets(st.integers(1, 4)),
    downloaded=st.frozensets(st.integers(1, 4)),
    baseline_fixes=st.frozensets(st.sampled_from(["BUG-1", "BUG-2"])),
)


@given(revisions, st.lists(sites, max_size=30), st.none() | st.just("not entitled"))
def test_states_of_all_sites_sum_to_the_fleet(revision, fleet, obstacle):
    counts = Counter(judge(revision, site, obstacle).state for site in fleet)
    assert sum(counts.values()) == len(fleet) and set(counts) <= set(HotfixState)
    unknown = sum(site.baseline is None for site in fleet)
    heard = [site for site in fleet if site.baseline is not None]
    assert HotfixState.UNKNOWN not in {judge(revision, site, obstacle).state for site in heard}
    assert counts[HotfixState.UNKNOWN] <= unknown


@given(revisions, sites, st.none() | st.just("not entitled"))
def test_what_is_not_in_force_never_counts_as_applied(revision, site, obstacle):
    found = judge(revision, site, obstacle).state
    there = revision.id in site.pending and site.product == revision.product
    applied = {HotfixState.APPLIED, HotfixState.PENDING, HotfixState.RECALLED_THERE}
    assert (found in applied) <= there
    if there and revision.state is State.RECALLED:
        assert found is HotfixState.RECALLED_THERE


@given(revisions, sites, st.none() | st.just("not entitled"))
def test_only_what_is_published_and_open_is_available(revision, site, obstacle):
    if judge(revision, site, obstacle).state is HotfixState.AVAILABLE:
        assert revision.state is State.PUBLISHED and obstacle is None
