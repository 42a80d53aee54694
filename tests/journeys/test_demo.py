import os
import re
import shutil
import subprocess
import sys
import zipfile
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from tests.conftest import NOTHING_MAY_BE_SKIPPED
from tests.journeys import demo
from tests.journeys.demo_bundle import story_of
from tests.served import served

CHECKOUT = Path(__file__).parent.parent.parent


def wheel(folder, number, files):
    """A wheel as an index would give it."""
    name = f"tiny_product-{number}"
    info = f"{name}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny-product\nVersion: {number}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture
def index(tmp_path, monkeypatch):
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "1.0", {"tiny/__init__.py": "", "tiny/old.py": "old = 1\n", "tiny/a.py": "a = 1\n"})
    wheel(folder, "1.0.1", {"tiny/__init__.py": "", "tiny/new.py": "new = 1\n", "tiny/a.py": "a = 2\n"})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def run_demo(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tests.journeys.demo", *arguments],
        cwd=CHECKOUT,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )


# The third part takes as long as both others, and asks what the journeys of support ask too.
PARTS = () if NOTHING_MAY_BE_SKIPPED else ("--part", "bundle", "--part", "channel")


def told_of_the_fleet(kept):
    return (
        "→ 0 have it, 0 lack it, 4 unknown: as it is",
        "→ 1 have it, 2 lack it, 1 unknown: as it is",
        "→ 0 have it, 3 lack it, 1 unknown: as it is",
        "    but       1 file not as expected",
        f"Ask on: PATCHLINE_HOME={kept}/server/register .venv/bin/patchline level acme",
    )


def pages_show_the_hotfix(told, kept):
    """Run the command that was printed, and open what it says to open."""
    [command] = re.findall(r"^ *\.venv/bin/(patchline serve .*)$", told, re.MULTILINE)
    [link] = re.findall(r"^ *http://localhost:8080(/sign-in/link/.*)$", told, re.MULTILINE)
    [page] = re.findall(r"^ *The hotfix: http://localhost:8080(/.*)$", told, re.MULTILINE)
    assert command == f"patchline serve --home {kept}/server/register"
    with served(kept / "server" / "register", "--workers", 1) as running:
        jar = CookieJar()
        browser = build_opener(HTTPCookieProcessor(jar))
        form = browser.open(running.address + link).read().decode()
        token = re.search(r'name="csrf_token" value="([^"]+)"', form)[1]
        password = "the demo's own words"
        chosen = urlencode({"csrf_token": token, "password": password, "again": password}).encode()
        assert "What waits for you" in browser.open(f"{running.address}/sign-in/link/", chosen).read().decode()
        assert "HF-2026-0001" in browser.open(running.address + page).read().decode()


def test_any_product_of_the_package_index_goes_there_and_back(index):
    told = run_demo("tiny-product", "1.0", "1.0.1", *PARTS)
    kept = demo.BUILD / "demo-tiny-product-1.0.1"
    try:
        assert told.returncode == 0, told.stdout + told.stderr
        for line in (
            "    hint: Somebody who did not contribute to the hotfix must approve.",
            "    approved by ada, ben",
            "    Verified OK",
            "    HF-2026-0001-r1.hotfix: OK",
            "→ identical to tiny-product 1.0.1: 6 files and links compared",
            "→ identical to tiny-product 1.0: 6 files and links compared",
            "    1.0.1",
            f"    {kept}/customer/site-packages/tiny/__init__.py",
            "    Killed",
            "    HF-2026-0001-r1 approved by ben: enough, it is approved",
            "    HF-2026-0001-r1 is published",
            "        RECALLED: breaks sign-in with single sign-on",
            "    error: HF-2026-0001-r1 was recalled: breaks sign-in with single sign-on",
            f"Everything still lies in {kept}:",
            *(told_of_the_fleet(kept) if NOTHING_MAY_BE_SKIPPED else ()),
        ):
            assert line in told.stdout.splitlines(), line
        assert told.stderr == ""
        assert (kept / "shared" / "report.json").exists()
        pages_show_the_hotfix(told.stdout, kept)
    finally:
        shutil.rmtree(kept, ignore_errors=True)


@pytest.mark.skipif(not NOTHING_MAY_BE_SKIPPED, reason="the page of Vault plays the same commands in every run")
def test_part_of_vault_ends_with_a_login_that_is_proved_dead_and_a_hotfix_that_verifies(index):
    told = run_demo("tiny-product", "1.0", "1.0.1", "--part", "vault")
    kept = demo.BUILD / "demo-tiny-product-1.0.1-vault"
    try:
        assert told.returncode == 0, told.stdout + told.stderr
        for line in ("is refused", "each of its logins was seen to fail", "job 1: done, is back, proved", "ALARM"):
            assert any(line in one for one in told.stdout.splitlines()), line
        assert any("approved by ada, ben" in one for one in told.stdout.splitlines())
        assert "password" not in told.stdout.lower().replace("on password reset", "")
    finally:
        shutil.rmtree(kept, ignore_errors=True)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("tiny-product", "1.0", "9.9"), 11, "error: No matching distribution found for tiny-product==9.9"),
        (("tiny-product", "1.0", "1.0"), 2, "error: tiny-product 1.0 is one release, not two"),
        (("nowhere-to-be-found", "1", "2"), 11, "error: No matching distribution found for nowhere-to-be-found==1"),
        (("../elsewhere", "1", "2"), 2, "error: '../elsewhere' is no name of a product"),
    ],
)
def test_demo_that_cannot_be_played_says_why_in_one_error(index, arguments, code, error):
    told = run_demo(*arguments)
    assert told.returncode == code
    assert told.stderr.splitlines()[0] == error
    assert told.stderr.splitlines()[1].startswith("hint: ") and len(told.stderr.splitlines()) == 2


def test_fixes_of_the_default_are_told_and_others_are_named_after_the_release():
    assert [fix.id for fix in story_of("django", "4.2.15", "4.2.16").fixes] == ["CVE-2024-45230", "CVE-2024-45231"]
    assert [fix.id for fix in story_of("Django", "4.2.14", "4.2.15").fixes] == ["Django-4.2.15"]
