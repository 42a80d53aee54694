import pytest

from patchline.patches.errors import PatchlineError, RefusedError
from patchline.releaser.fleet import customers, sites
from patchline.releaser.fleet.customers import NewCustomer
from patchline.releaser.fleet.sites import NewSite
from patchline.releaser.tables.fleet import EvidenceGrade, SiteState
from tests.fleets import Fleet
from tests.registers import NOW, statements


@pytest.fixture
def fleet(register):
    return Fleet(register).product("demo", "1.0")


def test_customers_and_sites_are_added_with_aliases_that_tell_nothing(fleet):
    fleet.customer("acme", title="Acme Ltd", tier="gold")
    fleet.site("acme-main", window="Sat 22:00-04:00 Europe/Berlin", connectivity="air-gapped")
    fleet.site("acme-node-1", part_of="acme-main", alias="the first")
    with fleet.register.read() as session:
        (found,) = customers.listed(session, 10)
        main, node = sites.listed(session, 10)
        assert (found.sites, found.customer.tier) == (2, "gold")
        assert found.customer.alias.startswith("C-") and "acme" not in main.site.alias.lower()
        assert node.site.part_of == main.site.id and node.site.alias == "the first"
        assert sites.nodes(session, main.site) == [node.site]
        assert main.state.evidence == EvidenceGrade.NEVER and session.query(SiteState).count() == 2
        assert [one.site.name for one in sites.listed(session, 1, after="acme-main")] == ["acme-node-1"]


def test_lists_take_one_statement_however_long_they_are(fleet):
    for number in range(3):
        fleet.customer(f"c{number}")
        fleet.site(f"s{number}", f"c{number}")
    with fleet.register.read() as session, statements(fleet.register) as said:
        assert len(customers.listed(session, 10)) == len(sites.listed(session, 10)) == 3
    assert len(said) == 2


CANNOT_BE = [
    ({"name": "a b"}, "usage.customer-field"),
    ({"environment": "prod"}, "usage.customer-field"),
    ({"connectivity": "wifi"}, "usage.customer-field"),
    ({"title": "a\nb"}, "usage.customer-field"),
    ({"window": "at night"}, "usage.window"),
    ({"customer": "nobody"}, "not-found.customer"),
    ({"product": "shop"}, "not-found.product"),
    ({"part_of": "nowhere"}, "not-found.site"),
    ({"part_of": "beta-main"}, "state.site-node"),
    ({"name": "acme-main"}, "state.site-exists"),
    ({"alias": "taken"}, "state.alias-exists"),
]


def test_site_that_cannot_be_is_refused_and_leaves_nothing(fleet):
    for name in ("acme", "beta"):
        fleet.customer(name)
        fleet.site(f"{name}-main", name, alias="taken" if name == "beta" else None)
    for changes, code in CANNOT_BE:
        with pytest.raises(PatchlineError) as refusal, fleet.register.change("rita", NOW) as change:
            sites.add(change, NewSite(**{"name": "new", "customer": "acme", "product": "demo", **changes}))
        assert refusal.value.code == code
    with fleet.register.read() as session:
        assert [one.site.name for one in sites.listed(session, 10)] == ["acme-main", "beta-main"]


def test_only_support_and_release_managers_add_customers(fleet):
    with pytest.raises(RefusedError), fleet.register.change("ada", NOW) as change:
        customers.add(change, NewCustomer("acme", "Acme"))
