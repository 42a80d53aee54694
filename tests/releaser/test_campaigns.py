import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from patchline.releaser.bundle_files import STATEMENT, read_bundle, sidecar_path
from patchline.releaser.signing import sign_provenance
from tests.hotfixes import Life
from tests.programs import run
from tests.registers import BACKENDS, make_home
from tests.repositories import Repository
from tests.vendor import signer

LINES = [f"line {number}\n" for number in range(60)]
PEOPLE = """\
key = "a secret of at least 32 characters, made up for this test"

[people]
walt = ["walt@example.com"]
cleo = ["cleo@example.com", "cleo@old.example.com"]
"""


def text(**changes):
    lines = list(LINES)
    for number, line in changes.items():
        lines[int(number[1:])] = f"{line}\n"
    return "".join(lines).encode()


@pytest.fixture(params=BACKENDS)
def home(request, tmp_path):
    return make_home(request.param, tmp_path / "home")


def patchline(home, *arguments, **more):
    return run("patchline", *arguments, environment={"PATCHLINE_HOME": str(home), "PATCHLINE_PERSON": "cleo"}, **more)


@pytest.fixture
def shop(home, tmp_path):
    """Five releases: the fix goes onto three of them, collides with the oldest, and the newest has it."""
    repository = Repository(tmp_path / "shop.git", bare=True)
    repository.commit({"total.py": text(l15="of old"), "VERSION": b"0"}, tag="v0")
    repository.commit({"total.py": text(), "VERSION": b"1"}, tag="v1")
    repository.commit({"total.py": text(l40="of 2"), "VERSION": b"2"}, tag="v2")
    repository.commit({"total.py": text(l40="of 2", l2="of 3"), "VERSION": b"3"}, tag="v3")
    mended = text(l40="of 2", l2="of 3", l15="mended")
    fix = repository.commit({"total.py": mended}, "Totals are right\n\nFixes: BUG-7", author="walt@example.com")
    repository.commit({"VERSION": b"4"}, tag="v4")
    patchline(home, "product", "add", "shop", "--repo", repository.path)
    for label in "01234":
        patchline(home, "baseline", "add", label, "--product", "shop", "--tag", f"v{label}")
    (tmp_path / "people.toml").write_text(PEOPLE)
    (tmp_path / "out").mkdir()
    return home, repository, fix, tmp_path


def carry(shop, *arguments, **more):
    home, _, _, folder = shop
    people = ["--people", folder / "people.toml", "--out", folder / "out"]
    return patchline(home, "hotfix", "carry", *arguments, *people, **more)


def states(document):
    return {row["baseline"]: row["state"] for row in document["baselines"]}


def test_one_fix_becomes_a_linked_hotfix_on_every_affected_baseline(shop):
    home, _, fix, folder = shop
    marks = [word for label in "01234" for word in ("--affects", label)]
    issue = ["--title", "Totals are wrong", "--severity", "important", "--cve", "CVE-2026-1234"]
    patchline(home, "issue", "add", "BUG-7", "--product", "shop", *issue, *marks)
    document = carry(shop, fix, "--issue", "BUG-7", "--json", expect=14).document
    assert states(document) == {"4": "contained", "3": "built", "2": "built", "1": "built", "0": "conflict"}
    (stopped,) = (row for row in document["baselines"] if row["conflicts"])
    assert stopped["conflicts"] == ["total.py"] and stopped["stopped_at"] == fix and stopped["hotfix"] is None
    for row in document["baselines"]:
        if row["state"] == "built":
            manifest = read_bundle(folder / "out" / f"{row['hotfix']}-r1.hotfix").manifest
            assert manifest.target.baselines == (row["baseline"],) and manifest.severity == "important"
            assert manifest.provenance["base_tag"] == f"v{row['baseline']}"
            assert manifest.provenance["head_commit"] == row["head"]
            assert [(one.id, one.title, one.cve) for one in manifest.fixes] == [
                ("BUG-7", "Totals are wrong", ("CVE-2026-1234",))
            ]
            assert manifest.contributors == ("cleo", "walt")
    shown = patchline(home, "issue", "show", "BUG-7", "--json").document
    assert {row["baseline"]: row["standing"] for row in shown["baselines"]} == {
        "4": "no fix yet",
        "3": "fix under way",
        "2": "fix under way",
        "1": "fix under way",
        "0": "no fix yet",
    }
    table = patchline(home, "campaign", "show", document["campaign"]).out
    assert f"0  conflict    {fix[:12]} collides in total.py" in table
    assert f"--campaign {document['campaign']} --resolve VERSION=BRANCH" in table
    assert document["campaign"] in patchline(home, "campaign", "list").out


