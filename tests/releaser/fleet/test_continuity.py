import json

import pytest
from sqlalchemy import update

from patchline.patches.errors import NotFoundError, PatchlineError, StateError
from patchline.releaser.fleet.continuity import Fate, continuity, find_target
from patchline.releaser.fleet.levels import When
from patchline.releaser.issues import Mark, NewIssue, Status, add_issue
from patchline.releaser.tables.catalogue import Product
from tests.hotfixes import changed
from tests.programs import run
from tests.registers import statements
from tests.releaser.fleet.a_march import a_march, day, pin
from tests.repositories import Repository

NOW = day(31)


@pytest.fixture
def march(register):
    return a_march(register)


def loses(march, target):
    level = march.level()
    with march.register.read() as session:
        return continuity(session, level, find_target(session, "demo", target), march.register.home, When(NOW))


def fates(found):
    return {one.fix: (one.fate, one.how) for one in found.fixes}


def commits(march, *oids, base):
    """Return the provenance of a hotfix that was built from these."""
    tree = "c" * 40
    return {
        "kind": "git",
        "repository": "shop",
        "base_tag": "v1",
        "base_commit": base,
        "head_commit": oids[-1],
        "base_tree": tree,
        "head_tree": tree,
        "commits": [*oids],
    }


def test_fix_whose_commits_lie_in_the_target_or_were_made_again_there_is_kept(march, tmp_path):
    made = Repository(tmp_path / "shop.git", bare=True)
    base = made.commit({"a": b"1\n", "b": b"1\n", "c": b"1\n"}, tag="v1")
    merged = made.commit({"a": b"2\n"})
    picked = made.commit({"b": b"2\n"}, branch="hotfix", parent=base)
    lost = made.commit({"c": b"2\n"}, branch="other", parent=base)
    made.commit({"b": b"2\n"}, "The same again")
    head = made.commit({"d": b"1\n"}, tag="v2")
    with march.register.database.write() as session:
        session.execute(update(Product).values(repository=str(made.path)))
    pin(march.register, "2.0", kind="git", tag="v2", commit_id=head, tree_id="d" * 40)
    named = []
    for number, oid in enumerate((merged, picked, lost), 11):
        file = changed(f"{number}.txt", b"0\n", b"1\n", fixes=[f"BUG-{number}"])
        provenance = commits(march, oid, base=base)
        named.append(march.hotfix(number, [file], f"BUG-{number}", provenance=provenance))
    march.report(day(3), *named)
    found = fates(loses(march, "2.0"))
    assert found["BUG-11"] == (Fate.KEPT, "its commits lie in the history of 2.0")
    assert found["BUG-12"][0] is Fate.KEPT and "has the same change, as" in found["BUG-12"][1]
    assert found["BUG-13"] == (Fate.UNKNOWN, "nobody has said whether 2.0 has it")


def test_without_commits_what_people_say_and_what_is_published_answers(march):
    march.report(day(3), march.one, march.two)
    three = march.hotfix(3, [changed("c.txt", b"c0\n", b"c1\n", fixes=["BUG-3"])], "BUG-3")
    there = march.hotfix(4, [changed("c.txt", b"c0\n", b"c2\n", fixes=["BUG-3"])], "BUG-3", baseline="2.0")
    march.report(day(4), march.one, march.two, three)
    with march.register.change("rita", day(5)) as change:
        not_affected = [Mark("2.0", Status.NOT_AFFECTED, "rewritten")]
        add_issue(change, NewIssue("BUG-1", "demo", "One"), not_affected)
        add_issue(change, NewIssue("BUG-2", "demo", "Two"), [Mark("2.0", Status.AFFECTED)])
    found = loses(march, "2.0")
    assert fates(found) == {
        "BUG-1": (Fate.KEPT, "2.0 is not affected: rewritten"),
        "BUG-2": (Fate.LOST, "2.0 is affected by BUG-2"),
        "BUG-3": (Fate.LOST, "a hotfix of its own was made for 2.0"),
    }
    assert [one.take for one in found.of(Fate.LOST)] == [(), (there,)]
    home = ["--home", march.register.home]
    words = run("patchline", "loses", "acme-main", "--to", "2.0", *home).out
    assert "2 fixes lost, 0 unknown, 1 kept" in words and f"take {there} afterwards" in words
    asked = json.loads(run("patchline", "loses", "acme-main", "--to", there, "--json", *home).out)
    assert {one["fix"]: one["fate"] for one in asked["fixes"]} == {"BUG-1": "kept", "BUG-2": "lost", "BUG-3": "kept"}
    assert "already" in run("patchline", "loses", "acme-main", "--to", "1.0", *home, expect=2).err


def test_cumulative_keeps_what_it_brings_and_what_it_leaves_and_loses_the_rest(march):
    other = march.hotfix(3, [changed("c.txt", b"c0\n", b"c1\n", fixes=["BUG-3"])], "BUG-3")
    march.report(day(3), march.one, march.two, other)
    files = [changed("a.txt", b"old\n", b"a9\n"), changed("b.txt", b"b0\n", b"b9\n", fixes=["BUG-1"])]
    relations = {"supersedes": [{"hotfix": march.two.removesuffix("-r1"), "revision": None, "manifest": None}]}
    empty = {name: [] for name in ("requires", "conflicts", "includes", "merges")}
    big = march.hotfix(9, files, "BUG-1", "BUG-9", kind="cumulative", relations={**empty, **relations})
    assert loses(march, march.two).problems == (f"nothing to do, it is contained in {march.two}",)
    found = fates(loses(march, big))
    assert found["BUG-1"] == (Fate.KEPT, f"{big} brings it")
    assert found["BUG-2"] == (Fate.LOST, f"{big} replaces {march.two} and does not bring it")
    assert found["BUG-3"] == (Fate.KEPT, f"{other} stays in force beside {big}")


def test_statements_stand_still_and_silence_is_no_answer(march):
    with pytest.raises(StateError, match="nothing is known"):
        loses(march, "2.0")
    with pytest.raises(NotFoundError, match=r"no baseline or hotfix '9\.9'"):
        loses(march, "9.9")
    counts = []
    for labels in ([march.one], [march.one, march.two]):
        march.fleet.now = day(3 + len(counts))
        march.report(day(3 + len(counts)), *labels)
        with statements(march.register) as said:
            loses(march, "2.0")
        counts.append(len(said))
    assert counts[0] == counts[1]
    march.recall(march.two, day(9))
    with pytest.raises(PatchlineError, match="is recalled, so nobody would take it"):
        loses(march, march.two)
