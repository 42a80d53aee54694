"""On what a hotfix was tested, whose sites are on something else, and what to borrow for a test of that."""

from datetime import timedelta

import pytest

from patchline.patches.errors import PatchlineError
from patchline.releaser.compatibility.answering import compatibility, sites_on
from patchline.releaser.compatibility.declaring import declare, declared
from patchline.releaser.compatibility.makeup import Makeup
from patchline.releaser.evidence import attach, given_for, read_results
from patchline.releaser.hotfixes import find
from patchline.releaser.setups import keeping
from patchline.releaser.tables.loans import Loan
from patchline.releaser.tables.setups import SetupFacet
from tests.programs import run
from tests.registers import NOW, statements

PASSED = '<testsuite name="{}"><testcase name="a"/></testsuite>'
FAILED = '<testsuite name="{}"><testcase name="a"><failure/></testcase></testsuite>'
POSTGRESQL, ORACLE = ("database", "PostgreSQL 15"), ("database", "Oracle 19")
OPENLDAP, ACTIVE = ("ldap", "OpenLDAP"), ("ldap", "Active Directory")
NSX = ("load-balancer", "NSX-T")


def refused(work, *arguments):
    with pytest.raises(PatchlineError) as caught:
        work(*arguments)
    return caught.value.code


def say(fleet, name, *facets):
    with fleet.register.change("rita", NOW) as change:
        return declare(change, name, facets)


def site(fleet, name, customer, *facets, **more):
    fleet.site(name, customer, **more)
    if facets:
        say(fleet, name, *facets)
    return name


def lab(fleet, name, *facets, team="platform"):
    fleet.site(name, "own", environment="test")
    with fleet.register.change("ada", NOW) as change:
        keeping.add(change, keeping.NewSetup(name, team, facets=facets))


def ran_on(life, tmp_path, identifier, setup, *facets, text=PASSED):
    path = tmp_path / f"{setup}.xml"
    path.write_text(text.format(setup))
    given = {}
    for kind, value in facets:
        given.setdefault(kind, []).append(value)
    with life.change("ada") as change:
        attach(change, identifier, [read_results(path)], setup, given)


def built(life):
    identifier = life.new()
    life.build(identifier)
    return identifier


def asked(life, identifier):
    with life.register.read() as session:
        return compatibility(session, identifier)


def test_customers_on_untested_combinations_are_told_with_the_delta_and_the_nearest_setups(life, fleet, tmp_path):
    lab(fleet, "lab-1", POSTGRESQL, OPENLDAP)
    lab(fleet, "lab-2", ORACLE, OPENLDAP, team="web")
    lab(fleet, "lab-3", ORACLE, ACTIVE)
    site(fleet, "acme-1", "acme", ("database", "postgresql  15"), OPENLDAP)
    site(fleet, "acme-2", "acme", ORACLE, ACTIVE, NSX)
    site(fleet, "beta-1", "beta", NSX, ACTIVE, ORACLE)
    site(fleet, "beta-2", "beta")
    identifier = built(life)
    ran_on(life, tmp_path, identifier, "lab-1")
    found = asked(life, identifier)
    assert [(one.sites, one.customers) for one in found.tested] == [(1, {"acme": 1})], "neither case nor spaces count"
    (untested,) = found.untested
    assert untested.customers == {"acme": 1, "beta": 1} and untested.run.setup == "lab-1"
    assert [facet.value for facet in untested.lacking] == ["Oracle 19", "Active Directory", "NSX-T"]
    assert [(near.candidate.setup, [facet.value for facet in near.lacking]) for near in untested.borrow] == [
        ("lab-3", ["NSX-T"]),
        ("lab-2", ["Active Directory", "NSX-T"]),
        ("lab-1", ["Oracle 19", "Active Directory", "NSX-T"]),
    ]
    assert found.unknown == {"beta": 1}
    with life.register.read() as session:
        assert [one.name for one in sites_on(session, identifier, found.untested, 9)] == ["acme-2", "beta-1"]
        assert [one.name for one in sites_on(session, identifier, found.untested, 9, "acme-2")] == ["beta-1"]
        assert [(one.name, one.makeup) for one in sites_on(session, identifier, None, 9)] == [("beta-2", None)]