def test_conflict_is_solved_by_a_branch_and_only_that_baseline_is_built(shop):
    _, repository, fix, folder = shop
    more = ["--product", "shop", "--all", "--fix", "BUG-7=Totals are right"]
    identifier = carry(shop, fix, *more, "--json", expect=14).document["campaign"]
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    again = carry(shop, "--campaign", identifier, expect=14)
    assert "0  conflict" in again.out
    solved = {"total.py": text(l15="of old, mended")}
    repository.commit(solved, "Totals", branch="fix-on-0", parent=repository.git("rev-parse", "v0"))
    carry(shop, "--campaign", identifier, "--resolve", "2=fix-on-0", expect=2)
    repository.commit(solved, "Totals", branch="elsewhere", fresh=True)
    refused = carry(shop, "--campaign", identifier, "--resolve", "0=elsewhere", expect=14)
    assert "does not lie on v0" in refused.err
    document = carry(shop, "--campaign", identifier, "--resolve", "0=fix-on-0", "--json").document
    assert states(document) == {"4": "contained", "3": "built", "2": "built", "1": "built", "0": "built"}
    (row,) = (row for row in document["baselines"] if row["baseline"] == "0")
    assert row["resolved"] == "fix-on-0" and row["head"] == repository.git("rev-parse", "fix-on-0")
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_bundle_is_the_one_that_bundle_build_makes_of_tag_and_carried_commit(shop):
    home, repository, fix, folder = shop
    more = ["--product", "shop", "--to", "1", "--fix", "BUG-7=Totals are right"]
    document = carry(shop, fix, *more, "--json").document
    (row,) = document["baselines"]
    alone = folder / "alone.hotfix"
    patchline(
        home, "bundle", "build", "--repo", repository.path, "--base", "v1", "--head", row["head"], "--product", "shop",
        "--id", row["hotfix"], "--baseline", "1", "--fix", "BUG-7=Totals are right", "--people", folder / "people.toml",
        "--out", alone,
    )  # fmt: skip
    carried = folder / "out" / f"{row['hotfix']}-r1.hotfix"
    assert alone.read_bytes() == carried.read_bytes()
    assert sidecar_path(carried, STATEMENT).exists()


def test_approver_rebuilds_from_a_clone_with_the_carried_commits(shop):
    home, repository, fix, folder = shop
    document = carry(shop, fix, "--product", "shop", "--to", "1", "--to", "2", "--fix", "BUG-7=x", "--json").document
    out = folder / "fix.pack"
    patchline(home, "campaign", "commits", document["campaign"], "--out", out)
    patchline(home, "campaign", "commits", document["campaign"], "--out", out, expect=12)
    Repository(folder / "clone.git", bare=True).git("fetch", "-q", str(repository.path), "refs/*:refs/*")
    subprocess.run(
        ["git", "-C", folder / "clone.git", "fetch", "-q", out, "refs/patchline/*:refs/patchline/*"], check=True
    )
    for row in document["baselines"]:
        bundle = folder / "out" / f"{row['hotfix']}-r1.hotfix"
        rebuilt = patchline(
            folder / "another home", "bundle", "rebuild", bundle, "--repo", folder / "clone.git",
            "--people", folder / "people.toml", "--json",
        )  # fmt: skip
        assert rebuilt.document["reproduced"] is True


def test_build_that_fails_stops_no_other_and_goes_on_once_it_is_mended(shop):
    _, repository, fix, _ = shop
    key = b"-----BEGIN PRIVATE KEY-----\n" + hashlib.sha256(b"x").hexdigest().encode() + b"\n"
    secret = repository.commit({"key.pem": key}, "Add a key", author="walt@example.com")
    more = ["--product", "shop", "--to", "1", "--to", "2", "--fix", "BUG-7=x"]
    document = carry(shop, fix, secret, *more, "--json", expect=14).document
    assert states(document) == {"1": "failed", "2": "failed"}
    assert "build.secret" in document["baselines"][0]["problem"]
    allow = ["--allow", "app/key.pem=made up for a test", "--allow", "key.pem=made up for a test"]
    document = carry(shop, "--campaign", document["campaign"], *allow, "--json").document
    assert states(document) == {"1": "built", "2": "built"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["main"], 2),
        (["main", "--product", "shop", "--all"], 2),
        (["main", "--product", "shop", "--to", "1", "--all", "--fix", "B-1=x"], 2),
        (["main", "--product", "shop", "--to", "9", "--fix", "B-1=x"], 11),
        (["main", "--product", "none", "--to", "1", "--fix", "B-1=x"], 11),
        (["none", "--product", "shop", "--to", "1", "--fix", "B-1=x"], 14),
        (["main..v1", "--product", "shop", "--to", "1", "--fix", "B-1=x"], 14),
        (["main", "--product", "shop", "--to", "1", "--fix", "no id=x"], 2),
        (["main", "--product", "shop", "--to", "1", "--fix", "B-1=x", "--resolve", "2=main"], 2),
        (["main", "--issue", "BUG-9"], 11),
        (["--campaign", "C-2026-0009"], 11),
        (["main", "--campaign", "C-2026-0009"], 2),
    ],
)
def test_carrying_that_makes_no_sense_is_refused_and_leaves_nothing(shop, arguments, code):
    refused = carry(shop, *arguments, expect=code)
    assert "hint: " in refused.err
    assert patchline(shop[0], "campaign", "list", "--json").document == []
    assert list((shop[3] / "out").iterdir()) == []


