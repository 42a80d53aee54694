"""What the pages of setups and loans show to whom, and what they write down; on both databases where it matters."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from patchline.releaser.loans import looking
from patchline.releaser.setups import keeping
from patchline.releaser.tables.loans import Loan
from patchline.releaser.tables.work import Wish
from tests import setups
from tests.lending import HOUR
from tests.pages import Visitor, make_app, text_of
from tests.registers import NOW, statements
from tests.web.lending.conftest import HOSTILE, SENSITIVE, untested

DUE = "2026-11-24T12:00"


def loan_of(lab, identifier):
    with lab.register.read() as session:
        return looking.the_loan(session, identifier).loan


def wishes(lab):
    with lab.register.read() as session:
        return [(wish.job, wish.arguments) for wish in session.scalars(select(Wish))]


def test_the_list_says_who_has_which_setup_and_since_when_we_know_its_level(lab):
    lab.lent("lab-1", hours=12)
    lab.ask("lab-3", starts=NOW + 24 * HOUR, hours=48)
    page = lab.visitor("sue").get("/setups/")
    text = text_of(page)
    assert "2 of 3 setups are free; 1 due within a day." in text
    assert "due-soon mobile until 2026-11-23 00:00 UTC" in text and "booked by mobile from 2026-11-23 12:00 UTC" in text
    assert "never reported" in text and "sensitive" in text
    assert HOSTILE[:8] not in page.text and HOSTILE[:8] in text, "a facet is shown as it was written, and never runs"


def test_lists_take_few_statements_however_long_and_come_in_other_forms(lab):
    names = [f"more-{number:02}" for number in range(40)]
    with lab.register.change("rita", NOW) as change:
        customer = keeping.the_setup(change.session, "lab-1").site.customer
    fleet = setups.Fleet(lab.register)
    for name in names:
        fleet.site(name, customer, environment="test")
        setups.setup(lab.register, name, setups.endpoint("db"))
    for name in names[:20]:
        lab.lent(name)
    sue = lab.visitor("sue")
    for page in ("/setups/", "/loans/", "/setups/?state=on-loan&team=platform"):
        with statements(lab.register) as asked:
            assert sue.get(page).status_code == 200
        assert len(asked) <= 8, (page, asked)
    first = sue.get("/setups/?limit=10&format=json").json
    assert [one["setup"] for one in first["setups"]][:3] == ["lab-1", SENSITIVE, "lab-3"]
    second = sue.get(f"/setups/?limit=10&format=json&after={first['after']}").json
    assert second["setups"][0]["setup"] == "more-07" and second["setups"][0]["state"] == "on-loan"
    assert sue.get("/setups/?format=csv").text.startswith("setup,team,state,loan,")
    assert len(sue.get("/loans/?format=json").json["loans"]) == 20
    assert sue.get("/loans/?format=csv").text.startswith("loan,state,setup,")


def test_setups_are_found_by_team_facet_and_state(plain):
    plain.lent("lab-1")
    sue = plain.visitor("sue")

    def names(query):
        return [one["setup"] for one in sue.get(f"/setups/?format=json&{query}").json["setups"]]

    assert names("state=free") == [SENSITIVE, "lab-3"] and names("state=on-loan") == ["lab-1"]
    assert names("team=web") == [SENSITIVE] and names("facet=OpenLDAP") == [SENSITIVE]
    assert names("facet=OpenLDAP&team=platform") == []
    assert sue.get("/setups/?state=lost").status_code == 400
    assert "No setup is like that" in text_of(sue.get("/setups/?team=nobody"))


def test_a_setup_shows_where_its_credentials_lie_and_what_becomes_of_it(plain):
    plain.credential()
    booked = plain.ask(starts=NOW + 24 * HOUR, hours=48, purpose=HOSTILE[:-1])
    page = plain.visitor("sue").get("/setups/lab-1")
    text = text_of(page)
    assert "It is free until team mobile has it from 2026-11-23 12:00 UTC" in text
    assert "shop_admin patchline/setups/lab-1/team/db , version 4" in text and "a database user of Vault's" in text
    assert booked in text and "<script>alert" not in page.text
    assert "Change it" not in text, "support keeps no setups"
    document = plain.visitor("sue").get("/setups/lab-1?format=json").json
    assert document["endpoints"][0]["credential"]["version"] == 4 and document["booking"]["loan"] == booked
    assert plain.visitor("sue").get("/setups/lab-9").status_code == 404


def test_an_edit_counts_only_if_nobody_changed_the_setup_meanwhile(plain):
    ada = plain.visitor("ada")
    form = {"team": "web", "facets": "database=PostgreSQL 16\nldap=OpenLDAP\n", "sensitive": "1", "seen": "1"}
    assert ada.send("/setups/lab-1", "/setups/lab-1/edit", **form).status_code == 303
    document = ada.get("/setups/lab-1?format=json").json
    assert (document["team"], document["sensitive"], document["version"]) == ("web", True, 2)
    assert [one["value"] for one in document["facets"]] == ["PostgreSQL 16", "OpenLDAP"]
    stale = ada.send("/setups/lab-1", "/setups/lab-1/edit", **{**form, "team": "mobile"})
    assert stale.status_code == 409 and "changed meanwhile" in text_of(stale)
    for wrong in ({"seen": "x"}, {"team": ""}, {"facets": "no facet"}, {"facets": "colour=red"}):
        assert ada.send("/setups/lab-1", "/setups/lab-1/edit", **{**form, "seen": "2", **wrong}).status_code in (
            400,
            409,
        )
    assert ada.get("/setups/lab-1?format=json").json["version"] == 2


def test_a_loan_is_asked_for_by_a_form_that_a_link_may_fill(lab):
    sue = lab.visitor("sue")
    form = sue.get("/setups/lab-1/borrow?purpose=Test+%22%3E%3Cscript%3E")
    assert "<script>" not in form.text.split("<main")[1] and "Test &#34;&gt;" in form.text
    sent = sue.send("/setups/lab-1/borrow", purpose=HOSTILE[:-1], team="mobile", starts="", due=DUE)
    assert sent.status_code == 303 and sent.location.startswith("/loans/l")
    page = sue.get(sent.location)
    assert "It waits until a keeper of setups, not sue, lends it." in text_of(page)
    assert "<script>alert" not in page.text and "Lend it" not in text_of(page)
    assert 'value="mobile"' in sue.get("/setups/lab-3/borrow").text, "the team is as last time"
    for wrong in ({"due": "soon"}, {"team": "platform"}, {"purpose": HOSTILE}, {"due": "2026-11-01T00:00"}):
        given = {"purpose": "x", "team": "mobile", "starts": "", "due": DUE, **wrong}
        assert sue.send("/setups/lab-3/borrow", **given).status_code in (400, 403), wrong
    taken = sue.send("/setups/lab-1/borrow", purpose="x", team="mobile", starts="", due=DUE)
    assert taken.status_code == 409


def test_lending_waits_for_vault_and_nothing_is_written_while_it_does_not_answer(plain):
    """The register of this test says nowhere where Vault is."""
    loan = plain.ask()
    refused = plain.visitor("ada").send(f"/loans/{loan}", f"/loans/{loan}/approve")
    assert refused.status_code == 503 and loan_of(plain, loan).approved is None
    assert wishes(plain) == []
    assert plain.visitor("ada").get("/setups/").status_code == 200


def test_returning_needs_no_vault_and_leaves_the_rest_to_the_broker(lab):
    loan = lab.lent()
    sue = lab.visitor("sue")
    assert f"patchline loan open {loan}" in sue.get(f"/loans/{loan}").text
    assert f"patchline loan open {loan}" not in lab.visitor("ada").get(f"/loans/{loan}").text
    assert sue.send(f"/loans/{loan}", f"/loans/{loan}/return").status_code == 303
    assert loan_of(lab, loan).state == "revoking" and ("loan", {"loan": loan}) in wishes(lab)
    page = sue.get(f"/loans/{loan}")
    assert "The broker ends its logins; it is back when each was seen to fail." in text_of(page)
    assert "This page only wrote it down; the broker does it." in text_of(page) and "hx-get" in page.text
    lab.clock.now += timedelta(minutes=2)
    assert "it does not run, or Vault does not answer" in text_of(lab.visitor("sue").get(f"/loans/{loan}"))


def test_the_state_that_is_asked_for_again_loads_the_page_once_it_moved_on(plain):
    loan = plain.approve(plain.ask())
    sue = plain.visitor("sue")
    same = sue.get(f"/loans/{loan}/state?was=issuing")
    assert "HX-Refresh" not in same.headers and "The broker issues it" in same.text and "<html" not in same.text
    plain.put(loan, "on-loan", issued=NOW)
    assert sue.get(f"/loans/{loan}/state?was=issuing").headers["HX-Refresh"] == "true"


def test_each_sees_the_forms_that_are_theirs(plain):
    loan = plain.ask(by="bob")

    def offered(person):
        page = plain.visitor(person).get(f"/loans/{loan}").text
        return {one for one in ("approve", "extend", "return", "cancel") if f"/loans/{loan}/{one}" in page}

    assert offered("bob") == {"cancel"}, "nobody lends to themselves"
    assert offered("ada") == {"approve", "cancel"} and offered("sue") == set() == offered("ann")
    plain.put(plain.approve(loan), "on-loan", issued=NOW)
    assert offered("bob") == {"return"} and offered("ada") == {"extend", "return"} and offered("sue") == set()
    assert plain.visitor("sue").send("/me/", f"/loans/{loan}/return").status_code == 403
    assert plain.visitor("ann").send("/me/", f"/loans/{loan}/return").status_code == 403


def test_a_sensitive_setup_is_lent_on_the_lenders_own_machine(plain):
    loan = plain.ask(SENSITIVE)
    page = plain.visitor("ada").get(f"/loans/{loan}")
    assert f"patchline loan approve {loan}" in text_of(page) and f"/loans/{loan}/approve" not in page.text


def test_what_was_lent_by_hand_is_ended_by_a_keepers_word(plain):
    loan = plain.ask("lab-3")
    assert "ui is lent by hand: what you did" in text_of(plain.visitor("ada").get(f"/loans/{loan}"))
    plain.put(plain.approve(loan, done={"ui": "made account x"}), "on-loan", issued=NOW)
    ada, page = plain.visitor("ada"), f"/loans/{loan}"
    assert ada.send(page, f"{page}/return").status_code == 303
    assert "ends by hand what was lent by hand" in text_of(ada.get(page))
    assert ada.send(page, f"{page}/return", **{"done-ui": HOSTILE[:-1]}).status_code == 303
    shown = ada.get(page)
    assert "not verifiable somebody says: <script>alert(1)" in text_of(shown) and "<script>alert" not in shown.text
    assert ada.send(page, f"{page}/return", **{"done-nowhere": "x"}).status_code == 400


@pytest.mark.parametrize(
    ("state", "columns", "says"),
    [
        ("quarantined", {"trouble": "lab-1 db: down"}, "a keeper of lab-1 ends them by hand"),
        ("returned", {"ended": NOW, "level_before": "a", "level_after": "b"}, "a when lent, b when back look at it"),
        ("on-loan", {"alarm": NOW}, "Somebody else may have its logins"),
        ("on-loan", {"opened": NOW}, "Team mobile has it until 2026-11-24 12:00 UTC"),
    ],
)
def test_a_loan_says_what_comes_next(plain, state, columns, says):
    loan = plain.put(plain.lent(), state, **columns)
    assert says in text_of(plain.visitor("ada").get(f"/loans/{loan}"))
    listed = text_of(plain.visitor("ada").get("/loans/?ended=1"))
    assert loan in listed


def test_a_hand_over_is_told_as_delivered_or_never_opened(plain):
    loan = plain.lent()
    plain.handed(loan)
    assert "Hand-over delivered" in text_of(plain.visitor("sue").get(f"/loans/{loan}"))
    plain.clock.now += 2 * HOUR
    assert "was never opened: sue asks for another" in text_of(plain.visitor("sue").get(f"/loans/{loan}"))


def test_cancelling_has_a_reason_and_ends_a_booking(plain):
    loan = plain.ask()
    sue, page = plain.visitor("sue"), f"/loans/{loan}"
    assert sue.send(page, f"{page}/cancel", reason=" ").status_code == 400
    assert sue.send(page, f"{page}/cancel", reason="not needed").status_code == 303
    assert loan_of(plain, loan).state == "cancelled" and "It is over and was never lent." in text_of(sue.get(page))
    assert sue.get("/loans/l0zzzzzz").status_code == 404 and sue.get("/loans/..%2fx").status_code == 404


def test_nobody_without_a_session_sees_any_of_it(plain):
    loan = plain.ask()
    for page in ("/setups/", "/setups/lab-1", "/setups/lab-1/borrow", "/loans/", f"/loans/{loan}"):
        assert Visitor(plain.app, plain.register).get(page).status_code == 302, page
    assert "Setups" in text_of(plain.visitor("ann").get("/"))
    with plain.register.read() as session:
        assert session.scalar(select(Loan.id)) == loan


def test_a_hotfix_says_whose_sites_run_what_no_test_had_and_what_to_borrow(register, tmp_path):
    hotfix = untested(register, tmp_path / "life", setups.endpoint("db"))
    visitor = Visitor(make_app(register), register).signed_in("cleo")
    with statements(register) as asked:
        page = visitor.get(f"/hotfixes/{hotfix}/compatibility")
    assert len(asked) <= 16, asked
    text = text_of(page)
    assert "1 site of customers runs a combination that no test had: borrow the nearest setup" in text
    assert "1 site of acme . The nearest test, on lab-1, lacks database Oracle 19, ldap OpenLDAP <script>" in text
    assert "<script>alert" not in page.text and "/setups/lab-1/borrow?purpose=Test+" in page.text
    assert visitor.get(f"/hotfixes/{hotfix}/compatibility?format=json").json["sites"]["unknown"] == 1
    assert visitor.get(f"/hotfixes/{hotfix}/compatibility?format=csv").text.startswith("combination,tested,")
    for which, site in (("tested", "acme-1"), ("untested", "acme-2"), ("unknown", "acme-3")):
        listed = visitor.get(f"/hotfixes/{hotfix}/compatibility/{which}?format=json").json["sites"]
        assert [one["site"] for one in listed] == [site], which
    assert visitor.get(f"/hotfixes/{hotfix}/compatibility/most").status_code == 400
    assert visitor.get("/hotfixes/HF-2026-0999/compatibility").status_code == 404
