"""Setups are changed by whoever may see what they touch, and no credential is left lying about."""

import pytest

from patchline.patches.errors import PatchlineError
from patchline.releaser.setups import editing, keeping, rotating
from patchline.releaser.setups.editing import Edit
from patchline.releaser.tables.loans import Loan, LoanPart
from patchline.vault.connection import Connection
from patchline.vault.login import OwnToken
from patchline.vault.setups import Login, TeamSecrets
from tests.programs import run
from tests.registers import NOW
from tests.setups import endpoint, target_address

CANARY = "canary-hunter2"
PIN = f"SHA256:{'a' * 43}"


def edit(registry, vault, wanted, seen=None, by="ada"):
    return editing.edit(registry, lambda: vault, "lab-1", wanted, by, NOW, seen)


def refused(work, *arguments, **more):
    with pytest.raises(PatchlineError) as caught:
        work(*arguments, **more)
    assert CANARY not in str(caught.value)
    return caught.value.code


def lab(registry):
    with registry.read() as session:
        return keeping.the_setup(session, "lab-1")


def test_team_facets_and_endpoints_change_and_the_version_counts_each_change(registry, vault):
    before = lab(registry).setup.version
    facets = (("ldap", "OpenLDAP"), ("database", "PostgreSQL 16"))
    edit(registry, vault, Edit(team="web", sensitive=True, facets=facets))
    shell = endpoint("shell", "ssh://lab-1.example", "ssh")
    edit(registry, vault, Edit(endpoints=(shell, endpoint("ui", "https://127.0.0.1:9/", "http", "by-hand"))))
    edit(registry, vault, Edit(pins={"shell": PIN}, facets=()))
    now = lab(registry)
    assert (now.setup.team, now.setup.sensitive, now.facets, now.setup.version) == ("web", True, [], before + 3)
    assert now.endpoint("shell")[0].host_fingerprint == PIN and now.endpoint("ui")[0].strategy == "by-hand"
    edit(registry, vault, Edit(endpoints=(endpoint("shell", "ssh://other.example", "ssh"),)))
    assert lab(registry).endpoint("shell")[0].host_fingerprint is None, "it was compared at another host"


