import pytest

from patchline.patches.errors import PatchlineError
from patchline.releaser.rollouts import rings
from tests.registers import statements


def refused(ground, action, *given, by="rita"):
    with pytest.raises(PatchlineError) as error, ground.change(by) as change:
        action(change, *given)
    return error.value.code


def listed(ground):
    with ground.register.read() as session:
        return [(one.name, one.ordinal, one.sites) for one in rings.listed(session, "demo")]


def test_rings_are_listed_in_their_order_with_their_sites(ground):
    with ground.change() as change:
        rings.add(change, "demo", "first", 0)
    assert listed(ground) == [("first", 0, 0), ("early", 1, 2), ("late", 2, 2)]


def test_site_is_in_one_ring_and_can_be_taken_out(ground):
    with ground.change() as change:
        assert rings.put(change, "demo", "late", ["a", "c"]) == ["a"]
        assert rings.put(change, "demo", None, ["d"]) == ["d"]
    assert listed(ground) == [("early", 1, 1), ("late", 2, 2)]


def test_retired_site_is_in_no_ring_any_more(ground):
    with ground.register.database.write() as session:
        session.get(rings.Site, ground.sites["a"]).retired = ground.now
    assert listed(ground) == [("early", 1, 1), ("late", 2, 2)]
    assert refused(ground, rings.put, "demo", "late", ["a"]) == "not-found.site"


def test_what_makes_no_ring_is_refused(ground):
    assert refused(ground, rings.add, "demo", "early") == "refused.ring-exists"
    assert refused(ground, rings.add, "demo", "other", 1) == "refused.ring-exists"
    assert refused(ground, rings.add, "demo", "everyone") == "usage.ring"
    assert refused(ground, rings.add, "demo", "Früh") == "usage.ring"
    assert refused(ground, rings.add, "shop", "early") == "not-found.product"
    assert refused(ground, rings.put, "demo", "gone", ["a"]) == "not-found.ring"
    assert refused(ground, rings.put, "demo", "early", ["a", "nowhere"]) == "not-found.site"
    assert refused(ground, rings.add, "demo", "other", by="sue") == "refused.role"


def test_listing_takes_one_statement(ground):
    with statements(ground.register) as said:
        listed(ground)
    assert len(said) == 1
