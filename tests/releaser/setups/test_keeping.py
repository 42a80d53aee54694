"""The registry of setups: it knows where credentials lie, and never what they are."""

import pytest
from sqlalchemy import inspect

from patchline.patches.errors import PatchlineError
from patchline.releaser.register import opened
from patchline.releaser.setups import keeping
from patchline.releaser.setups.endpoints import read_endpoint
from patchline.releaser.tables.setups import KINDS
from tests.fleets import Fleet
from tests.programs import run
from tests.registers import NOW, make_home, statements
from tests.setups import endpoint, setup, site


def refused(work, *arguments):
    with pytest.raises(PatchlineError) as caught:
        work(*arguments)
    return caught.value.code


def test_setup_is_a_site_with_team_facets_and_endpoints(register):
    site(register, "lab-1", "lab-2")
    facets = (("database", "PostgreSQL 15"), ("ldap", "OpenLDAP"), ("ldap", "OpenLDAP"))
    with register.change("ada", NOW) as change:
        made = keeping.add(change, keeping.NewSetup("lab-1", "platform", True, facets, (endpoint(),)))
    assert [facet.value for facet in made.facets] == ["PostgreSQL 15", "OpenLDAP"]
    setup(register, "lab-2", team="web")
    with register.read() as session:
        assert keeping.the_setup(session, "lab-1").endpoint("db")[1] is None
        assert [one.site.name for one in keeping.listed(session, 9, team="web")] == ["lab-2"]
        assert [one.site.name for one in keeping.listed(session, 9, facets=("OpenLDAP", "PostgreSQL 15"))] == ["lab-1"]
        assert [one.site.name for one in keeping.listed(session, 9, after="lab-1")] == ["lab-2"]


def test_list_asks_as_much_for_many_setups_as_for_one(register):
    labs = [f"lab-{number}" for number in range(6)]
    site(register, *labs)
    counts = []
    for lab in labs:
        setup(register, lab, endpoint(), endpoint("web", "https://web.example/", "http"))
        with statements(register) as said, register.read() as session:
            keeping.listed(session, 50)
        counts.append(len(said))
    assert counts[0] == counts[-1] <= 4


def test_setup_of_no_site_of_production_or_made_twice_is_refused(register):
    site(register, "lab-1", "Lab_2")
    Fleet(register).site("acme-main", "own")

    def adding(name, by="ada", **more):
        with register.change(by, NOW) as change:
            keeping.add(change, keeping.NewSetup(name, "platform", **more))

    assert refused(adding, "nowhere") == "not-found.site"
    assert refused(adding, "acme-main") == "refused.setup-production"
    assert refused(adding, "Lab_2") == "usage.setup-name"
    assert refused(lambda: adding("lab-1", facets=(("taste", "x"),))) == "usage.setup-field"
    assert refused(lambda: adding("lab-1", endpoints=(endpoint("../x"),))) == "usage.setup-name"
    assert refused(lambda: adding("lab-1", endpoints=(endpoint(), endpoint()))) == "state.setup-exists"
    adding("lab-1")
    assert refused(adding, "lab-1") == "state.setup-exists"
    with register.read() as session:
        assert refused(keeping.the_setup, session, "lab-9") == "not-found.setup"


@pytest.mark.parametrize(
    ("kind", "address", "code"),
    [
        ("database", "postgresql://ann:hunter2@lab/shop", "usage.setup-secret"),
        ("database", "postgresql://lab/shop?password=hunter2", "usage.setup-secret"),
        ("http", "https://:hunter2@lab/", "usage.setup-secret"),
        ("http", "hunter2", "usage.setup-field"),
        ("http", "postgresql://lab/hunter2", "usage.setup-field"),
        ("database", "postgresql://lab:hunter2/x", "usage.setup-field"),
        ("gopher", "gopher://lab", "usage.setup-field"),
    ],
)
def test_address_holds_no_login_and_is_not_repeated_when_refused(kind, address, code):
    with pytest.raises(PatchlineError) as caught:
        read_endpoint("db", kind, address)
    assert caught.value.code == code and "hunter2" not in caught.value.message
    assert refused(read_endpoint, "db", "ldap", "ldaps://lab", "ssh-certificate") == "usage.setup-field"
    assert kind not in KINDS or read_endpoint("db", "database", "postgresql:///shop?host=/run/pg").strategy


def test_no_column_of_setups_can_hold_a_secret(register):
    tables = inspect(register.database.engine)
    columns = {f"{table}.{one['name']}" for table in tables.get_table_names() for one in tables.get_columns(table)}
    ours = {name for name in columns if name.startswith("setup")}
    assert ours
    assert not [name for name in ours if any(word in name for word in ("password", "secret", "token", "hash", "key"))]


def test_setups_are_added_listed_and_shown_without_any_vault(tmp_path):
    home = make_home("sqlite", tmp_path / "home")
    with opened(home) as register:
        site(register, "lab-1")
    gone = {"PATCHLINE_PERSON": "ada", "PATCHLINE_VAULT_ADDRESS": "http://127.0.0.1:9"}

    def runs(*line, **more):
        return run("patchline", "setup", *line, "--home", home, environment=gone, **more)

    written = ["--facet", "database=PostgreSQL 15", "--endpoint", "db=database,postgresql://lab-1.example/shop"]
    assert runs("add", "lab-1", "--team", "platform", *written).out == "added lab-1 of team platform\n"
    assert "lab-1  platform  never reported  PostgreSQL 15" in runs("list").out
    shown = runs("show", "lab-1")
    assert "db: postgresql://lab-1.example/shop, loans by database-user" in shown.out
    assert "no credential in Vault" in shown.out
    document = runs("show", "lab-1", "--json").document
    assert document["endpoints"][0]["credential"] is None and document["known"]["evidence"] == "never-reported"
    for bad in ("db", "db=database", "db=database,"):
        assert runs("add", "lab-1", "--team", "x", "--endpoint", bad, expect=2).err.startswith("error: an endpoint")
