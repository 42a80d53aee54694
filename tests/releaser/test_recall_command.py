import pytest

from patchline.patches import bundle
from patchline.patches.policy import Purpose, key_document
from patchline.patches.recall_list import Entry, RecallList
from patchline.patches.recall_statements import Revision
from patchline.patches.recalls import KnownRecalls, Recalled
from patchline.patches.release_zip import write_release
from patchline.releaser import hotfixes
from patchline.releaser.recalling import read_recall_file
from tests import vendor
from tests.hotfixes import Life
from tests.programs import run
from tests.releaser.test_trust_command import PASSPHRASE, Person
from tests.samples import NEW
from tests.vendor import NOW, manifest

OLD, NEWER = manifest(), manifest(revision=2)


class Desk:
    """Three approvers and a builder, each with keys of their own, and the vendor's trust file."""

    def __init__(self, folder):
        self.folder = folder
        self.people = {name: Person(folder, name) for name in ("ada", "ben", "walt", "bob", "eve")}
        roles = {name: Purpose.APPROVER for name in ("ada", "ben", "walt")} | {"bob": Purpose.BUILDER}
        persons = {name: [key_document(self.people[name].public, purpose)] for name, purpose in roles.items()}
        self.vendor = vendor.trust(vendor.policy_document(persons=persons))
        self.trust = folder / "demo.trust"
        self.trust.write_bytes(self.vendor.data)
        self.bundle, self.newer = folder / "old.hotfix", folder / "manifest.json"
        bundle.write(self.bundle, OLD, lambda member: [NEW])
        self.newer.write_bytes(NEWER.data)
        self.out = folder / "recall.jsonl"

    def run(self, by, *line, expect=0):
        keys = {"PATCHLINE_KEYS": str(self.people[by].keys)}
        words = ("recall", *line, "--key", by, "--trust", self.trust, "--yes", "--json")
        return run("patchline", *words, expect=expect, passphrase=PASSPHRASE, environment=keys).document

    def propose(self, by="ada", *more, file=None, expect=0, reason="loses orders"):
        return self.run(by, "propose", file or self.bundle, "--reason", reason, "--out", self.out, *more, expect=expect)

    def confirm(self, by="ben", *more, file=None, expect=0):
        return self.run(by, "confirm", file or self.out, *more, expect=expect)

    def reinstate(self, by="ada", expect=0):
        back = self.folder / "back.jsonl"
        line = (self.out, "--bundle", self.bundle, "--reason", "was a mistake", "--out", back)
        return back, self.run(by, "reinstate", *line, expect=expect)

    def known(self, *reinstated):
        found = read_recall_file(self.out)
        back = [envelope for path in reinstated for envelope in read_recall_file(path).envelopes]
        entry = Entry(found.statement.revision, found.envelopes, tuple(back))
        made = RecallList.make("demo", 1, NOW, [], [entry])
        return KnownRecalls.first(made, self.vendor.policy).state(OLD, self.vendor.policy)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_two_persons_recall_on_their_own_machines(desk):
    made = desk.propose("ada", "--replacement", desk.newer, "--void")
    assert made["lacking"] == ["1 of 2 persons signed"]
    assert made["manifest"] == OLD.digest and made["replacement"]["revision"] == 2 and made["void"] is True
    done = desk.confirm("ben", "--bundle", desk.bundle)
    assert done["lacking"] == [] and done["persons"] == ["ada", "ben"] and done["name"] == made["name"]
    assert desk.known() == Recalled(Revision.of(OLD), "loses orders", Revision.of(NEWER), void=True)


def test_release_zip_is_recalled_as_it_was_downloaded(desk):
    named = desk.folder / "HF-2026-0001-r1.hotfix"
    desk.bundle.rename(named)
    zipped = desk.folder / "r1.zip"
    write_release(zipped, "read me", named)
    assert desk.propose(file=zipped)["manifest"] == OLD.digest
    desk.out.unlink()
    zipped.write_bytes(zipped.read_bytes()[:-30])
    assert desk.propose(file=zipped, expect=20)["error"].startswith("zip.")


