import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from patchline.patches import documents
from patchline.patches.baselines import baseline_list
from patchline.patches.keys import Kind
from patchline.patches.manifest import ABSENT
from patchline.patches.sealed import Cost, create_sealed
from patchline.patches.trust import Trust
from tests import vendor
from tests.programs import run

CHEAP = Cost(1 << 10)
PASSPHRASE = "words"


class Person:
    """Somebody with a key folder of their own."""

    def __init__(self, folder, name, kind=Kind.P256):
        self.name = name
        self.keys = folder / f"home of {name}"
        self.keys.mkdir()
        self.public = create_sealed(self.keys / f"{name}.key", kind, PASSPHRASE.encode(), CHEAP)
        self.pem = folder / f"{name}.pem"
        self.pem.write_text(self.public.to_pem())

    def sign(self, file, *fingerprints, expect=0):
        told = [word for fingerprint in fingerprints for word in ("--fingerprint", fingerprint)]
        return run(
            "patchline",
            *("trust", "sign", file, "--key", self.name, "--json", *told),
            expect=expect,
            passphrase=PASSPHRASE,
            environment={"PATCHLINE_KEYS": str(self.keys)},
        ).document


@pytest.fixture
def people(tmp_path):
    names = {"holder-1": Kind.P256, "holder-2": Kind.ED25519, "holder-3": Kind.P256}
    names |= {name: Kind.P256 for name in ("ada", "ben", "bob", "release")}
    return {name: Person(tmp_path, name, kind) for name, kind in names.items()}


HOLDERS = ("holder-1", "holder-2", "holder-3")


def heard(people, *names):
    return [people[name].public.fingerprint for name in names]


def made_root(people, folder, *options, expect=0, name="root.json"):
    keys = [word for name in HOLDERS for word in ("--key", people[name].pem)]
    run("patchline", "trust", "root", *keys, "--threshold", 2, "--out", folder / name, *options, expect=expect)
    return folder / name


def made_policy(people, folder, *options, expect=0, name="policy.json"):
    line = ["--product", "demo", "--builder", f"bob={people['bob'].pem}", "--threshold", 2]
    line += ["--approver", f"ada={people['ada'].pem}", "--approver", f"ben={people['ben'].pem}:transit:security"]
    line += ["--release", people["release"].pem, "--out", folder / name, *options]
    run("patchline", "trust", "policy", *line, expect=expect)
    return folder / name


OTHERS = ("ada", "ben", "bob", "release")


@pytest.fixture
def signed(people, tmp_path):
    """Root and policy, signed by two of three holders."""
    root, policy = made_root(people, tmp_path), made_policy(people, tmp_path)
    for name in HOLDERS[:2]:
        people[name].sign(root, *heard(people, *(other for other in HOLDERS if other != name)))
        people[name].sign(policy, *heard(people, *OTHERS))
    return root, policy


def test_ceremony_ends_in_a_trust_file_that_a_site_reads(signed, tmp_path):
    root, policy = signed
    (tmp_path / "list.json").write_bytes(baseline_list("demo", "1.0", {"app": {"a": ABSENT}}))
    made = run(
        *("patchline", "trust", "file", "--root", root, "--policy", policy, "--customer", "c-1"),
        *("--files", tmp_path / "list.json", "--channel", "https://updates.example/", "--out", tmp_path / "demo.trust"),
        "--json",
    ).document
    trust = Trust.parse((tmp_path / "demo.trust").read_bytes())
    assert trust.fingerprint == made["fingerprint"]
    assert trust.customer == "c-1" and trust.channel == "https://updates.example/" and not trust.trial
    assert dict(trust.baselines) == {"1.0": documents.digest((tmp_path / "list.json").read_bytes())}
    assert {key.person for key in trust.policy.keys.values()} == set(OTHERS)
    [ben] = [key for key in trust.policy.keys.values() if key.person == "ben"]
    assert ben.custody == "transit" and ben.roles == {"security"}
    shown = run("patchline", "trust", "show", tmp_path / "demo.trust").out
    assert trust.fingerprint in shown and "signed by 2 of 2 needed root keys" in shown