def test_of_two_who_edit_at_once_the_second_is_told(registry, vault):
    seen = lab(registry).setup.version
    edit(registry, vault, Edit(team="web"), seen)
    assert refused(edit, registry, vault, Edit(team="platform"), seen) == "state.edited"
    assert lab(registry).setup.team == "web"


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (Edit(), "usage.options"),
        (Edit(team="no/name"), "usage.setup-name"),
        (Edit(facets=(("taste", "x"),)), "usage.setup-field"),
        (Edit(drop=("nothing",)), "not-found.setup-endpoint"),
        (Edit(drop=("db", "db")), "usage.setup-field"),
        (Edit(endpoints=(endpoint(),), drop=("db",)), "usage.setup-field"),
        (Edit(endpoints=(endpoint("../x"),)), "usage.setup-name"),
        (Edit(pins={"db": PIN}), "usage.setup-field"),
        (Edit(endpoints=(endpoint("shell", "ssh://x", "ssh"),), pins={"shell": "SHA256:x"}), "usage.setup-field"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(registry, vault, wanted, code):
    before = lab(registry).setup.version
    assert refused(edit, registry, vault, wanted) == code
    assert lab(registry).setup.version == before


def test_credential_of_an_endpoint_that_is_dropped_is_destroyed_with_all_its_versions(registry, vault):
    number = vault.write("lab-1/team/db", Login("shop", CANARY), 0)
    vault.write("lab-1/team/db", Login("shop", "newer"), number)
    with registry.change("ada", NOW) as change:
        row, _ = keeping.the_setup(change.session, "lab-1").endpoint("db")
        rotating.remember(change, row, "lab-1/team/db", "shop", 2)
    done = edit(registry, vault, Edit(drop=("db", "ui")))
    assert done.destroyed == ("db",) and not done.setup.endpoints
    assert vault.read("lab-1/team/db", 1) is None
    edit(registry, vault, Edit(endpoints=(endpoint("db", target_address()),)))
    assert lab(registry).endpoint("db")[1] is None, "one of the same name begins without a credential"


def test_who_may_not_see_the_credential_neither_moves_nor_drops_the_endpoint(registry, vault, space):
    vault.write("lab-1/team/db", Login("shop", CANARY), 0)
    space.policy("team-web", 'path "setups/data/lab-2/team/*" { capabilities = ["create", "read", "update"] }')
    token = space.root.auth.token.create(policies=["team-web"])["auth"]["client_token"]
    stranger = TeamSecrets(Connection(space.server, OwnToken(token)))
    moved = Edit(endpoints=(endpoint("db", "postgresql://mine.example/x"),))
    assert refused(edit, registry, stranger, moved) == "vault.denied"
    assert refused(edit, registry, stranger, Edit(drop=("db",))) == "vault.denied"
    assert lab(registry).endpoint("db")[0].address == target_address()
    edit(registry, stranger, Edit(endpoints=(endpoint("db", target_address(), "database", "by-hand"),)))
    edit(registry, vault, moved)
    assert vault.read("lab-1/team/db").login.password == CANARY


def test_endpoint_at_which_a_loan_has_a_login_stays_where_it_is(registry, vault):
    with registry.change("ada", NOW) as change:
        known = keeping.the_setup(change.session, "lab-1")
        loan = Loan(id="loan-1", setup=known.setup.site, borrower="bob", team="web", purpose="x", state="reserved")
        loan.starts = loan.due = loan.requested = NOW
        loan.with_login, loan.extended = False, 0
        row, _ = known.endpoint("db")
        change.session.add(loan)
        change.session.flush()
        part = LoanPart(loan="loan-1", endpoint=row.id, strategy=row.strategy, state="made")
        change.session.add(part)
    moved = endpoint("db", "postgresql://other.example/x")
    assert refused(edit, registry, vault, Edit(drop=("db",))) == "state.setup-lent"
    assert refused(edit, registry, vault, Edit(endpoints=(moved,))) == "state.setup-lent"
    edit(registry, vault, Edit(drop=("ui",), team="web"))
    with registry.change("ada", NOW) as change:
        change.session.merge(part).state = "dead"
    edit(registry, vault, Edit(drop=("db",)))


def test_vault_that_is_gone_keeps_an_endpoint_from_moving_and_nothing_else(registry, vault, space, monkeypatch):
    gone = TeamSecrets(Connection(type(space.server)("http://127.0.0.1:9"), OwnToken("hvs.none")))
    assert refused(edit, registry, gone, Edit(drop=("db",))) == "vault.unreachable"
    edit(registry, gone, Edit(team="web"))
    assert lab(registry).setup.team == "web" and lab(registry).endpoint("db")


def test_command_edits_and_its_refusal_is_an_event(home, space, vault):
    environment = {"VAULT_TOKEN": space.bao.root, "PATCHLINE_PERSON": "ada", "PATCHLINE_HOME": str(home)}

    def runs(*line, **more):
        return run("patchline", "setup", *line, environment=environment, **more)

    vault.write("lab-1/team/db", Login("shop", CANARY), 0)
    document = runs("edit", "lab-1", "--facet", "ldap=OpenLDAP", "--sensitive", "--json").document
    assert (document["sensitive"], document["facets"]) == (True, [{"kind": "ldap", "value": "OpenLDAP"}])
    assert runs("edit", "lab-1", "--drop", "db", "--seen", "1", "--json", expect=13).document["error"] == "state.edited"
    said = runs("edit", "lab-1", "--drop", "db", "--not-sensitive", "--no-facets").out
    assert said == "lab-1 changed\n  db: its credential is gone from Vault; end the login at the target too\n"
    assert runs("edit", "lab-1", "--facet", "os=x", "--no-facets", expect=2)
    told = run("patchline", "audit", "export", environment=environment).out
    assert "setup.edit" in told and "state.edited" in told and CANARY not in told
