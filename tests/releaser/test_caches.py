import pytest
from sqlalchemy import text

from patchline.releaser import caches, hotfixes
from patchline.releaser.states import State
from patchline.releaser.table_copy import unguarded
from patchline.releaser.tables.hotfixes import Revision, RevisionFile, RevisionFix
from tests.hotfixes import Life, changed
from tests.programs import run
from tests.samples import fix


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Life(register, tmp_path / "files").prepare()


def found(life):
    with life.register.read() as session:
        return [(one.about, one.what, one.cached, one.computed) for one in caches.differences(session)]


def test_caches_follow_from_the_facts_after_every_kind_of_step(life):
    published = life.published(files=[changed("a.txt", b"old\n", b"a1\n")], fixes=[fix(cve=["CVE-2026-0001"])])
    life.hold(published)
    life.recall(published, life.recall_file(published, "ada", "ben"))
    life.recall(published, life.reinstatement(published, "ada", "ben"))
    life.approved(files=[changed("b.txt", b"b0\n", b"b1\n")])
    identifier = life.new()
    life.build(identifier)
    life.build(identifier, files=[changed("c.txt", b"c0\n", b"c1\n")])
    assert found(life) == []
    with life.change() as change:
        assert caches.rebuild(change) == []


def test_cache_that_somebody_changed_past_the_guards_is_told_and_mended(life):
    identifier = life.reviewed()
    with life.register.database.write() as session:
        tables = [table.__table__ for table in (Revision, RevisionFix, RevisionFile)]
        with unguarded(session.connection(), tables):
            session.execute(text("UPDATE revision SET state = 'published'"))
            session.execute(text("DELETE FROM revision_file"))
            session.execute(text("UPDATE revision_fix SET coverage = 'partial'"))
    label = f"{identifier}-r1"
    assert found(life) == [
        (label, "state", "published", "in-review"),
        (label, "fixes", "BUG-1/partial", "BUG-1/full"),
        (label, "paths", "nothing", "app/a.txt"),
    ]
    home = ("--home", life.register.home)
    told = run("patchline", "database", "rebuild", "--check", *home, expect=10)
    assert f"{label}: state is published, not in-review" in told.err
    run("patchline", "database", "rebuild", *home, "--as", "cleo", expect=12)
    run("patchline", "database", "rebuild", *home, "--as", "rita")
    assert found(life) == []
    assert run("patchline", "database", "rebuild", "--check", *home).out.startswith("everything is")
    with life.register.read() as session:
        assert hotfixes.find(session, identifier).state == State.IN_REVIEW