def test_root_signed_by_too_few_makes_no_trust_file(people, tmp_path):
    root, policy = made_root(people, tmp_path), made_policy(people, tmp_path)
    out = tmp_path / "demo.trust"
    people["holder-1"].sign(root, *heard(people, "holder-2", "holder-3"))
    done = run("patchline", "trust", "file", "--root", root, "--policy", policy, "--out", out, "--json", expect=21)
    assert done.document["error"] == "trust.root-signatures"
    assert not out.exists()


def test_file_of_another_products_list_is_refused(signed, tmp_path):
    root, policy = signed
    (tmp_path / "list.json").write_bytes(baseline_list("other", "1.0", {}))
    line = ("--root", root, "--policy", policy, "--files", tmp_path / "list.json", "--out", tmp_path / "demo.trust")
    assert run("patchline", "trust", "file", *line, "--json", expect=21).document["error"] == "trust.product"


# Fingerprints


def test_signing_asks_for_the_fingerprint_of_each_new_key(people, tmp_path):
    root = made_root(people, tmp_path)
    before = root.read_bytes()
    assert people["holder-1"].sign(root, expect=12)["error"] == "refused.fingerprint"
    assert people["holder-1"].sign(root, *heard(people, "holder-2"), expect=12)["error"] == "refused.fingerprint"
    wrong = heard(people, "holder-2", "ada")
    assert people["holder-1"].sign(root, *wrong, expect=12)["error"] == "refused.fingerprint"
    assert root.read_bytes() == before
    spoken = [text.lower().replace("-", " ") for text in heard(people, "holder-2", "holder-3")]
    people["holder-1"].sign(root, *spoken)
    assert len(json.loads(root.read_bytes())["signatures"]) == 1


def test_error_never_tells_the_fingerprint_that_should_be_heard(people, tmp_path):
    message = json.dumps(people["holder-1"].sign(made_root(people, tmp_path), expect=12))
    for name in HOLDERS:
        assert people[name].public.fingerprint not in message
        assert people[name].public.keyid[:8] not in message


def test_yes_does_not_answer_for_a_fingerprint(people, tmp_path):
    root, holder = made_root(people, tmp_path), people["holder-1"]
    line = ("trust", "sign", root, "--key", "holder-1", "--yes", "--json")
    keys = {"PATCHLINE_KEYS": str(holder.keys)}
    done = run("patchline", *line, passphrase=PASSPHRASE, environment=keys, expect=12)
    assert done.document["error"] == "refused.fingerprint"


def test_key_once_compared_is_not_new_again(people, signed, tmp_path):
    _, policy = signed
    second = tmp_path / "policy-2.json"
    line = ("--product", "demo", "--previous", policy, "--threshold", 1, "--out", second)
    run("patchline", "trust", "policy", *line)
    people["holder-1"].sign(second)
    third = tmp_path / "policy-3.json"
    zoe = Person(tmp_path, "zoe")
    line = ("--product", "demo", "--previous", second, "--approver", f"zoe={zoe.pem}", "--out", third)
    run("patchline", "trust", "policy", *line)
    assert people["holder-1"].sign(third, expect=12)["error"] == "refused.fingerprint"
    people["holder-1"].sign(third, zoe.public.fingerprint)


def test_known_key_of_one_person_is_new_as_that_of_another(people, signed, tmp_path):
    moved = tmp_path / "moved.json"
    pems = {name: people[name].pem for name in OTHERS}
    line = ("--product", "demo", "--builder", f"bob={pems['bob']}", "--threshold", 2, "--out", moved)
    approvers = ("--approver", f"zoe={pems['ada']}", "--approver", f"ben={pems['ben']}")
    run("patchline", "trust", "policy", *line, *approvers, "--release", pems["release"])
    assert people["holder-1"].sign(moved, expect=12)["error"] == "refused.fingerprint"
    people["holder-1"].sign(moved, *heard(people, "ada"))


