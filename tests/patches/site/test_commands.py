import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from patchline.patches import bundle, envelopes
from patchline.patches.baselines import baseline_list
from patchline.patches.envelopes import Envelope
from patchline.patches.manifest import File, Manifest
from patchline.patches.plain import open_plain
from patchline.patches.site.report import PAYLOAD_TYPE
from tests import vendor
from tests.programs import run
from tests.samples import ABSENT, NEW, OLD, entry, file_state, manifest_document, sha256
from tests.worlds import put, take

BASE = {"a.txt": OLD, "lib/b.txt": b"b\n"}


@dataclass
class Customer:
    folder: Path
    root: Path
    trust: Path
    fingerprint: str

    def site(self, command, *arguments, **options):
        return run("patchline-site", command, *arguments, "--root", self.root, **options)

    def document(self, command, *arguments, **options):
        return self.site(command, *arguments, "--json", **options).document

    def bundle(self, approvals=("ada", "ben"), **changes):
        files = [
            entry("a.txt", file_state(OLD), file_state(NEW)),
            entry("lib/fresh.txt", ABSENT, file_state(b"fresh\n")),
        ]
        manifest = Manifest.from_document(
            manifest_document(changes.pop("files", files), contributors=["walt"], **changes)
        )
        contents = {sha256(data): data for data in (NEW, b"fresh\n")}
        path = self.folder / f"{manifest.label}.hotfix"
        written = bundle.write(path, manifest, lambda member: [contents[member.sha256]], overwrite=True)
        sidecars = vendor.sidecars(
            manifest, approvals, built=[vendor.provenance(manifest, containers=[written.container])]
        )
        path.with_name(path.name + ".provenance.jsonl").write_bytes(sidecars.provenance)
        path.with_name(path.name + ".approvals.jsonl").write_bytes(sidecars.approvals)
        return path


def write_trust(path, **changes):
    trust = vendor.trust(root_of=vendor.root(), **changes)
    path.write_bytes(trust.data)
    return trust


@pytest.fixture
def customer(tmp_path, monkeypatch):
    monkeypatch.setenv("PATCHLINE_STATE", str(tmp_path / "state"))
    root, trust_file = tmp_path / "app", tmp_path / "demo.trust"
    root.mkdir()
    put(root, BASE)
    states = {"app": {path: File(sha256(data), len(data), False) for path, data in BASE.items()}}
    listed = baseline_list("demo", "1.0", states)
    (tmp_path / "files.json").write_bytes(listed)
    trust = write_trust(trust_file, baselines={"1.0": sha256(listed)})
    made = Customer(tmp_path, root, trust_file, trust.fingerprint)
    init(made)
    return made


def init(customer, *more, expect=0, fingerprint=None):
    arguments = ["--root", customer.root, "--product", "demo", "--baseline", "1.0", "--trust", customer.trust]
    heard = customer.fingerprint if fingerprint is None else fingerprint
    files = ["--files", customer.folder / "files.json"]
    return run("patchline-site", "init", *arguments, "--fingerprint", heard, *files, *more, expect=expect)


def test_customer_verifies_plans_applies_reports_and_rolls_back(customer):
    before = take(customer.root)
    file = customer.bundle()
    assert customer.document("verify", file)["approved_by"] == ["ada", "ben"]
    plan = customer.folder / "plan.json"
    planned = customer.document("plan", file, "--out", plan)
    assert [action["path"] for action in planned["actions"]] == ["app/a.txt", "app/lib/fresh.txt"]
    assert take(customer.root) == before
    applied = customer.document("apply", file, "--plan", plan, "--reference", "CHG-7")
    assert applied["level"]["label"] == "1.0+HF-2026-0001-r1"
    assert (customer.root / "a.txt").read_bytes() == NEW
    inventory = customer.document("inventory", "--check")
    assert (inventory["drift"], inventory["checked"]) == ([], 3)
    assert (customer.root / ".patchline/PATCHLEVEL").read_text().splitlines()[1] == inventory["level"]["code"]
    assert "CHG-7" in customer.site("history").out
    assert customer.document("apply", file)["contained"] == [["HF-2026-0001-r1", "HF-2026-0001-r1"]]
    customer.site("rollback", "HF-2026-0001")
    assert take(customer.root) == before
    assert customer.document("inventory")["level"]["label"] == "1.0"
    assert "rolled back HF-2026-0001-r1" in customer.site("history").out


