"""Pages of engineers: their work, lists of hotfixes, one revision with what may be done next, baselines, campaigns."""

import io

import pytest

from patchline.releaser import bundles, hotfixes, policies
from patchline.releaser.desk import fix_matrix, listing, my_work
from patchline.releaser.overview import Filter
from patchline.releaser.states import Action
from patchline.releaser.tables.catalogue import Affected, Issue
from patchline.releaser.tables.hotfixes import Campaign, CampaignBaseline
from patchline.releaser.tables.people import Person, PersonRole, Role
from tests import vendor
from tests.browser import serving
from tests.hotfixes import Life, changed, fix
from tests.pages import Visitor, make_app, text_of
from tests.registers import statements

HOSTILE = "<script>alert(1)</script> 'x'"
JUNIT = b'<testsuite><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite>'


@pytest.fixture
def life(embedded, tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    return Life(embedded, folder).prepare()


@pytest.fixture
def app(life):
    return make_app(life.register)


def visitor(app, life, person):
    return Visitor(app, life.register).signed_in(person)


def add_campaign(life, identifier="C-2026-0001"):
    with life.register.database.write() as session:
        session.add(
            Campaign(
                id=identifier,
                product="demo",
                title="Count every item",
                commits=["d" * 40],
                severity="important",
                fixes=[{"id": "BUG-9", "title": "x", "coverage": "full"}],
                added=life.now,
                added_by="cleo",
            )
        )
        session.flush()
        given = {"campaign": identifier, "product": "demo", "contained": []}
        session.add(CampaignBaseline(baseline="1.0", conflicts=["a.txt"], stopped_at="d" * 40, **given))
        session.add(CampaignBaseline(baseline="2.0", conflicts=[], **given))


def test_my_work_says_what_waits_for_whom(app, life):
    draft = life.new("cleo", title="A draft of Cleo's")
    built = life.new("cleo", title="Built and not submitted")
    life.build(built)
    review = life.reviewed(wanted={"title": "In review"}, title="In review")
    approved = life.approved(wanted={"title": "Approved"}, title="Approved")
    cleo = text_of(visitor(app, life, "cleo").get("/"))
    assert "2 hotfixes to bring further wait for you" in cleo
    mine, others = cleo.split("With others")
    assert "cleo builds it" in mine and "cleo signs and submits it" in mine and draft in mine
    assert review in others and "approvers sign it (0 approvals so far)" in others and approved in others
    ada = text_of(visitor(app, life, "ada").get("/"))
    assert "1 review to sign waits for you" in ada and review in ada.split("To bring further")[0]
    rita = visitor(app, life, "rita").get("/?format=json").json
    assert [one["hotfix"] for one in rita["yours"]] == [approved] and rita["yours"][0]["to"] == "publishes it"


def test_my_work_tells_of_failed_tests_and_of_fixes_that_did_not_arrive(app, life):
    life.add_baseline("2.0")
    identifier = life.new("cleo")
    life.build(identifier)
    add_campaign(life)
    cleo = visitor(app, life, "cleo")
    given = {"results": (io.BytesIO(JUNIT), "../nightly<b>.xml"), "setup": "lab-3"}
    assert cleo.send(f"/hotfixes/{identifier}", f"/hotfixes/{identifier}/evidence", **given).status_code == 303
    page = cleo.get("/")
    told = text_of(page)
    assert "1 test failed in nightly<b>.xml" in told and "nightly<b>" not in page.text
    assert "C-2026-0001 Count every item, 1.0: dddddddddddd collides in a.txt" in told


def test_an_emergency_that_nobody_ratified_stands_first(app, life):
    document = vendor.policy_document(emergency={"role": "security", "max_hours": 24, "threshold": 1}, version=2)
    with life.register.read() as session:
        document["previous"] = policies.newest_policy(session, "demo").digest
    life.take_policy(document)
    identifier = life.reviewed(wanted={"customers": ("acme",)})
    life.approve(identifier, "ben", scope=frozenset({"acme"}), emergency=12)
    life.publish(identifier)
    told = text_of(visitor(app, life, "rita").get("/"))
    assert f"{identifier}-r1 ends 2026-11-23 00:00 UTC unless it is ratified" in told


def test_the_first_page_asks_the_database_a_bounded_number_of_times(life):
    counts = []
    for _ in range(2):
        life.reviewed()
        life.new("cleo")
        with statements(life.register) as said, life.register.read() as session:
            my_work.work(session, "ada", frozenset({"engineer"}))
        counts.append(len(said))
    # The queue of approvals is eight of them.
    assert counts[0] == counts[1] <= 14


def test_hotfixes_are_listed_page_by_page_with_who_is_waited_for(app, life):
    first = life.reviewed(wanted={"severity": "critical", "title": HOSTILE}, severity="critical", title=HOSTILE)
    second = life.new("cleo")
    rita = visitor(app, life, "rita")
    page = rita.get("/hotfixes/")
    told = text_of(page)
    assert told.index(second) < told.index(first) and "2 are under way" in told
    assert "cleo builds it" in told and "approvers sign it" in told and "<script>alert" not in page.text
    assert second not in text_of(rita.get("/hotfixes/?severity=critical"))
    assert first not in text_of(rita.get("/hotfixes/?state=draft"))
    some = rita.get("/hotfixes/?limit=1&format=json").json
    assert [one["hotfix"] for one in some["hotfixes"]] == [second] and some["after"] == second
    rest = rita.get(f"/hotfixes/?limit=1&after={second}&format=json").json
    assert [one["hotfix"] for one in rest["hotfixes"]] == [first] and rest["after"] is None
    assert rita.get("/hotfixes/?format=csv").text.startswith("hotfix,revision,state,since,waits_for")
    assert "No hotfix is as you ask" in text_of(rita.get("/hotfixes/?text=nothing-such"))
    assert rita.get("/hotfixes/?after=HF-1").status_code == 404


def test_the_list_asks_the_database_a_constant_number_of_times(life):
    counts = []
    for _ in range(2):
        life.reviewed()
        with statements(life.register) as said, life.register.read() as session:
            listing.listed(session, Filter(), limit=50, after=None)
        counts.append(len(said))
    assert counts[0] == counts[1] <= 8


def test_a_revision_shows_all_its_parts_and_only_what_its_reader_may_do(app, life):
    identifier = life.new("cleo", title=HOSTILE)
    cleo, ada, rita = (visitor(app, life, name) for name in ("cleo", "ada", "rita"))
    told = text_of(cleo.get(f"/hotfixes/{identifier}"))
    assert "Nothing is built yet" in told and "patchline hotfix build" in told and "Give it up" in told
    life.build(identifier, title=HOSTILE, fixes=[fix("BUG-1", title=HOSTILE)])
    page = cleo.get(f"/hotfixes/{identifier}")
    told = text_of(page)
    for part in ("What changes", "Fixes", "Relations", "Signatures", "Bundle", "Rollout", "What next", "History"):
        assert part in told, part
    assert "Submit for review" in told and "patchline-site verify" in told and "<script>alert" not in page.text
    assert "It is not published" in told
    with life.register.database.write() as session:
        session.add(Person(id="dino", name="Dino", added=life.now, roles=[PersonRole(role=Role.SUPPORT)]))
    dino = visitor(app, life, "dino")
    told = text_of(dino.get(f"/hotfixes/{identifier}"))
    assert "Submit for review" not in told and "Attach test results" in told
    refused = dino.send("/me/", f"/hotfixes/{identifier}/stop", reason="no")
    assert refused.status_code == 403
    assert (
        ada.get("/hotfixes/HF-1999-0001").status_code == 404
        and rita.get(f"/hotfixes/{identifier}-r9").status_code == 404
    )


def test_a_bundle_that_the_store_lost_is_told_and_the_rest_is_shown(app, life):
    identifier = life.reviewed()
    with life.register.read() as session:
        container = hotfixes.find(session, identifier).container_sha256
    (life.register.home / "bundles" / bundles.bundle_place(container)).unlink()
    cleo = visitor(app, life, "cleo")
    told = text_of(cleo.get(f"/hotfixes/{identifier}"))
    assert "What was built cannot be shown" in told and "History" in told
    assert cleo.get(f"/approvals/{identifier}").status_code == 409


def test_a_hotfix_is_edited_submitted_rejected_and_begun_anew_by_forms(app, life):
    identifier = life.new("cleo")
    cleo = visitor(app, life, "cleo")
    path = f"/hotfixes/{identifier}"
    edited = {"title": "Another title", "severity": "important", "seen": "1"}
    assert cleo.send(path, f"{path}/edit", **edited).status_code == 303
    stale = cleo.send(path, f"{path}/edit", **edited)
    assert stale.status_code == 409 and "was changed meanwhile" in text_of(stale)
    found = life.build(identifier, signed=False, title="Another title", severity="important")
    unsigned = cleo.send(path, f"{path}/submit")
    assert unsigned.status_code in (403, 422) and life.state(identifier) == "built"
    late = cleo.send(path, f"{path}/submit", embargo="2026-02-30")
    assert late.status_code == 400 and "is no date" in text_of(late)
    given = (io.BytesIO(life.provenance(found)), "p.jsonl")
    assert cleo.send(path, f"{path}/submit", provenance=given, embargo="2026-12-24").status_code == 303
    assert life.state(identifier) == "in-review"
    assert "Review it" in text_of(cleo.get(path))
    with life.change("ada") as change:
        hotfixes.stop(change, identifier, Action.REJECT, "the total is wrong")
    told = text_of(cleo.get(path))
    assert "the total is wrong" in told and "Begin r2" in told
    assert cleo.send(path, f"{path}/revise").status_code == 303
    told = text_of(cleo.get(path))
    assert f"{identifier}-r2" in told and "r1 (rejected)" in told
    assert cleo.send(path, f"{path}/stop", reason="the customer upgraded").status_code == 303
    assert life.state(identifier) == "abandoned"


def test_publishing_and_holding_say_what_they_lack(app, life):
    identifier = life.approved()
    rita = visitor(app, life, "rita")
    path = f"/hotfixes/{identifier}"
    told = text_of(rita.get(path))
    assert "Publish" in told and "patchline bundle release" in told
    assert "choose a file for line" in text_of(rita.send(path, f"{path}/publish"))
    wrong = {"line": (io.BytesIO(b"junk"), "a"), "signature": (io.BytesIO(b"junk"), "b")}
    assert rita.send(path, f"{path}/publish", **wrong).status_code in (400, 403, 422)
    assert life.state(identifier) == "approved"
    life.publish(identifier)
    # The keys of this test's channel do not lie in the home, so the pages cannot open it.
    refused = rita.send(path, f"{path}/hold", reason="breaks the login")
    assert refused.status_code in (400, 404) and life.state(identifier) == "published"


def test_fixes_are_told_by_baseline_with_how_that_is_known(app, life):
    life.add_baseline("2.0")
    life.add_baseline("3.0")
    published = life.published()
    add_campaign(life)
    with life.register.database.write() as session:
        session.add(
            Issue(id="BUG-1", product="demo", title="x", severity="low", cve=[], added=life.now, added_by="cleo")
        )
        session.flush()
        session.add(Affected(issue="BUG-1", product="demo", baseline="2.0", status="affected"))
    rita = visitor(app, life, "rita")
    told = text_of(rita.get("/baselines/"))
    assert "fixed HF-2026-0001-r1 , published" in told and "affected" in told and "in the baseline" in told
    found = rita.get("/baselines/?format=json").json
    by_fix = {row["fix"]: row for row in found["fixes"]}
    assert by_fix["BUG-1"]["1.0"] == {"word": "fixed", "told": "published", "hotfix": f"{published}-r1"}
    assert by_fix["BUG-1"]["2.0"]["word"] == "affected" and by_fix["BUG-1"]["3.0"]["word"] == "unknown"
    assert by_fix["BUG-9"]["2.0"]["word"] == "in the baseline"
    assert "fixed HF-2026-0001-r1" in rita.get("/baselines/?format=csv").text
    campaign = text_of(rita.get("/baselines/campaigns/C-2026-0001"))
    assert "at 1 somebody must look" in campaign and "collides in a.txt" in campaign
    assert rita.get("/baselines/campaigns/C-1").status_code == 404
    with statements(life.register) as said, life.register.read() as session:
        fix_matrix.matrix(session, "demo", ["3.0", "2.0", "1.0"])
    assert len(said) <= 8


def test_engineers_pages_can_be_read_by_everybody(browser, embedded, tmp_path):
    life = Life(embedded, tmp_path)
    life.prepare()
    life.add_baseline("2.0")
    config = changed("etc/shop.conf", b"a = 1\n", b"a = 2\n", fixes=["BUG-1"])
    config["class"] = "config"
    first = life.reviewed(files=[config], wanted={"severity": "critical"}, severity="critical")
    life.new("cleo", title="The total counts every item")
    life.published(wanted={"title": "log4j 2.17"}, title="log4j 2.17")
    add_campaign(life)
    app = make_app(embedded)
    cookie = visitor(app, life, "cleo").cookie
    with serving(app) as address, browser.reader(address, cookie) as cleo:
        for path, name in (
            ("/", "start-work"),
            ("/hotfixes/", "hotfixes-listed"),
            ("/baselines/", "baselines"),
            ("/baselines/campaigns/C-2026-0001", "campaign"),
        ):
            cleo.open(path)
            cleo.look(name)
        page = cleo.open("/hotfixes/")
        page.click(f"text={first}-r1")
        cleo.look("hotfixes-show")