def test_fingerprint_that_fits_no_new_key_is_refused(people, tmp_path):
    root = made_root(people, tmp_path)
    told = heard(people, "holder-2", "holder-3", "ada")
    assert people["holder-1"].sign(root, *told, expect=12)["error"] == "refused.fingerprint-unused"


def test_person_at_a_terminal_is_asked(people, tmp_path):
    root, holder = made_root(people, tmp_path), people["holder-1"]
    ours, theirs = pty.openpty()
    answers = [holder.name and people[name].public.fingerprint for name in HOLDERS[1:]]
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    done = subprocess.run(
        [Path(sys.executable).parent / "patchline", "trust", "sign", root, "--key", "holder-1"],
        stdin=theirs,
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "PATCHLINE_KEYS": str(holder.keys), "PATCHLINE_PASSPHRASE": PASSPHRASE},
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert b"number 2 of 3" in done.stderr
    assert len(json.loads(root.read_bytes())["signatures"]) == 1


def test_wrong_passphrase_signs_nothing(people, tmp_path):
    root, holder = made_root(people, tmp_path), people["holder-1"]
    line = ("trust", "sign", root, "--key", "holder-1", "--json")
    keys = {"PATCHLINE_KEYS": str(holder.keys)}
    done = run("patchline", *line, passphrase="wrong", environment=keys, expect=12)
    assert done.document["error"] == "sealed.passphrase"


def test_trust_file_itself_is_not_signed(people, tmp_path):
    (tmp_path / "demo.trust").write_bytes(vendor.trust().data)
    assert people["holder-1"].sign(tmp_path / "demo.trust", expect=21)["error"] == "trust.unknown-document"


# Options


def test_root_follows_the_previous_one(people, signed, tmp_path):
    root, _ = signed
    online = Person(tmp_path, "online")
    newer = made_root(people, tmp_path, "--previous", root, "--online", online.pem, name="root-2.json")
    content = json.loads(newer.read_bytes())["signed"]
    assert content["version"] == 2
    assert content["roles"]["timestamp"] == {"keyids": [online.public.keyid], "threshold": 1}
    changes = run("patchline", "trust", "diff", root, newer, "--json").document["changes"]
    assert "root 2 instead of 1" in changes
    assert f"timestamp: new key p256 {online.public.fingerprint}" in changes


@pytest.mark.parametrize("threshold", [0, -1, 4])
def test_root_with_a_useless_threshold_is_refused(people, tmp_path, threshold):
    keys = [word for name in HOLDERS for word in ("--key", people[name].pem)]
    line = ("--threshold", threshold, "--out", tmp_path / "r.json", "--json")
    done = run("patchline", "trust", "root", *keys, *line, expect=21)
    assert done.document["error"] == "trust.root-threshold"
    assert not (tmp_path / "r.json").exists()


def test_files_are_never_overwritten(people, tmp_path):
    root = made_root(people, tmp_path)
    content = root.read_bytes()
    made_root(people, tmp_path, expect=12)
    assert root.read_bytes() == content


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ada", "usage.key-person"),
        ("=x.pem", "usage.key-person"),
        ("ada=", "usage.key-person"),
        ("Ada={ada}", "usage.key-person"),
        ("ada={ada}:cloud", "usage.key-person"),
        ("ada={ada}:cli:Security", "trust.value"),
        ("ada=none.pem", "not-found.file"),
    ],
)
def test_approvers_are_named_with_person_and_file(people, tmp_path, text, code):
    line = ("--product", "demo", "--threshold", 1, "--out", tmp_path / "p.json", "--json")
    given = ("--approver", text.format(ada=people["ada"].pem))
    with_exit = {"usage": 2, "trust": 21, "not-found": 11}[code.split(".")[0]]
    done = run("patchline", "trust", "policy", *line, *given, expect=with_exit)
    assert done.document["error"] == code


def test_first_policy_without_threshold_is_refused(people, tmp_path):
    line = ("--product", "demo", "--approver", f"ada={people['ada'].pem}", "--out", tmp_path / "p.json", "--json")
    assert run("patchline", "trust", "policy", *line, expect=2).document["error"] == "usage.options"