def test_report_is_signed_counts_up_and_names_nobody(customer):
    customer.site("apply", customer.bundle(), "--reference", "CHG-7")
    out = customer.folder / "report.json"
    customer.site("report", "--out", out)
    second = customer.document("report")
    envelope = Envelope.from_document(json.loads(out.read_bytes()), "report")
    assert envelope.payload_type == PAYLOAD_TYPE
    public = open_plain(customer.folder / "state/key.pem").public
    assert envelope.verified_keys({public.keyid: public}) == {public.keyid}
    payload = json.loads(envelope.payload)
    assert payload["level"]["label"] == "1.0+HF-2026-0001-r1"
    assert [one["reference"] for one in payload["hotfixes"]] == ["CHG-7"]
    assert json.loads(Envelope.from_document(second, "report").payload)["counter"] == payload["counter"] + 1
    for private in (str(customer.root), str(Path.home()), "ada", "a.txt"):
        assert private not in envelope.payload.decode()


@pytest.mark.parametrize("reference", ["", "CHG-7\x1b[2J", "x" * 201])
def test_change_number_that_no_report_could_hold_is_refused_before_anything_happens(reference, customer):
    before = take(customer.root)
    outcome = customer.site("apply", customer.bundle(), "--reference", reference, expect=2)
    assert "1 to 200 printable characters" in outcome.err
    assert take(customer.root) == before


def test_another_trust_file_than_the_sites_is_told_by_the_exit_code(customer):
    other = customer.folder / "other.trust"
    write_trust(other, customer="c" * 32)
    outcome = customer.site("verify", customer.bundle(), "--trust", other, expect=3)
    assert "verified against" in outcome.out


@pytest.mark.parametrize(("approvals", "code"), [((), 21), (("ada",), 21), (("ada", "ada"), 21), (("bob", "ada"), 21)])
def test_bundle_without_enough_approvals_changes_nothing(customer, approvals, code):
    before = take(customer.root)
    customer.site("apply", customer.bundle(approvals), expect=code)
    assert take(customer.root) == before


def test_older_policy_is_refused_and_a_recall_in_a_newer_one_counts(customer):
    file = customer.bundle()
    with bundle.open_container(file) as container:
        manifest = container.manifest
    known = vendor.policy_envelope()
    newer = vendor.policy_document(version=2, previous=sha256(known.payload), recalls=[sha256(manifest)])
    policy = customer.folder / "policy-2.json"
    policy.write_bytes(envelopes.documents.encode(vendor.policy_envelope(newer).as_document()))
    old = customer.folder / "policy-1.json"
    old.write_bytes(envelopes.documents.encode(known.as_document()))
    assert customer.document("trust", policy) == {"policy": 2, "was": 1}
    assert customer.document("trust", old, expect=21)["error"] == "trust.policy-older"
    assert customer.document("apply", file, expect=27)["error"] == "recalled.policy"


def test_init_refuses_another_fingerprint_and_a_second_time(tmp_path, customer):
    assert "error" in init(customer, fingerprint="AAAAA-AAAAA-AAAAA-AAAAA-AAAAA", expect=12).err
    assert "already" in init(customer, expect=23).err


def test_wrong_product_and_wrong_baseline_are_refused_in_one_line(customer):
    target = {"product": "demo", "baselines": ["2.0"], "platforms": ["linux"], "requires_products": []}
    refused = customer.document("apply", customer.bundle(target=target), expect=22)
    assert refused["error"] == "relation.baseline"
    assert "2.0" in refused["message"] and "1.0" in refused["message"]


def test_what_is_no_bundle_is_said_so(customer):
    file = customer.folder / "x.hotfix"
    file.write_bytes(b"\x1f\x8b" + b"x" * 600)
    assert customer.document("apply", file, expect=20)["error"] == "bundle.not-a-bundle"
    file.write_bytes(b"PK\x03\x04" + b"x" * 600)
    assert customer.document("apply", file, expect=20)["error"] == "zip.truncated"
    assert customer.document("apply", customer.folder / "missing.hotfix", expect=11)["error"] == "not-found.file"


def test_every_problem_is_told_at_once(customer):
    (customer.root / "a.txt").write_bytes(b"mine\n")
    (customer.root / "lib/fresh.txt").write_bytes(b"mine too\n")
    refused = customer.document("apply", customer.bundle(), expect=23)
    assert {problem["error"] for problem in refused["problems"]} == {"installation.changed-file"}
    assert len(refused["problems"]) == 2
    kept = customer.document("apply", customer.bundle(), "--override", "app/a.txt", "--preserve", "app/lib/fresh.txt")
    assert kept["level"]["label"] == "1.0+HF-2026-0001-r1*"
    assert (customer.root / "a.txt.patchline-saved").read_bytes() == b"mine\n"


def test_cleanup_needs_a_yes_and_says_what_it_freed(customer):
    customer.site("apply", customer.bundle())
    customer.site("rollback", "--to", "baseline")
    assert customer.document("cleanup", "--keep", "1", "--yes") == {"transactions": [], "freed": 0}


def test_outside_a_site_commands_say_what_is_missing(tmp_path):
    outcome = run("patchline-site", "inventory", "--json", cwd=tmp_path, expect=11)
    assert outcome.document["error"] == "not-found.root"
