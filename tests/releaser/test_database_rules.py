"""What must never happen, tried past every rule of ours by plain SQL: the database itself refuses it."""

import pytest
from sqlalchemy import text

from patchline.migrations.versions.v0003_hotfixes import LIFE
from patchline.patches.errors import PatchlineError
from patchline.releaser.states import TABLE
from tests.hotfixes import Life

VOTE = (
    "INSERT INTO approval (revision, manifest_sha256, kind, person, keyid, reproduced, envelope, envelope_sha256, taken, "
    "taken_by) SELECT id, {manifest}, '{kind}', '{person}', 'k', {false}, CAST('x' AS {bytes}), '{name}', added, 'eve' "
    "FROM revision"
)


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Life(register, tmp_path / "files").prepare()


def tried(life, statement):
    """Run a statement that must be refused; return by which rule."""
    with pytest.raises(Exception) as refused, life.register.database.write() as session:
        session.execute(text(statement))
    if isinstance(refused.value, PatchlineError):
        assert refused.value.code == "refused.database-rule"
        return refused.value.message.removeprefix("the database refuses it: ")
    return type(refused.value).__name__


def vote(life, person="ada", manifest="manifest_sha256", kind="approval", name="n"):
    sqlite = life.register.database.is_sqlite
    return VOTE.format(
        manifest=manifest,
        kind=kind,
        person=person,
        name=name,
        false="0" if sqlite else "false",
        bytes="BLOB" if sqlite else "BYTEA",
    )


def test_contributor_has_no_vote_and_nobody_two(life):
    life.reviewed()
    assert tried(life, vote(life, "walt")) == "who contributed does not approve"
    assert tried(life, vote(life, "cleo", kind="reproduced")) == "who contributed does not approve"
    with life.register.database.write() as session:
        session.execute(text(vote(life)))
    assert tried(life, vote(life, name="other")) == "IntegrityError"
    assert tried(life, vote(life, manifest="'" + "f" * 64 + "'", person="ben", name="third")) == "IntegrityError"
    assert tried(life, "UPDATE approval SET person = 'ben'") == "an approval stands"
    assert tried(life, "DELETE FROM approval") == "an approval stands"


def test_contributors_and_bytes_stand_once_submitted(life):
    identifier = life.new()
    life.build(identifier)
    assert tried(life, vote(life)) == "it is not in review"
    life.submit(identifier)
    stands = "contributors stand once it was submitted"
    assert tried(life, "DELETE FROM contributor WHERE person = 'walt'") == stands
    assert tried(life, "UPDATE contributor SET person = 'eve'") == stands
    assert tried(life, "INSERT INTO contributor SELECT id, 'eve', 'editor' FROM revision") == stands
    for column, value in (
        ("manifest_sha256", "'" + "f" * 64 + "'"),
        ("container_sha256", "NULL"),
        ("manifest", "NULL"),
        ("provenance", "NULL"),
        ("size", "1"),
        ("builder", "'eve'"),
    ):
        assert tried(life, f"UPDATE revision SET {column} = {value}") == "a submitted revision keeps its bytes"
    for table in ("revision_fix", "revision_file"):
        assert tried(life, f"DELETE FROM {table}") == "what a submitted revision mends and changes stands"


def test_no_state_is_reached_past_the_table(life):
    life.reviewed()
    assert tried(life, "UPDATE revision SET state = 'published'") == "a revision does not become this from that"
    assert tried(life, "UPDATE revision SET state = 'approved'") == "nobody approved it"
    assert tried(life, "UPDATE revision SET number = 7") == "a revision keeps its name"
    assert tried(life, "DELETE FROM revision") == "a revision stands"
    born = (
        "INSERT INTO revision (hotfix, number, state, legacy, added, added_by, version, manifest_sha256) "
        "SELECT hotfix, 9, 'published', {}, added, added_by, 1, 'x' FROM revision"
    )
    false = "0" if life.register.database.is_sqlite else "false"
    assert tried(life, born.format(false)) == "a revision begins as a draft"


def test_recalled_revision_is_not_served_again(life):
    identifier = life.published()
    life.recall(identifier, life.recall_file(identifier, "ada", "ben"))
    for state in ("published", "approved"):
        assert tried(life, f"UPDATE revision SET state = '{state}'") == "a recalled revision is not served"
    assert tried(life, vote(life, "emil")) == "it is not in review"
    assert tried(life, "DELETE FROM recall") == "a recall stands"
    assert tried(life, "UPDATE recall_list SET number = 9") == "a recall list stands as it was issued"
    assert life.offered() == []


def test_facts_are_only_added(life):
    life.approved()
    for statement, rule in (
        ("UPDATE step SET person = 'eve'", "what happened to a revision stands"),
        ("DELETE FROM step", "what happened to a revision stands"),
        ("UPDATE policy SET digest = 'x'", "a policy stands as it was signed"),
        ("DELETE FROM policy", "a policy stands as it was signed"),
        ("INSERT INTO policy SELECT product, 0, 'x', envelope, taken FROM policy", "a policy is not older"),
        ("UPDATE counter SET last = last - 1", "a number is never given twice"),
        ("DELETE FROM counter", "a number is never given twice"),
        ("UPDATE hotfix SET product = 'shop'", "a hotfix stays what it was made for"),
        ("DELETE FROM hotfix", "a hotfix stands"),
    ):
        assert tried(life, statement) == rule, statement


def test_database_and_table_know_the_same_changes_of_state():
    changes = {f"{row.before}>{row.after}" for row in TABLE if row.before is not None and row.before is not row.after}
    assert sorted(changes) == sorted(LIFE)