def test_policy_from_a_recipe_with_keys_from_files(people, tmp_path):
    (tmp_path / "policy.toml").write_text(
        'root_steps = true\n[[rules]]\nthreshold = 1\n[[rules]]\nthreshold = 2\nmatch = { severity = ["critical"] }\n'
    )
    line = ("--product", "demo", "--recipe", tmp_path / "policy.toml", "--out", tmp_path / "p.json", "--json")
    approvers = [word for name in ("ada", "ben") for word in ("--approver", f"{name}={people[name].pem}")]
    content = run("patchline", "trust", "policy", *line, *approvers).document["content"]
    assert content["root_steps"] and len(content["rules"]) == 2 and set(content["persons"]) == {"ada", "ben"}


def test_diff_says_in_words_what_changes(people, signed, tmp_path):
    _, policy = signed
    old = json.loads(run("patchline", "trust", "show", policy, "--json").out)["content"]
    retired = {"retired": ["0" * 64]}
    lines = ["root_steps = true", f"recalls = ['{'1' * 64}']", "recall_max_age_days = 30"]
    lines += ["[[rules]]", "threshold = 1", "independent = 0", "reproduced = 0"]
    for person, status in (("ada", retired), ("ben", "active"), ("bob", "revoked")):
        [key] = old["persons"][person]["keys"]
        lines += [f"[[persons.{person}.keys]]", f"public = '''{key['public']}'''", f"purpose = '{key['purpose']}'"]
        shown = "{ retired = ['" + "0" * 64 + "'] }" if status is retired else f"'{status}'"
        lines += [f"custody = '{key['custody']}'", f"status = {shown}"]
    (tmp_path / "policy.toml").write_text("\n".join(lines))
    newer = tmp_path / "policy-2.json"
    line = ("--product", "demo", "--previous", policy, "--recipe", tmp_path / "policy.toml", "--out", newer)
    run("patchline", "trust", "policy", *line)
    changes = "\n".join(run("patchline", "trust", "diff", policy, newer, "--json").document["changes"])
    for words in (
        "policy 2 instead of 1",
        "changed: ada: approver key",
        "retired, still counting for 1 manifests",
        "changed: ben: approver key",
        "gone: release: release key",
        "revoked",
        "new rule: everything: 1 person, 0 not by browser, 0 rebuilt",
        "gone rule: everything: 2 persons, 1 not by browser, rebuilt by default",
        "steps as root are now allowed",
        f"new recall of manifest {'1' * 64}",
        "a recall list may be 30 days old instead of 45",
    ):
        assert words in changes, words
    assert run("patchline", "trust", "diff", policy, policy).out == "nothing changes\n"
    backwards = run("patchline", "trust", "diff", newer, policy).out
    assert "OLDER" in backwards


def test_diff_of_trust_files_tells_what_is_not_signed_too(tmp_path):
    (tmp_path / "a").write_bytes(vendor.trust(customer="c-1", baselines={"1.0": "0" * 64}).data)
    (tmp_path / "b").write_bytes(vendor.trust(trial=True, channel="https://x/").data)
    changes = run("patchline", "trust", "diff", tmp_path / "a", tmp_path / "b", "--json").document["changes"]
    assert changes == [
        "customer: none instead of c-1",
        "channel: https://x/ instead of none",
        "trial: True instead of none",
        f"gone baseline 1.0: files {'0' * 64}",
    ]


def test_documents_of_two_kinds_are_not_compared(signed):
    assert run("patchline", "trust", "diff", *signed, "--json", expect=21).document["error"] == (
        "trust.unknown-document"
    )


@pytest.mark.parametrize(("content", "code"), [(b"", "document.syntax"), (b"{}", "trust.unknown-document")])
def test_other_files_are_a_clear_error(tmp_path, content, code):
    (tmp_path / "x").write_bytes(content)
    exit_code = 20 if code.startswith("document") else 21
    assert run("patchline", "trust", "show", tmp_path / "x", "--json", expect=exit_code).document["error"] == code
    assert run("patchline", "trust", "show", tmp_path / "none", "--json", expect=11).document["error"] == (
        "not-found.file"
    )


