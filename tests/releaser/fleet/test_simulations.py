import json

import pytest
from sqlalchemy import select, update

from patchline.patches.errors import PatchlineError
from patchline.releaser.fleet import simulating, simulations
from patchline.releaser.fleet.simulating import levels_for
from patchline.releaser.hotfixes import find
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.tables.catalogue import Product
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Applied, SiteState
from patchline.releaser.tables.hotfixes import Hotfix
from patchline.releaser.tables.work import Simulation
from tests.fleets import Fleet
from tests.hotfixes import Life, changed, fix
from tests.programs import run
from tests.registers import NOW, statements

NO_RELATIONS = {name: [] for name in ("requires", "conflicts", "supersedes", "includes", "merges")}


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "bundles").mkdir()
    life = Life(register, tmp_path / "bundles").prepare()
    fleet = Fleet(register)
    fleet.customer("acme", tier="gold")
    fleet.customer("globex", tier="silver")
    return life


def site(life, name, *labels, customer="acme", baseline="1.0", **state):
    """Add a site that has these."""
    Fleet(life.register).site(name, customer)
    with life.register.database.write() as session:
        number = session.scalars(select(Site.id).where(Site.name == name)).one()
        values = {"baseline": baseline, "evidence": "told", "as_of": NOW, **state}
        session.execute(update(SiteState).where(SiteState.site == number).values(**values))
        for label in labels:
            session.add(Applied(site=number, revision=find(session, label).id, at=NOW, pending=False))


def simulated(life, identifier):
    made = simulations.run(life.register, identifier, "cleo", life.now)
    with life.register.read() as session:
        kept = session.get_one(Simulation, made.id)
        return kept.counts, {tuple(level["sites"]): level for level in simulations.levels_of(kept)}


def built(life, **changes):
    identifier = life.new()
    life.build(identifier, **changes)
    return identifier


def test_every_level_is_tried_once_and_says_what_would_become_of_it(life, monkeypatch):
    first = life.published(files=[changed("a.txt", b"old\n", b"a1\n")])
    requires = {**NO_RELATIONS, "requires": [{"hotfix": first, "revision": 1, "manifest": None}]}
    second = built(
        life,
        files=[changed("b.txt", b"b0\n", b"b1\n", fixes=["BUG-2"])],
        fixes=[fix("BUG-2")],
        relations=requires,
    )
    apart = life.published(files=[changed("c.txt", b"c0\n", b"c1\n", fixes=["BUG-9"])], fixes=[fix("BUG-9")])
    site(life, "bare-1")
    site(life, "has-other", apart)
    site(life, "bare-2", customer="globex", drift=2)
    site(life, "has-first", first)
    site(life, "older", baseline="0.9")
    site(life, "silent", baseline=None, evidence="never-reported", as_of=None)
    site(life, "strange", first, unknown=1)
    counts, levels = simulated(life, second)
    assert counts == {
        "takes": {"sites": 1, "customers": 1, "tiers": {"gold": 1}},
        "needs-first": {"sites": 3, "customers": 2, "tiers": {"gold": 2, "silver": 1}},
        "unknown": {"sites": 2, "customers": 1, "tiers": {"gold": 2}},
        "other-baseline": {"sites": 1, "customers": 1, "tiers": {"gold": 1}},
    }
    assert levels["bare-1", "bare-2"]["first"] == [f"{first}-r1"]
    assert levels["bare-1", "bare-2"]["drifting"] == ["bare-2"]
    assert levels["has-first",]["hotfixes"] == [f"{first}-r1"]
    monkeypatch.setattr(simulating, "_meeting", lambda _, there: set(there))
    assert simulated(life, second)[1] == levels  # What it meets nowhere has no part in any answer.
    assert levels["silent",]["reasons"] == ["its level was never told"]
    assert levels["strange",]["reasons"] == ["hotfixes are in force that the register does not know"]


