"""How rollouts and recalls are shown, and what may be done to them by whom; on both databases."""

import re

from tests.mailing import Postbox, serving
from tests.pages import Visitor, make_app, text_of
from tests.registers import statements
from tests.releaser.rollouts.test_notices import with_server
from tests.rings import HOTFIX
from tests.web.rollouts.conftest import HOSTILE

LABEL = f"{HOTFIX}-r1"
PAGES = (
    "/rollouts/",
    f"/rollouts/{LABEL}",
    f"/rollouts/{LABEL}?stand=available",
    "/rollouts/freezes/",
    "/rollouts/recalls/",
    f"/rollouts/recalls/{LABEL}",
    f"/rollouts/notices/{LABEL}",
)
SETTINGS = {"soak_hours": "24", "success_percent": "90", "error_limit": "0", "silence_hours": "168"}


def plan(rita, **more):
    given = {"identifier": HOTFIX, "sites": "", "silence_limit": "0", **SETTINGS, **more}
    return rita.send("/rollouts/", **given)


def test_all_of_the_vendors_people_see_them_and_nobody_else(office):
    office.ground.rollout()
    for page in PAGES:
        assert office.visitor("cleo").get(page).status_code == 200, page
        assert Visitor(office.app, office.ground.register).get(page).status_code == 302, page


def test_lists_take_few_statements_and_come_in_other_forms(office):
    office.ground.rollout()
    sue = office.visitor("sue")
    for page in ("/rollouts/", "/rollouts/freezes/", "/rollouts/recalls/"):
        with statements(office.ground.register) as asked:
            assert sue.get(page).status_code == 200
        assert len(asked) <= 8, (page, asked)
    assert sue.get("/rollouts/?format=json").json["rollouts"][0]["revision"] == LABEL
    assert sue.get("/rollouts/?format=csv").text.startswith("revision,")
    assert sue.get(f"/rollouts/{LABEL}?format=json&stand=available").json["sites"][0]["stand"] == "available"
    assert sue.get("/rollouts/?state=none").status_code == 400
    assert sue.get(f"/rollouts/{LABEL}?stand=none").status_code == 400


def test_a_release_manager_takes_a_rollout_from_plan_to_the_next_stage(plain):
    rita = plain.visitor("rita")
    planned = plan(rita, sites="acme-test")
    assert (planned.status_code, planned.location) == (303, f"/rollouts/{LABEL}")
    page = planned.location
    assert "Planned: it reaches nobody until you start it." in text_of(rita.get(page))
    assert rita.send(page, f"{page}/start").status_code == 303
    assert "0 of 1 site had it for 24 hours, 1 are needed; too few" in text_of(rita.get(page))
    plain.ground.applies("acme-test")
    plain.later(hours=1)
    rita = plain.visitor("rita")
    assert "23 hours of soak time left" in text_of(rita.get(page))
    plain.later(hours=23)
    again = plain.visitor("rita")
    assert "open the next stage" in text_of(again.get(page))
    assert again.send(page, f"{page}/promote").status_code == 303
    document = again.get(f"{page}?format=json").json
    assert document["stage"] == 2 and document["state"] == "running"


def test_pausing_stopping_and_problems_have_reasons(plain):
    plain.ground.rollout()
    rita, page = plain.visitor("rita"), f"/rollouts/{LABEL}"
    assert rita.send(page, f"{page}/pause", reason="").status_code == 400
    assert rita.send(page, f"{page}/problem", site="acme-test", reason=HOSTILE).status_code == 303
    assert rita.send(page, f"{page}/pause", reason=HOSTILE).status_code == 303
    shown = rita.get(page)
    assert f"Paused: {HOSTILE}" in text_of(shown) and HOSTILE not in shown.text
    assert rita.send(page, f"{page}/start").status_code == 303
    assert rita.send(page, f"{page}/stop", reason="r2 is better").status_code == 303
    assert "Stopped: r2 is better" in text_of(rita.get(page))
    refused = rita.send("/rollouts/", f"{page}/promote")
    assert refused.status_code == 409 and "is stopped" in text_of(refused)
    assert rita.send("/rollouts/", f"{page}/explode").status_code == 400


