"""The commands of rings, freezes, rollouts and acknowledgements, as people type them."""

import pytest

from patchline.releaser.tables.hotfixes import Revision
from tests.programs import run
from tests.rings import HOTFIX


@pytest.fixture
def said(ground, monkeypatch):
    """Type a command; return what it printed, or its document."""
    monkeypatch.setenv("PATCHLINE_HOME", str(ground.register.home))
    monkeypatch.setenv("PATCHLINE_PERSON", "rita")

    def typed(*words, code=0):
        shown = run("patchline", *words, expect=code)
        return shown.document if "--json" in words else shown.out + shown.err

    return typed


def test_rollout_from_plan_to_stop_as_people_type_it(ground, said):
    assert "demo  1  early  2 sites" in said("ring", "list")
    assert said("ring", "list", "--product", "demo", "--json")[0] == {
        "product": "demo",
        "ring": "early",
        "number": 1,
        "sites": 2,
    }
    said("ring", "add", "first", "--product", "demo", "--number", "0", "--site", "e")
    said("ring", "put", "none", "e", "--product", "demo")
    assert "ring first has no site" in said("rollout", "plan", HOTFIX, "--site", "f")
    assert "not open" in said("rollout", "show", HOTFIX)
    assert "stage 1, named sites: open since" in said("rollout", "start", HOTFIX, "--yes")
    assert "stage 2, ring early: open since" in said("rollout", "promote", HOTFIX, "--yes")
    assert said("rollout", "pause", HOTFIX, "--reason", "look", "--json")["state"] == "paused"
    said("rollout", "start", HOTFIX, "--yes")
    said("rollout", "problem", HOTFIX, "a", "--reason", "loses orders")
    assert "errors at 1 site" in said("rollout", "advance")
    shown = said("rollout", "show", HOTFIX, "--sites", "failed", "--json")
    assert [one["site"] for one in shown["sites"]] == ["a"]
    assert sum(row["sites"] for stage in shown["stages"] for row in stage["counts"]) == shown["targets"] == 6
    assert "stopped: enough" in said("rollout", "stop", HOTFIX, "--reason", "enough")


def test_freeze_is_added_listed_and_ended(said):
    made = said(
        *("freeze", "add", "--product", "demo", "--from", "2026-12-20", "--until", "2099-01-05T12:00+01:00"),
        *("--reason", "year end", "--json"),
    )
    assert made["ends"].startswith("2099-01-05T11:00")
    assert "product demo: year end" in said("freeze", "list")
    said("freeze", "end", made["freeze"])
    assert "no freeze" in said("freeze", "list")
    said("freeze", "add", "--from", "never", "--until", "2026-12-20", "--reason", "x", code=2)


def test_recall_shows_who_runs_it_and_who_acknowledged(ground, said):
    ground.applies("a", "b")
    ground.downloads("c")
    words = ("--person", "Eve", "--action", "accepted-risk", "--evidence", "mail of today")
    said("recall", "acknowledge", HOTFIX, "--site", "a", *words, code=13)
    with ground.register.database.write() as session:
        session.query(Revision).one().state = "recalled"
    shown = said("recall", "acknowledge", HOTFIX, "--site", "a", *words)
    assert "accepted-risk says Eve" in shown
    found = {one["site"]: one for one in said("recall", "show", HOTFIX, "--json")}
    assert {name: one["stand"] for name, one in found.items()} == {"a": "applied", "b": "applied", "c": "downloaded"}
    assert found["b"]["acknowledged"] is None
    said("recall", "acknowledge", HOTFIX, "--customer", "acme", *words)
    assert all(one["acknowledged"] for one in said("recall", "show", HOTFIX, "--json"))
    ground.loses("a")
    assert {one["site"]: one["stand"] for one in said("recall", "show", HOTFIX, "--json")}["a"] == "gone"
    said("recall", "acknowledge", HOTFIX, "--site", "nowhere", *words, code=11)
    said("recall", "acknowledge", HOTFIX, *words, code=2)
    said("recall", "acknowledge", HOTFIX, "--site", "a", *words, "--at", "2999-01-01", code=12)