def test_run_counts_when_all_its_tests_passed_and_only_with_all_facets_together(life, fleet, tmp_path):
    site(fleet, "acme-1", "acme", ORACLE, ACTIVE)
    identifier = built(life)
    assert asked(life, identifier).untested[0].run is None
    ran_on(life, tmp_path, identifier, "x", ORACLE, ACTIVE, text=FAILED)
    ran_on(life, tmp_path, identifier, "y", ORACLE, OPENLDAP)
    ran_on(life, tmp_path, identifier, "z", ACTIVE, POSTGRESQL)
    found = asked(life, identifier)
    assert [run.fine for run in found.runs] == [False, True, True]
    assert len(found.untested) == 1, "one had the database, another the directory, none had both"
    ran_on(life, tmp_path, identifier, "w", ORACLE, ACTIVE, OPENLDAP)
    found = asked(life, identifier)
    assert len(found.tested) == 1 and not found.untested


def test_pairs_that_customers_run_and_no_test_had_together_are_named(life, fleet, tmp_path):
    site(fleet, "acme-1", "acme", ORACLE, ACTIVE, NSX)
    site(fleet, "acme-2", "acme", ORACLE, ACTIVE)
    identifier = built(life)
    ran_on(life, tmp_path, identifier, "x", ORACLE, NSX)
    pairs = asked(life, identifier).pairs
    assert (pairs.covered, pairs.all) == (1, 3)
    assert [(one.first.value, one.second.value, one.sites) for one in pairs.missing] == [
        ("Oracle 19", "Active Directory", 2),
        ("Active Directory", "NSX-T", 1),
    ]


def test_free_setup_comes_before_one_that_is_lent_when_both_lack_as_much(life, fleet):
    lab(fleet, "lab-1", ORACLE)
    lab(fleet, "lab-2", ORACLE, OPENLDAP)
    site(fleet, "acme-1", "acme", ORACLE, ACTIVE)
    with life.register.change("ada", NOW) as change:
        taken = keeping.the_setup(change.session, "lab-1").setup.site
        loan = Loan(id="l1", setup=taken, borrower="bob", team="web", purpose="x", state="reserved")
        loan.starts = loan.requested = NOW
        loan.due, loan.with_login, loan.extended = NOW + timedelta(days=1), False, 0
        change.session.add(loan)
    borrow = asked(life, built(life)).untested[0].borrow
    assert [(near.candidate.setup, near.candidate.loan is None) for near in borrow] == [
        ("lab-2", True),
        ("lab-1", False),
    ]


def test_evidence_keeps_what_the_setup_was_made_of_when_the_tests_ran(life, fleet, tmp_path):
    lab(fleet, "lab-1", POSTGRESQL, OPENLDAP, ACTIVE)
    identifier = life.new()
    found = life.build(identifier)
    ran_on(life, tmp_path, identifier, "lab-1", ("database", "PostgreSQL 16"))
    with life.register.change("ada", NOW) as change:
        known = keeping.the_setup(change.session, "lab-1")
        for facet in known.facets:
            change.session.delete(change.session.get_one(SetupFacet, (known.setup.site, *facet)))
    (run_,) = asked(life, identifier).runs
    assert [facet.value for facet in run_.makeup.facets] == ["PostgreSQL 16", "Active Directory", "OpenLDAP"]
    with life.register.read() as session:
        given = given_for(session, find(session, identifier))
    life.submit(identifier, provenance=life.provenance(found, results=given))
    assert life.state(identifier) == "in-review", "the builder signed it with what the setup was made of"


def test_only_sites_that_the_hotfix_is_for_count_and_no_setups(life, fleet):
    lab(fleet, "lab-1", ORACLE)
    site(fleet, "acme-1", "acme", ORACLE)
    site(fleet, "beta-1", "beta", ORACLE)
    identifier = life.new(customers=("acme",))
    life.build(identifier)
    assert asked(life, identifier).untested[0].customers == {"acme": 1}