def test_who_does_not_manage_releases_is_refused_and_sees_no_form(plain):
    plain.ground.rollout()
    page = f"/rollouts/{LABEL}"
    cleo = plain.visitor("cleo")
    assert "Pause or stop it" not in cleo.get(page).text
    assert cleo.send("/rollouts/", f"{page}/promote").status_code == 403
    sue = plain.visitor("sue")
    assert sue.send(page, f"{page}/problem", site="acme-test", reason="does harm").status_code == 303
    assert "1 ; none is borne" in text_of(sue.get(page))


def test_a_freeze_is_added_shown_and_ended(plain):
    rita = plain.visitor("rita")
    plain.ground.rollout()
    begin, end = plain.ground.now.isoformat(), "2027-01-05"
    given = {"begins": begin, "ends": end, "reason": "year end", "product": "demo", "customer": "", "site": ""}
    assert rita.send("/rollouts/freezes/", **given).status_code == 303
    assert "product demo" in text_of(rita.get("/rollouts/freezes/"))
    assert "frozen, year end" in text_of(rita.get(f"/rollouts/{LABEL}"))
    number = rita.get("/rollouts/freezes/?format=json").json["freezes"][0]["freeze"]
    plain.later(hours=1)
    assert rita.send("/rollouts/freezes/", f"/rollouts/freezes/{number}/end").status_code == 303
    assert "Nothing is frozen" in text_of(rita.get("/rollouts/freezes/"))
    assert rita.send("/rollouts/freezes/", **{**given, "ends": "soon"}).status_code == 400


def test_a_recall_shows_who_runs_it_and_keeps_what_they_say(plain):
    plain.ground.applies("acme-test", "globex-one")
    plain.ground.downloads("initech-main")
    plain.recall()
    sue, page = plain.visitor("sue"), f"/rollouts/recalls/{LABEL}"
    assert "still in force 2 times" in text_of(sue.get("/rollouts/recalls/"))
    text = text_of(sue.get(page))
    assert "2 sites still run it; 2 said nothing yet." in text and "loses orders" in text
    said = {"site": "acme-test", "customer": "", "person": "Eve", "action": "rolled-back", "at": ""}
    assert sue.send(page, **said, evidence=HOSTILE).status_code == 303
    shown = sue.get(page)
    assert "rolled-back, says Eve" in text_of(shown) and HOSTILE not in shown.text
    assert "1 said nothing yet" in text_of(shown)
    assert sue.send(page, **{**said, "action": "prayed"}, evidence="x").status_code == 400
    first = sue.get(f"{page}?format=json&limit=2").json
    rest = sue.get(f"{page}?format=json&limit=2&after={first['after']}").json
    assert len(first["sites"]) == 2 and len(rest["sites"]) == 1 and rest["after"] is None


def test_messages_are_read_before_they_are_sent(plain):
    plain.ground.applies("acme-test")
    plain.recall()
    page = f"/rollouts/notices/{LABEL}"
    with serving(Postbox()) as box:
        app = make_app(with_server(plain.ground, box), plain.clock)
        sue = Visitor(app, plain.ground.register, plain.ground.now).signed_in("sue")
        shown = sue.get(page)
        assert "1 message to send" in text_of(shown) and "loses orders" in text_of(shown)
        [message] = re.findall('name="message" value="([^"]+)"', shown.text)
        sent = sue.send(page, message=message)
        assert sent.status_code == 303 and box.recipients == ["eve@acme.example"]
        assert "Nobody is left to be told; 1 told before" in text_of(sue.get(page))
    sue.get(page)
    changed = sue.send(page, message="another")
    assert changed.status_code == 409 and "not those that you read" in text_of(changed)
