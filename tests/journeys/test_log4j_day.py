"""The day on which a library that is in most releases has a hole: from the question which ones have it to customers
that are safe, and one that has to take its hotfix back. By command lines alone.
"""

import os
import subprocess
from pathlib import Path

import pytest

from patchline.patches.errors import RecalledError
from tests import office
from tests.conftest import EXHAUSTIVE, NOTHING_MAY_BE_SKIPPED
from tests.journeys.company import Company
from tests.programs import run
from tests.registers import BACKENDS
from tests.repositories import Repository
from tests.servers import serving

CVE = "CVE-2021-44228"
HURT, SAFE = "2.14.1", "2.17.1"
MANY = 14 if EXHAUSTIVE or NOTHING_MAY_BE_SKIPPED else 6
"""Releases that customers have; the two newest of them have a library without the hole."""


class Site:
    """A customer's installation of one release."""

    def __init__(self, company: Company, name: str, release: str) -> None:
        self.company, self.folder, self.release = company, company.folder / "sites" / name, release
        self.folder.mkdir(parents=True)
        line = ["git", "--git-dir", company.folder / "shop", "archive", "--format=tar", f"v{release}"]
        released = subprocess.run(line, check=True, capture_output=True).stdout
        self.root.mkdir()
        subprocess.run(["tar", "-x", "-C", self.root], input=released, check=True)
        trust = company.folder / "shop.trust"
        heard = company.own("ada", "trust", "show", trust, "--json").document["fingerprint"]
        self("init", "--product", "shop", "--baseline", release, "--trust", trust, "--fingerprint", heard)

    @property
    def root(self) -> Path:
        return self.folder / "app"

    def __call__(self, *arguments: object, expect: int = 0):
        where = ("--root", self.root, "--state", self.folder / "state")
        return run("patchline-site", *arguments, *where, cwd=self.company.folder, expect=expect)

    @property
    def libraries(self) -> list[str]:
        return sorted(path.name for path in (self.root / "lib").iterdir())

    @property
    def level(self) -> str:
        return self("inventory", "--json").document["level"]["label"]


def releases(path: Path, count: int) -> list[str]:
    """Make a repository with so many releases, and the mended library on a branch; returns those with the hole."""
    repository = Repository(path, bare=True)
    hurt = []
    for number in range(MANY):
        version = HURT if number < count - 2 else SAFE
        changed = {"VERSION": f"4.{number}\n".encode(), f"src/{number}.txt": b"new in it\n"}
        changed |= {f"lib/log4j-core-{version}.jar": office.jar(version)}
        changed |= {f"lib/log4j-core-{HURT}.jar": None} if number == count - 2 else {}
        repository.commit(changed, f"Make 4.{number}", tag=f"v4.{number}", author="walt@example.com")
        hurt += [f"4.{number}"] if version == HURT else []
    mended = {f"lib/log4j-core-{HURT}.jar": None, f"lib/log4j-core-{SAFE}.jar": office.jar(SAFE)}
    message = f"Take the library without the hole\n\nFixes: {CVE}"
    repository.commit(mended, message, branch="fix", parent=f"v{hurt[-1]}", author="walt@example.com")
    return hurt