def test_show_says_what_each_document_holds(signed):
    root, policy = signed
    shown = run("patchline", "trust", "show", root).out
    assert "root 1, expires" in shown and "snapshot: no keys until there is a channel" in shown
    shown = run("patchline", "trust", "show", policy).out
    assert "ben: approver key" in shown and "(transit as security)" in shown
    assert "2 signatures, not checked here" in shown


@pytest.fixture
def channel_people(people, tmp_path):
    return people | {name: Person(tmp_path, name) for name in ("online", "publisher", "kits")}


def made_targets(people, folder, root, publisher, *options, expect=0, name="targets.json"):
    line = ("--root", root, "--publisher", people[publisher].pem, "--status", people["online"].pem)
    return run("patchline", "trust", "targets", *line, "--out", folder / name, "--json", *options, expect=expect)


def test_targets_are_made_signed_shown_and_compared(channel_people, tmp_path):
    people = channel_people
    root = made_root(people, tmp_path, "--online", people["online"].pem)
    made = made_targets(people, tmp_path, root, "online").document
    assert made["kind"] == "targets" and made["signatures"] == []
    first = tmp_path / "targets.json"
    refused = people["holder-1"].sign(first, expect=12)
    assert refused["error"] == "refused.fingerprint" and "publisher's key of the channel" in refused["message"]
    people["holder-1"].sign(first, *heard(people, "online"))
    assert len(people["holder-2"].sign(first, *heard(people, "online"))["signatures"]) == 2
    assert "status: 1 of 1 keys" in run("patchline", "trust", "show", first).out
    made_targets(people, tmp_path, root, "publisher", "--previous", first, name="targets-2.json")
    changes = run("patchline", "trust", "diff", first, tmp_path / "targets-2.json", "--json").document["changes"]
    publisher = people["publisher"].public
    assert f"hotfixes: new key p256 {publisher.fingerprint}" in changes and "targets 2 instead of 1" in changes
    # The online key is known by now as what it was, the publisher's is not.
    people["holder-1"].sign(tmp_path / "targets-2.json", *heard(people, "publisher"))


def test_targets_that_name_an_offline_key_are_not_made(channel_people, tmp_path):
    people = channel_people
    root = made_root(people, tmp_path, "--online", people["online"].pem)
    refused = made_targets(people, tmp_path, root, "holder-3", expect=21).document
    assert refused["error"] == "channel.delegations"
    assert not (tmp_path / "targets.json").exists()


def test_root_of_kits_is_made_signed_and_told_apart(channel_people, tmp_path):
    people = channel_people
    root = made_root(people, tmp_path, "--online", people["online"].pem)
    kits = made_root(people, tmp_path, "--kit", people["kits"].pem, name="kit-root.json")
    refused = people["holder-1"].sign(kits, *heard(people, "holder-2", "holder-3"), expect=12)
    assert "key of the kits" in refused["message"]
    people["holder-1"].sign(kits, *heard(people, "holder-2", "holder-3", "kits"))
    shown = run("patchline", "trust", "show", kits, "--json").document
    assert shown["kind"] == "kit-root" and len(shown["signatures"]) == 1
    assert "root 1 of the kits" in run("patchline", "trust", "show", kits).out
    assert run("patchline", "trust", "diff", root, kits, "--json", expect=21).document["error"] == (
        "trust.unknown-document"
    )
    after = made_root(people, tmp_path, "--kit", people["kits"].pem, "--previous", kits, name="kit-root-2.json")
    assert run("patchline", "trust", "show", after, "--json").document["content"]["version"] == 2
    line = ("--kit", people["kits"].pem, "--previous", root)
    made_root(people, tmp_path, *line, name="kit-root-3.json", expect=21)
    made_root(people, tmp_path, "--kit", people["kits"].pem, "--online", people["online"].pem, name="x", expect=2)