def test_answer_takes_as_many_statements_for_many_sites_as_for_one(life, fleet, tmp_path):
    identifier = built(life)
    counts = []
    for number in range(4):
        lab(fleet, f"lab-{number}", ORACLE, ("os", f"system {number}"))
        site(fleet, f"acme-{number}", "acme", POSTGRESQL, ("os", f"system {number}"))
        ran_on(life, tmp_path, identifier, f"lab-{number}")
        with statements(life.register) as said:
            asked(life, identifier)
        counts.append(len(said))
    assert counts[0] == counts[-1] <= 12


def test_nodes_are_made_as_their_whole_until_somebody_says_otherwise(life, fleet):
    site(fleet, "acme-1", "acme", ORACLE)
    site(fleet, "acme-1-a", "acme", part_of="acme-1")
    site(fleet, "acme-1-b", "acme", POSTGRESQL, part_of="acme-1")
    found = asked(life, built(life))
    assert sorted((one.makeup.facets[0].value, one.sites) for one in found.untested) == [
        ("Oracle 19", 2),
        ("PostgreSQL 15", 1),
    ]
    with life.register.read() as session:
        assert declared(session, "acme-1-a")[0] == Makeup.of([ORACLE])


def test_what_a_site_is_made_of_is_declared_changed_and_forgotten(fleet):
    site(fleet, "acme-1", "acme")
    assert say(fleet, "acme-1", ORACLE, ORACLE).facets == (ORACLE,)
    assert say(fleet, "acme-1", POSTGRESQL, OPENLDAP).facets == (POSTGRESQL, OPENLDAP)
    assert say(fleet, "acme-1").facets == ()
    with fleet.register.read() as session:
        assert declared(session, "acme-1") == (Makeup(()), None)
    assert refused(say, fleet, "acme-1", ("taste", "x")) == "usage.setup-field"
    assert refused(say, fleet, "acme-9", ORACLE) == "not-found.site"
    lab(fleet, "lab-1")
    assert refused(say, fleet, "lab-1", ORACLE) == "state.site-setup"


def test_commands_say_it_to_people_and_programs(life, fleet, tmp_path):
    lab(fleet, "lab-1", POSTGRESQL)
    site(fleet, "acme-1", "acme")
    identifier = built(life)
    ran_on(life, tmp_path, identifier, "lab-1")
    environment = {"PATCHLINE_PERSON": "rita", "PATCHLINE_HOME": str(life.register.home)}

    def runs(*line, **more):
        return run("patchline", *line, environment=environment, **more)

    assert runs("site", "facets", "acme-1").out == "acme-1: nobody said what it is made of\n"
    runs("site", "facets", "acme-1", "--facet", "database=Oracle 19", "--facet", "ldap=OpenLDAP")
    shown = runs("site", "facets", "acme-1", "--json").document
    assert shown["facets"][0] == {"kind": "database", "value": "Oracle 19"} and shown["told_by"] == "rita"
    text = runs("compatibility", identifier).out
    assert "tested on    lab-1: database PostgreSQL 15, 1 of 1 test passed" in text
    assert "untested     database Oracle 19, ldap OpenLDAP\n    at         1 site of acme" in text
    assert "delta      lab-1 lacks database Oracle 19, ldap OpenLDAP" in text
    assert "to borrow  lab-1 of team platform, free: lacks database Oracle 19, ldap OpenLDAP" in text
    assert "pairs        0 of 1 that customers run were tested together" in text
    document = runs("compatibility", identifier, "--json").document
    assert document["sites"] == {"tested": 0, "untested": 1, "unknown": 0}
    assert document["untested"][0]["borrow"][0]["free"] is True
    assert runs("compatibility", identifier, "--sites", "untested").out.startswith("acme-1  acme  database Oracle 19")
    assert runs("compatibility", identifier, "--sites", "unknown").out == "no site\n"
    assert runs("compatibility", "HF-2026-9999", expect=11).err.startswith("error:")
    runs("site", "facets", "acme-1", "--unknown")
    assert runs("compatibility", identifier, "--json").document["unknown"] == {"acme": 1}