def test_baseline_without_a_commit_and_a_moved_tag_are_refused(shop):
    home, repository, fix, folder = shop
    (folder / "built").mkdir()
    (folder / "built" / "a.txt").write_bytes(b"a")
    built = ["--artefacts", folder / "built", "--source", "a disk"]
    patchline(home, "baseline", "add", "9", "--product", "shop", *built)
    more = ["--product", "shop", "--fix", "B-1=x"]
    assert "without a commit" in carry(shop, fix, *more, "--to", "9", expect=14).err
    repository.git("tag", "-f", "v1", fix)
    assert "was first used" in carry(shop, fix, *more, "--to", "1", expect=14).err


def test_campaign_is_submitted_at_once_and_its_table_follows_every_step(register, tmp_path):
    (tmp_path / "life").mkdir()
    life = Life(register, tmp_path / "life").prepare()
    repository = Repository(tmp_path / "demo.git", bare=True)
    for label in "123":
        repository.commit({"total.py": text(**{f"l{label}": "other"})}, tag=f"v{label}")
    fix = repository.commit({"total.py": text(l3="other", l30="mended")}, "Mend", author="walt@example.com")
    (tmp_path / "out").mkdir()
    for label in "123":
        tag = ["--repo", repository.path, "--tag", f"v{label}"]
        patchline(register.home, "baseline", "add", label, "--product", "demo", *tag)
    document = patchline(
        register.home, "hotfix", "carry", fix, "--product", "demo", "--to", "1", "--to", "2", "--fix", "BUG-7=x",
        "--repo", repository.path, "--out", tmp_path / "out", "--json",
    ).document  # fmt: skip
    names = {row["baseline"]: row["hotfix"] for row in document["baselines"]}
    for name in names.values():
        sign_provenance(tmp_path / "out" / f"{name}-r1.hotfix", signer("builder"))
    submit = ["campaign", "submit", document["campaign"], "--from"]
    patchline(register.home, *submit, tmp_path, expect=11)
    submitted = patchline(register.home, *submit, tmp_path / "out", "--json").document
    assert states(submitted) == {"1": "in-review", "2": "in-review"}
    for key in ("ada", "ben"):
        life.approve(names["2"], key)
    shown = patchline(register.home, "campaign", "show", document["campaign"], "--json").document
    assert states(shown) == {"1": "in-review", "2": "approved"}


def test_several_bundles_are_signed_with_one_unlocking(tmp_path):
    home = make_home("sqlite", tmp_path / "home")
    keys = {"PATCHLINE_HOME": str(home), "PATCHLINE_KEYS": str(tmp_path / "keys")}
    run("patchline", "key", "new", "bob", passphrase="bob", environment=keys)
    repository = Repository(tmp_path / "shop.git", bare=True)
    repository.commit({"a": b"1"}, tag="v1")
    repository.commit({"a": b"2"})
    bundles = [tmp_path / f"HF-{number}-r1.hotfix" for number in range(3)]
    for number, bundle in enumerate(bundles):
        run(
            "patchline", "bundle", "build", "--repo", repository.path, "--base", "v1", "--head", "main", "--id",
            f"HF-{number}", "--product", "shop", "--baseline", "1", "--fix", "BUG-1=x", "--out", bundle, environment=keys,
        )  # fmt: skip
    reading, writing = os.pipe()
    os.write(writing, b"bob\n")
    os.close(writing)
    signed = run(
        "patchline", "bundle", "sign", *bundles, "--key", "bob", "--passphrase-fd", reading, "--json", environment=keys
    )
    assert [Path(one["bundle"]) for one in signed.document] == bundles
    assert all(Path(one["provenance"]).is_file() for one in signed.document)
    alone = run("patchline", "bundle", "sign", bundles[0], "--key", "bob", "--json", passphrase="bob", environment=keys)
    assert alone.document["bundle"] == str(bundles[0])
    many = ["patchline", "bundle", "approve", *bundles, "--key", "bob", "--trust", tmp_path / "no.json"]
    run(*many, "--out", tmp_path / "a", expect=11, environment=keys)