def test_fix_that_would_be_lost_is_named_with_its_hotfix_and_clashes_with_their_reason(life):
    first = life.published(files=[changed("a.txt", b"old\n", b"a1\n")])
    clash = built(life, files=[changed("a.txt", b"old\n", b"a2\n", fixes=["BUG-2"])], fixes=[fix("BUG-2")])
    superseding = {**NO_RELATIONS, "supersedes": [{"hotfix": first, "revision": 1, "manifest": None}]}
    losing = built(
        life,
        files=[changed("a.txt", b"old\n", b"a3\n", fixes=["BUG-3"])],
        fixes=[fix("BUG-3")],
        relations=superseding,
    )
    site(life, "bare")
    site(life, "has-first", first)
    counts, levels = simulated(life, clash)
    assert {name: count["sites"] for name, count in counts.items()} == {"takes": 1, "refuses": 1}
    assert "both change app/a.txt" in levels["has-first",]["reasons"][0]
    _, levels = simulated(life, losing)
    assert levels["has-first",]["verdict"] == "would-lose"
    assert levels["has-first",]["loses"] == [{"fix": "BUG-1", "hotfix": f"{first}-r1"}]


def test_recalled_revision_in_force_does_not_count_as_containing_the_fix(life):
    first = life.published(files=[changed("a.txt", b"old\n", b"a1\n")])
    site(life, "has-it", first)
    counts, _ = simulated(life, first)
    assert set(counts) == {"has"}
    other = built(life, files=[changed("b.txt", b"b0\n", b"b1\n")])
    _, levels = simulated(life, other)
    assert levels["has-it",]["reasons"] == [f"contained in {first}-r1"]
    life.recall(first, life.recall_file(first, "ada", "ben"))
    _, levels = simulated(life, other)
    assert levels["has-it",]["verdict"] == "takes"


def test_only_customers_that_it_is_for_are_tried_in_a_constant_number_of_statements(life):
    identifier = life.new(customers=("globex",))
    life.build(identifier)
    site(life, "a")
    site(life, "g", customer="globex")
    counts, _ = simulated(life, identifier)
    assert counts == {"takes": {"sites": 1, "customers": 1, "tiers": {"silver": 1}}}
    with life.register.read() as session:
        hotfix = session.get_one(Hotfix, identifier)
        with statements(life.register) as said:
            levels_for(session, hotfix)
        assert len(said) == 2


def test_review_shows_whether_it_was_simulated_and_a_product_may_ask_for_it(life):
    identifier = built(life)

    def shown():
        document = run("patchline", "hotfix", "show", identifier, "--home", life.register.home, "--json").document
        return document["simulation"]["holds"]

    assert shown() == "no-sites"
    site(life, "bare")
    assert shown() == "missing"
    home = ["--home", life.register.home, "--as"]
    run("patchline", "product", "set", "demo", "--simulation", "required", *home, "cleo", expect=12)
    run("patchline", "product", "set", "demo", "--simulation", "required", *home, "rita")
    with pytest.raises(PatchlineError) as refused:
        life.submit(identifier)
    assert refused.value.code == "refused.not-simulated"
    said = run("patchline", "hotfix", "simulate", identifier, *home, "cleo").out
    assert "1 site of 1 customer (1 gold) can take it" in said
    assert shown() == "current"
    site(life, "another", customer="globex", baseline=None)
    assert shown() == "stale"
    with pytest.raises(PatchlineError):
        life.submit(identifier)
    simulated(life, identifier)
    life.submit(identifier)
    with life.register.read() as session:
        assert session.get_one(Product, "demo").simulation_required
        last = session.scalars(select(AuditEvent.body).order_by(AuditEvent.sequence.desc())).first()
        assert json.loads(last)["facts"]["simulation"] == "current"


def test_build_made_anew_needs_a_simulation_anew(life):
    identifier = built(life)
    site(life, "bare")
    simulated(life, identifier)
    life.build(identifier, files=[changed("b.txt", b"b0\n", b"b1\n")])
    with life.register.read() as session:
        assert simulations.standing(session, find(session, identifier)).words == "not simulated against sites"