@pytest.mark.parametrize("backend", BACKENDS if NOTHING_MAY_BE_SKIPPED or EXHAUSTIVE else BACKENDS[:1])
def test_library_with_a_hole_in_most_releases_is_mended_at_every_customer(backend, tmp_path):
    company = Company(tmp_path, backend)
    hurt = releases(tmp_path / "shop", MANY)
    own, server = company.own, company.server
    company.hold_ceremony()
    company.fill_register()
    company.add_baselines(*(f"4.{number}" for number in range(MANY)))

    # Which releases have it? Known before there is a fix, with what helps until then.
    found = server("contains", "log4j-core", "--json").document
    assert {row["baseline"] for row in found["places"]} == {f"4.{number}" for number in range(MANY)}
    server("issue", "add", CVE, "--product", "shop", "--severity", "critical", "--from-contains", "log4j-core",
           "--version", "2.14.*", "--workaround", "Take JndiLookup.class out of the jar", by="walt")  # fmt: skip
    shown = server("issue", "show", CVE, "--json").document
    assert sorted(row["baseline"] for row in shown["baselines"] if row["status"] == "affected") == sorted(hurt)

    # One fix, carried to all of them, each a hotfix of its own; signed and submitted at once.
    (tmp_path / "bundles").mkdir()
    campaign = server("hotfix", "carry", "fix", "--issue", CVE, "--people", "people.toml", "--out", "bundles",
                      "--json", by="walt").document["campaign"]  # fmt: skip
    names = {row["baseline"]: row["hotfix"] for row in table(company, campaign)}
    assert set(names) == set(hurt) and states(company, campaign) == {"built"}
    bundles = [f"bundles/{name}-r1.hotfix" for name in names.values()]
    own("bob", "bundle", "sign", *bundles, "--key", "bob")
    server("campaign", "submit", campaign, "--from", "bundles", by="walt")

    # Ada rebuilds them all from her own clone, Ben reads them; each unlocks their key once.
    server("campaign", "commits", campaign, "--out", "fix.pack")
    git("clone", "-q", "--bare", "shop", "clone-of-ada", cwd=tmp_path)
    git("fetch", "-q", "../fix.pack", "refs/patchline/*:refs/patchline/*", cwd=tmp_path / "clone-of-ada")
    rebuilt = ("--repo", "clone-of-ada", "--people", "people.toml")
    for name, more in (("ada", rebuilt), ("ben", ())):
        own(name, "bundle", "approve", *bundles, "--key", name, "--trust", "shop.trust", "--yes", *more)
    own("release", "bundle", "release", *bundles, "--key", "release", "--trust", "shop.trust")
    server("campaign", "approve", campaign, "--from", "bundles")
    assert states(company, campaign) == {"approved"}
    server("campaign", "publish", campaign, "--from", "bundles")
    assert states(company, campaign) == {"published"}

    # A customer with a network takes it from the channel; one without, from a kit.
    online, gapped = Site(company, "online", hurt[0]), Site(company, "gapped", hurt[-1])
    with serving(company.home / "channel") as web:
        offers = online("fetch", "--from", web.url, "--json").document["offers"]
        [offer] = [one for one in offers if one["standing"] == "new"]
        assert offer["release"] == f"{names[hurt[0]]}-r1"
        online("apply", offer["path"])
        assert online.libraries == [f"log4j-core-{SAFE}.jar"]
        gapped("report", "--out", tmp_path / "gapped.report")
        made = server("kit", "make", "--report", "gapped.report", "--out", "stick", "--json").document
        assert made["releases"] == [f"{names[hurt[-1]]}-r1"]
        gapped("apply", "stick")
        assert gapped.libraries == [f"log4j-core-{SAFE}.jar"]

        # One of them does harm. The other is as it was.
        bad = f"bundles/{names[hurt[0]]}-r1.hotfix"
        own("ada", "recall", "propose", bad, "--reason", "orders are lost", "--key", "ada", "--trust", "shop.trust",
            "--out", "recall.jsonl", "--yes")  # fmt: skip
        own("ben", "recall", "confirm", "recall.jsonl", "--key", "ben", "--trust", "shop.trust", "--yes")
        server("hotfix", "recall", names[hurt[0]], "--statement", "recall.jsonl", "--yes", by="walt")
        withdrawn = online("fetch", "--from", web.url, "--json").document["withdrawn"]
        assert withdrawn[f"{names[hurt[0]]}-r1"]["reason"] == "orders are lost"
        online("rollback", names[hurt[0]])
        assert (online.level, online.libraries) == (hurt[0], [f"log4j-core-{HURT}.jar"])
        online("apply", bad, expect=RecalledError.exit_code)
    assert {row["baseline"]: row["state"] for row in table(company, campaign)}[hurt[0]] == "recalled"
    assert gapped.level == f"{hurt[-1]}+{names[hurt[-1]]}-r1"


def table(company: Company, campaign: str) -> list[dict]:
    return company.server("campaign", "show", campaign, "--json").document["baselines"]


def states(company: Company, campaign: str) -> set[str]:
    return {row["state"] for row in table(company, campaign)}


def git(*line: str, cwd: Path) -> None:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", *line], cwd=cwd, check=True, env=environment)
