"""Pages of approvers: the queue, the review, signing in a real browser, and keys."""

import base64
import io
import re

import pytest

from patchline.patches.statements import PAYLOAD_TYPE
from patchline.patches.verify import Sidecars, verify
from patchline.releaser import bundles, hotfixes, policies
from patchline.releaser.approving import browser_keys, browser_votes, queue
from patchline.releaser.fleet import simulations
from patchline.releaser.tables.people import Person, PersonRole, Role
from tests.approving import Device, policy_with
from tests.browser import serving
from tests.fleets import Fleet
from tests.hotfixes import Life, changed, fix
from tests.pages import Visitor, make_app, text_of
from tests.registers import statements
from tests.samples import entry

ADA, BEN = Device("ada"), Device("ben")
HOSTILE = "<script>alert(1)</script> \"quoted\" 'and' {{ 7*7 }}"


@pytest.fixture
def life(embedded, tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    made = Life(embedded, folder).prepare(policy_with(ADA, BEN))
    for device in (ADA, BEN):
        device.enrolled(made)
    return made


@pytest.fixture
def app(life):
    return make_app(life.register)


def visitor(app, life, person):
    return Visitor(app, life.register).signed_in(person)


def add_person(life, person, *roles):
    with life.register.database.write() as session:
        held = [PersonRole(role=role) for role in roles]
        session.add(Person(id=person, name=person.title(), added=life.now, roles=held))


def signed(life, device, identifier):
    """The fields of the form as a script would fill them."""
    with life.register.read() as session:
        revision = hotfixes.find(session, identifier)
        payload = browser_votes.statement(session, revision, life.now)
        digest = revision.manifest_sha256
    signature = base64.b64encode(device.sign(PAYLOAD_TYPE, payload)).decode()
    return {
        "manifest": digest,
        "moment": f"{life.now:%Y-%m-%dT%H:%M:%SZ}",
        "keyid": device.public.keyid,
        "signature": signature,
    }


def test_the_queue_says_why_each_reader_may_or_may_not_sign(app, life):
    first = life.reviewed(wanted={"severity": "low"}, severity="low", title="The smaller one")
    grave = life.reviewed(by="ada", wanted={"severity": "critical"}, severity="critical", title="The graver one")
    add_person(life, "otto", Role.AUDITOR)
    add_person(life, "dino", Role.SUPPORT)
    ada = text_of(visitor(app, life, "ada").get("/approvals/"))
    assert ada.index(grave) < ada.index(first)
    assert "1 hotfix of 2 in review waits for you" in ada
    assert "You may not sign: you are its editor and submitter" in ada
    assert "You may sign in the browser that holds your key or on your own machine" in ada
    assert "you may sign none of them" in text_of(visitor(app, life, "rita").get("/approvals/"))
    rita = text_of(visitor(app, life, "rita").get("/approvals/"))
    assert "policy 1 lists no approver's key of yours" in rita
    assert "you are an auditor, who looks and signs nothing" in text_of(visitor(app, life, "otto").get("/approvals/"))
    ADA.vote(life, first)
    assert "you have approved it already" in text_of(visitor(app, life, "ada").get("/approvals/"))
    ben = visitor(app, life, "ben")
    assert "1 of 2 approvals Ada" in text_of(ben.get("/approvals/"))
    listed = ben.get("/approvals/?format=json").json["approvals"]
    assert [one["hotfix"] for one in listed] == [grave, first] and listed[1]["you_may"] is True
    assert "The smaller one" in ben.get("/approvals/?format=csv").text


def test_the_queue_asks_the_database_a_constant_number_of_times(life):
    counts = []
    for _ in range(2):
        life.reviewed()
        with statements(life.register) as said, life.register.read() as session:
            queue.queue(session, "ada")
        counts.append(len(said))
    assert counts[0] == counts[1] <= 8


def test_an_empty_queue_says_how_it_fills(app, life):
    told = text_of(visitor(app, life, "ada").get("/approvals/"))
    assert "Nothing waits for approval" in told and "patchline hotfix submit ID" in told


def test_the_review_shows_everything_on_one_page(app, life):
    identifier = life.reviewed(files=[changed("a.txt", b"old\n", b"old\nnew line\n", fixes=["BUG-1"])])
    page = visitor(app, life, "ada").get(f"/approvals/{identifier}")
    told = text_of(page)
    with life.register.read() as session:
        manifest = bundles.release_set(session, hotfixes.find(session, identifier)).manifest
    assert f"{identifier}-r1 for demo 1.0: in-review, 0 of 2 approvals, not publishable because" in told
    assert manifest.digest in told and "patchline bundle show" in told
    assert "This is the first revision" in told and "app/a.txt" in told
    assert f"patchline-site rollback {identifier}" in told
    assert "patchline bundle approve" in told and "--key transit:" in told
    assert "a script could" not in told.lower() and "It runs nothing" in told
    assert "proves that this browser of yours signed, and not what you were shown" in told
    statement = re.search(r'<pre class="statement"[^>]*>(.*?)</pre>', page.text)[1]
    assert manifest.digest in statement
    assert page.text.count("<h1>") == 1


def test_the_review_names_the_sites_that_are_affected(app, life):
    fleet = Fleet(life.register)
    fleet.customer("acme", tier="gold")
    for name in ("acme-main", "acme-lab"):
        fleet.site(name, "acme")
    identifier = life.reviewed()
    ada = visitor(app, life, "ada")
    assert f"patchline hotfix simulate {identifier}-r1" in text_of(ada.get(f"/approvals/{identifier}"))
    simulations.run(life.register, identifier, "cleo", life.now)
    told = text_of(ada.get(f"/approvals/{identifier}"))
    assert "2 sites are not known well enough" in told and "Which sites, and why" in told
    assert "acme-lab, acme-main" in told and "gold 2" in told


def test_the_review_compares_with_what_was_approved_last(app, life):
    identifier = life.reviewed()
    with life.change("ben") as change:
        hotfixes.stop(change, identifier, hotfixes.Action.REJECT, "not yet")
    with life.change("cleo") as change:
        hotfixes.revise(change, identifier)
    life.build(identifier, title="Another title")
    life.submit(identifier)
    told = text_of(visitor(app, life, "ada").get(f"/approvals/{identifier}"))
    assert f"Compared with {identifier}-r1, which is rejected" in told and "Another title" in told


def test_what_was_there_before_is_shown_only_when_its_digest_is_right(app, life):
    config = changed("c.conf", b"a = 1\n", b"a = 2\n")
    config["class"] = "config"
    identifier = life.reviewed(files=[changed("a.txt", b"old\n", b"new\n"), config])
    told = text_of(visitor(app, life, "ada").get(f"/approvals/{identifier}"))
    # A configuration's earlier content lies in the bundle; that of code does not, and there is no source here.
    assert "what was there before is not at hand" in told
    assert "- a = 1 + a = 2" in told.replace("-a", "- a").replace("+a", "+ a")


def test_hostile_texts_stay_texts(app, life):
    path = "<img src=x onerror=alert(1)>.txt"
    hostile = changed(path, b"a\n", b"<script>alert(2)</script>\n\xe2\x80\xaetxt.exe\n")
    hostile["class"] = "config"
    identifier = life.reviewed(
        files=[hostile], wanted={"title": HOSTILE}, fixes=[fix("BUG-1", title=HOSTILE)], title=HOSTILE
    )
    ada = visitor(app, life, "ada")
    for page in ("/approvals/", f"/approvals/{identifier}"):
        text = ada.get(page).text
        assert "<script>alert" not in text and "<img" not in text and "49" not in re.findall(r"and' (\S+)", text)
    assert "\\u{202e}txt.exe" in text and "\u202e" not in text


def test_a_vote_of_a_browser_comes_in_by_its_form(app, life):
    identifier = life.reviewed()
    ada = visitor(app, life, "ada")
    fields = signed(life, ADA, identifier)
    answer = ada.send(f"/approvals/{identifier}", f"/approvals/{identifier}/sign", **fields)
    assert answer.status_code == 303
    told = text_of(ada.get(f"/approvals/{identifier}"))
    assert "approved by ada" in told and "you have approved it already" in told and "browser" in told
    again = ada.send("/approvals/keys", f"/approvals/{identifier}/sign", **fields)
    assert again.status_code == 403 and "has these approvals already" in text_of(again)


def test_a_stale_tab_or_another_ones_key_is_refused_in_words(app, life):
    identifier, other = life.reviewed(), life.reviewed()
    fields = signed(life, ADA, identifier)
    ada, ben = visitor(app, life, "ada"), visitor(app, life, "ben")

    def refused(who, path, **changes):
        answer = who.send("/approvals/keys", path, **{**fields, **changes})
        assert answer.status_code in (400, 403, 409, 422), answer.status_code
        return text_of(answer)

    assert "the page showed manifest" in refused(ada, f"/approvals/{other}/sign")
    assert "no browser's key of ben" in refused(ben, f"/approvals/{identifier}/sign")
    assert "no base64" in refused(ada, f"/approvals/{identifier}/sign", signature="%%%")
    assert "does not fit" in refused(ada, f"/approvals/{identifier}/sign", moment="2026-11-22T11:00:00Z")
    with life.change("ben") as change:
        hotfixes.stop(change, identifier, hotfixes.Action.REJECT, "not yet")
    assert "is rejected" in refused(ada, f"/approvals/{identifier}-r1/sign")
    assert life.state(identifier) == "rejected"


def test_an_envelope_of_the_command_line_is_handed_in_as_a_file(app, life):
    identifier = life.reviewed()
    ada = visitor(app, life, "ada")
    given = (io.BytesIO(life.approval(identifier, "ben")), "ben.approval")
    answer = ada.send(f"/approvals/{identifier}", f"/approvals/{identifier}/upload", approval=given)
    assert answer.status_code == 303
    assert "approved by ben" in text_of(ada.get(f"/approvals/{identifier}"))
    nothing = ada.send("/approvals/keys", f"/approvals/{identifier}/upload", approval=(io.BytesIO(b""), "x"))
    assert nothing.status_code == 400 and "choose the file" in text_of(nothing)
    junk = ada.send("/approvals/keys", f"/approvals/{identifier}/upload", approval=(io.BytesIO(b"junk"), "x"))
    assert "does not end with a line feed" in text_of(junk)


def test_rejecting_takes_a_reason_and_the_role(app, life):
    identifier = life.reviewed()
    add_person(life, "dino", Role.SUPPORT)
    dino, ada = visitor(app, life, "dino"), visitor(app, life, "ada")
    path = f"/approvals/{identifier}/reject"
    assert dino.send("/approvals/keys", path, reason="no").status_code == 403
    assert "1 to 1000 characters" in text_of(ada.send("/approvals/keys", path, reason=" "))
    assert ada.send(f"/approvals/{identifier}", path, reason="the total is wrong").status_code == 303
    assert life.state(identifier) == "rejected"
    told = text_of(ada.get(f"/approvals/{identifier}"))
    assert "is rejected, not in review" in told and "Reject " not in told


def test_bundle_manifest_and_sidecars_are_handed_out_and_nothing_else(app, life):
    identifier = life.reviewed()
    ada = visitor(app, life, "ada")
    with life.register.read() as session:
        kept = bundles.release_set(session, hotfixes.find(session, identifier))
    bundle = ada.get(f"/approvals/{identifier}/files/{kept.name}")
    assert len(bundle.data) == kept.size and kept.name in bundle.headers["Content-Disposition"]
    assert ada.get(f"/approvals/{identifier}/files/manifest.json").data == kept.manifest.data
    assert ada.get(f"/approvals/{identifier}/files/{kept.name}.provenance.jsonl").data == kept.sidecars.provenance
    for name in ("register.db", "..%2f..%2fregister.db", f"{kept.name}.approvals.jsonl"):
        assert ada.get(f"/approvals/{identifier}/files/{name}").status_code == 404
    draft = life.new()
    assert ada.get(f"/approvals/{draft}").status_code == 409


def test_keys_are_listed_retired_and_handed_to_those_who_make_the_policy(app, life):
    cleo = visitor(app, life, "cleo")
    assert "No browser of yours has a key" in text_of(cleo.get("/approvals/keys"))
    device = Device("cleo", "office")
    made = cleo.send(
        "/approvals/keys",
        device="office",
        public=device.public.to_pem().replace("\n", "\r\n"),
        signature=base64.b64encode(device.enrolment()).decode(),
    )
    assert made.status_code == 303
    told = text_of(cleo.get("/approvals/keys"))
    assert "made, not yet in the policy" in told and device.public.fingerprint in told
    assert "patchline trust policy" in told
    handed = cleo.get(f"/approvals/keys/{device.public.keyid}/enrolment")
    assert handed.headers["Content-Disposition"].endswith(".enrolment")
    path = f"/approvals/keys/{device.public.keyid}/retire"
    assert visitor(app, life, "ben").send("/approvals/keys", path).status_code == 403
    assert cleo.send("/approvals/keys", path).status_code == 303
    with life.register.read() as session:
        assert browser_keys.listed(session, "cleo")[0].stands == "retired"


def test_somebody_enrols_and_signs_in_a_real_browser_by_keyboard_alone(browser, embedded, tmp_path):
    life = Life(embedded, tmp_path)
    life.prepare()
    app = make_app(embedded)
    config = changed("etc/<b>shop</b>.conf", b"a = 1\nb = 2\n", b"a = 1\nb = 3\n", fixes=["BUG-1"])
    config["class"] = "config"
    files = [config, entry("new.txt", [{"type": "absent"}], changed("x", b"", b"fresh\n")["post"])]
    identifier = life.reviewed(files=files, title="The <b>total</b> counts every item")
    cookie = visitor(app, life, "ada").cookie
    with serving(app) as address, browser.reader(address, cookie) as ada:
        page = ada.open("/approvals/keys")
        page.wait_for_selector("#enrol button:enabled")
        page.focus("#device")
        page.keyboard.type("laptop")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=made, not yet in the policy")
        page.wait_for_selector("text=in this browser")
        ada.look("approvals-keys")
        page = ada.open(f"/approvals/{identifier}")
        assert "lists" in page.inner_text("#main")
        _list_in_policy(life)
        page = ada.open("/approvals/")
        page.wait_for_selector("text=This device can.")
        ada.look("approvals-queue")
        page.focus(f"text={identifier}-r1")
        page.keyboard.press("Enter")
        page.wait_for_selector("#sign button:enabled")
        with life.register.read() as session:
            kept = bundles.release_set(session, hotfixes.find(session, identifier))
        assert page.inner_text("#computed") == page.inner_text(".fingerprint").strip()
        ada.look("approvals-review")
        page.focus("#computed >> xpath=ancestor::section//pre")
        while page.evaluate("document.activeElement.textContent.trim()") != f"Sign {identifier}-r1":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=approved by ada")
        page.set_input_files("#approval", _file(tmp_path, life.approval(identifier, "ben")))
        page.click("text=Hand it in")
        page.wait_for_selector("text=enough, it is approved")
        _another_device(browser, address, cookie, life)
    with life.register.read() as session:
        kept = bundles.release_set(session, hotfixes.find(session, identifier))
        trust = policies.vendor_trust(session, "demo", life.root)
    sidecars = Sidecars(kept.sidecars.provenance, kept.sidecars.approvals)
    verified = verify(kept.manifest.data, sidecars, trust, life.now)
    assert {one.key.custody for place in verified.approvals for one in place.signed} == {"browser", "cli"}


def _list_in_policy(life):
    with life.register.read() as session:
        [key] = browser_keys.listed(session, "ada")
        document = policy_with(version=2, previous=policies.newest_policy(session, "demo").digest)
    made = {**Device("ada").policy_key(), "keyid": key.keyid, "public": key.public.to_pem()}
    document["persons"]["ada"]["keys"] = [*document["persons"]["ada"]["keys"], made]
    life.take_policy(document)


def _file(folder, data):
    path = folder / "ben.approval"
    path.write_bytes(data)
    return path


def _another_device(browser, address, cookie, life):
    """The same person at another machine: it says at once that it cannot sign."""
    other = life.reviewed()
    with browser.reader(address, cookie) as elsewhere:
        page = elsewhere.open("/approvals/")
        page.wait_for_selector("text=This device cannot sign")
        page = elsewhere.open(f"/approvals/{other}")
        page.wait_for_selector("text=the key that the policy lists lies in another browser of yours")
        assert page.is_disabled("#sign button")
    with browser.reader(address, cookie, java_script_enabled=False) as plain:
        page = plain.open("/approvals/")
        assert "Signing in the browser needs script" in page.inner_text("#main")
        page = plain.open(f"/approvals/{other}")
        assert page.is_disabled("#sign button") and "patchline bundle approve" in page.inner_text("#main")


def test_a_page_that_came_over_an_open_line_says_why_it_cannot_sign(browser, life, app):
    identifier = life.reviewed()
    app.config["TRUSTED_HOSTS"] = ["vendor.example", "localhost", "127.0.0.1"]
    cookie = visitor(app, life, "ada").cookie
    with serving(app) as address:
        elsewhere = address.replace("127.0.0.1", "vendor.example")
        with browser.reader(elsewhere, cookie) as ada:
            for path, button in (
                ("/approvals/", None),
                (f"/approvals/{identifier}", "#sign button"),
                ("/approvals/keys", "#enrol button"),
            ):
                page = ada.open(path)
                page.wait_for_selector("text=came neither over https nor from this machine itself")
                assert button is None or page.is_disabled(button)
            # Chromium says on each such page that it takes no notice of a header that only https gives weight to.
            assert all("Cross-Origin-Opener-Policy header has been ignored" in one for one in ada.said)
            ada.said.clear()