def test_contributor_may_recall_but_one_person_is_one(desk):
    desk.propose("walt")
    assert desk.confirm("walt")["lacking"] == ["1 of 2 persons signed"]
    assert len(read_recall_file(desk.out).envelopes) == 1


def test_what_is_signed_is_shown_first(desk):
    desk.propose()
    line = ("confirm", desk.out, "--key", "ben", "--trust", desk.trust)
    shown = run("patchline", "recall", *line, expect=2).err
    assert OLD.digest in shown and "loses orders" in shown and "HF-2026-0001-r1" in shown


@pytest.mark.parametrize(
    ("by", "code"), [("eve", "approval.unknown-key"), ("bob", "approval.purpose")], ids=["stranger", "builder"]
)
def test_keys_that_would_not_count_are_refused(desk, by, code):
    assert desk.propose(by, expect=21)["error"] == code
    assert not desk.out.exists()
    desk.propose("ada")
    assert desk.confirm(by, expect=21)["error"] == code


def test_bad_input_is_told(desk):
    assert desk.propose(file="HF-2026-0001", expect=11)["error"] == "not-found.bundle-file"
    assert desk.propose(reason="", expect=21)["error"] == "statement.value"
    assert desk.propose("ada", "--replacement", desk.bundle, expect=21)["error"] == "statement.replacement"
    assert desk.confirm(file=desk.bundle, expect=21)["error"].startswith("statement.")
    approvals = desk.folder / "approvals.jsonl"
    approvals.write_bytes(vendor.sidecars(OLD).approvals)
    assert desk.confirm(file=approvals, expect=21)["error"] == "statement.recall-file"
    desk.propose()
    assert desk.propose(expect=12)["error"] == "refused.file-exists"
    assert desk.confirm("ben", "--bundle", desk.newer, expect=21)["error"] == "statement.subject"


def test_recall_of_another_product_is_refused(desk):
    other = desk.folder / "other.json"
    target = {"product": "other", "baselines": ["1.0"], "platforms": ["linux"], "requires_products": []}
    other.write_bytes(manifest(target=target).data)
    assert desk.propose(file=other, expect=21)["error"] == "trust.other-product"


def test_recall_is_taken_back_by_the_approval_quorum(desk):
    desk.propose(), desk.confirm()
    back, made = desk.reinstate()
    assert made["lacking"] == [
        "1 of 2 persons approved",
    ]
    assert isinstance(desk.known(back), Recalled)
    assert desk.confirm("ben", file=back, expect=21)["error"] == "statement.recall-bundle"
    assert desk.confirm("ben", "--bundle", desk.bundle, file=back)["lacking"] == []
    assert desk.known(back) is None


def test_contributor_does_not_take_a_recall_back(desk):
    desk.propose(), desk.confirm()
    assert desk.reinstate("walt", expect=21)[1]["error"] == "approval.contributor"
    back, _ = desk.reinstate()
    assert desk.confirm("walt", "--bundle", desk.bundle, file=back, expect=21)["error"] == "approval.contributor"


def test_signature_that_was_forged_is_not_signed_beside(desk):
    desk.propose()
    line = desk.out.read_bytes()
    desk.out.unlink()
    desk.propose(reason="something else")
    payload = line.split(b'"payload":"')[1].split(b'"')[0]
    own = desk.out.read_bytes().split(b'"payload":"')[1].split(b'"')[0]
    desk.out.write_bytes(desk.out.read_bytes().replace(own, payload))
    assert desk.confirm(expect=21)["error"] == "signature.mismatch"


def test_hotfix_of_the_register_is_recalled_by_its_id(desk, register, monkeypatch):
    monkeypatch.setenv("PATCHLINE_HOME", str(register.home))
    folder = desk.folder / "files"
    folder.mkdir()
    life = Life(register, folder).prepare()
    identifier = life.approved()
    made = desk.propose(file=f"{identifier}-r1")
    with register.read() as session:
        assert made["manifest"] == hotfixes.find(session, identifier).manifest_sha256
    desk.out.unlink()
    assert desk.propose(file="HF-2026-0099", expect=11)["error"] == "not-found.registered-hotfix"
