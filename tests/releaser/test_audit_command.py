import json
import sqlite3

import pytest
from sqlalchemy import text

from patchline.patches.audit_chain import Checkpoint
from patchline.releaser.tables.audit import AuditEvent
from tests.programs import run
from tests.registers import NOW

SUBJECTS = ("HF-2026-0001", "HF-2026-0002", "HF-2026-0003")


@pytest.fixture
def eventful(register):
    for subject in SUBJECTS:
        with register.change("ada", NOW) as change:
            change.record("hotfix.new", subject, {"title": "Größe"})
    return register


def audit(register, *line, expect=0):
    return run("patchline", "audit", *line, "--home", register.home, "--json", expect=expect).document


def told(register, path):
    path.write_bytes(register.checkpoint(NOW).as_bytes())
    return path


def test_without_a_checkpoint_from_outside_it_says_so(eventful):
    assert audit(eventful, "verify")["consistent"] == "itself"
    out = run("patchline", "audit", "verify", "--home", eventful.home).out
    assert "3 events" in out and "consistent with itself only" in out


def test_checkpoint_from_outside_is_compared(eventful, tmp_path):
    kept = told(eventful, tmp_path / "kept.json")
    with eventful.change("ada", NOW) as change:
        change.record("hotfix.new", "HF-2026-0004")
    found = audit(eventful, "verify", "--checkpoint", kept)
    assert (found["consistent"], found["count"], found["checkpoints"][0]["count"]) == ("outside", 4, 3)
    other = Checkpoint.parse(kept.read_bytes())
    kept.write_bytes(Checkpoint(2, other.head, other.time).as_bytes())
    assert audit(eventful, "verify", "--checkpoint", kept, expect=21)["error"] == "audit.other-chain"
    kept.write_bytes(Checkpoint(9, other.head, other.time).as_bytes())
    assert audit(eventful, "verify", "--checkpoint", kept, expect=21)["error"] == "audit.cut-off"
    kept.write_bytes(b"{}")
    assert audit(eventful, "verify", "--checkpoint", kept, expect=21)["error"] == "audit.missing"


def test_checkpoint_of_an_unchanged_chain_is_the_same_bytes(eventful):
    first = eventful.checkpoint(NOW)
    assert eventful.checkpoint(NOW.replace(year=2027)) == first
    assert first.count == 3


def test_chain_that_was_made_anew_contradicts_what_the_register_told_before(eventful):
    eventful.checkpoint(NOW)
    statement = "UPDATE audit_checkpoint SET head = :head"
    forge(eventful, "audit_checkpoint", statement, {"head": "0" * 64})
    assert audit(eventful, "verify", expect=21)["error"] == "audit.other-chain"


def forge(register, table, statement, values):
    """Do what only the owner of the database can: change what a trigger guards."""
    if register.database.is_sqlite:
        with sqlite3.connect(register.home / "register.db") as connection:
            triggers = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
            for name, sql in connection.execute(triggers, [table]).fetchall():
                connection.execute(f"DROP TRIGGER {name}")
                connection.execute(statement, values)
                connection.execute(sql)
                break
        return
    with register.database.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        connection.execute(text(statement), values)
        connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER ALL"))


@pytest.mark.parametrize("column", ["body", "previous", "digest"])
@pytest.mark.parametrize("sequence", [1, 2, 3])
def test_event_that_the_owner_of_the_database_changed_is_located(sequence, column, eventful):
    with eventful.read() as session:
        found = getattr(session.get(AuditEvent, sequence), column)
    data = bytearray(found if column == "body" else found.encode())
    data[7] = 0xB1 if column == "body" else ord("f") if data[7] != ord("f") else ord("e")
    value = bytes(data) if column == "body" else data.decode()
    statement = f"UPDATE audit_event SET {column} = :value WHERE sequence = :sequence"
    forge(eventful, "audit_event", statement, {"value": value, "sequence": sequence})
    refused = audit(eventful, "verify", expect=21)
    assert refused["error"] == "audit.changed" and f"event {sequence}" in refused["message"]


def test_byte_that_is_no_character_any_more_is_located_too(eventful):
    if not eventful.database.is_sqlite:
        return  # PostgreSQL takes no such text.
    statement = "UPDATE audit_event SET digest = CAST(x'b1' || substr(digest, 2) AS TEXT) WHERE sequence = 2"
    forge(eventful, "audit_event", statement, {})
    assert "event 2" in audit(eventful, "verify", expect=21)["message"]


def test_export_holds_all_that_the_digests_cover(eventful, tmp_path):
    made = audit(eventful, "export", "--out", tmp_path / "events.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert made["count"] == len(lines) == 3 and made["head"] == lines[-1]["digest"]
    assert json.loads(lines[1]["body"])["subject"] == SUBJECTS[1]
    assert "Größe" in lines[0]["body"]
