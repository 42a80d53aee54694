import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from patchline.patches import documents
from patchline.patches.errors import PatchlineError
from patchline.patches.provenance import Provenance, Scan, provenance_payload
from patchline.patches.statements import Approval, Subject, time_text
from tests.vendor import CONTAINER, NOW, RECORD, manifest


def refused(function, *arguments):
    with pytest.raises(PatchlineError) as caught:
        function(*arguments)
    return caught.value.code


def test_approval_comes_back_as_it_was_made():
    for scope in (None, frozenset(["c-1", "c-0"])):
        made = Approval.make(manifest(), scope=scope, reproduced=True, now=NOW)
        assert Approval.parse(made.as_payload(), "x") == made
        made.check_for(manifest())


def test_approval_is_an_in_toto_statement_about_the_manifest():
    document = json.loads(Approval.make(manifest(), scope=None, reproduced=False, now=NOW).as_payload())
    assert document == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "manifest.json", "digest": {"sha256": manifest().digest}}],
        "predicateType": "urn:patchline:approval:v1",
        "predicate": {
            "decision": "approve",
            "product": "demo",
            "hotfix": "HF-2026-0001",
            "revision": 1,
            "scope": "all",
            "reproduced": False,
            "time": "2026-11-22T12:00:00Z",
        },
    }


def test_approval_for_an_emergency_names_hours_and_customers():
    made = Approval.make(manifest(), scope=frozenset(["c-1"]), reproduced=False, now=NOW, emergency=12)
    assert json.loads(made.as_payload())["predicate"]["emergency"] == {"hours": 12}
    assert Approval.parse(made.as_payload(), "x") == made
    for wrong in (replace(made, scope=None), replace(made, emergency=0), replace(made, emergency=721)):
        assert refused(Approval.parse, wrong.as_payload(), "x") in ("statement.emergency", "statement.value")


def test_approval_covers_its_customers():
    to_all = Approval.make(manifest(), scope=None, reproduced=False, now=NOW)
    to_one = replace(to_all, scope=frozenset(["c-1"]))
    assert to_all.covers(None) and to_all.covers("c-1")
    assert to_one.covers("c-1") and not to_one.covers("c-2") and not to_one.covers(None)


def test_times_are_written_in_utc():
    assert time_text(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))) == "2025-12-31T23:00:00Z"


def test_statement_that_is_not_canonical_is_refused_although_signed():
    payload = Approval.make(manifest(), scope=None, reproduced=False, now=NOW).as_payload()
    assert refused(Approval.parse, payload + b"\n", "x") == "document.not-canonical"
    assert refused(Approval.parse, json.dumps(json.loads(payload)).encode(), "x") == "document.not-canonical"
    assert refused(Approval.parse, b"[" * 500 + b"]" * 500, "x") == "document.depth"
    assert refused(Approval.parse, b'{"_type":1e400}', "x") == "document.number"


def test_provenance_names_manifest_containers_and_source():
    subjects = [Subject("HF-2026-0001-r1.hotfix", CONTAINER)]
    record = replace(RECORD, recipe="1" * 64, people="2" * 64, scan=Scan(3, "f" * 64, (("app/a.pem", "a test key"),)))
    payload = provenance_payload(manifest(), subjects, record)
    read = Provenance.parse(payload, "x")
    assert read.manifest == manifest().digest and read.containers == {CONTAINER}
    definition = json.loads(payload)["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["source"]["base_commit"] == "a" * 40
    assert [one["name"] for one in definition["resolvedDependencies"]] == ["base", "head", "recipe", "people"]
    assert definition["resolvedDependencies"][0]["digest"] == {"gitCommit": "a" * 40, "gitTree": "c" * 40}
    scan = json.loads(payload)["predicate"]["runDetails"]["byproducts"][1]["annotations"]
    assert scan["allowed"] == [{"path": "app/a.pem", "reason": "a test key"}]


def test_provenance_of_folders_names_the_lists_of_files():
    source = {"kind": "folders", "source": "build 7", "base_files": "1" * 64, "head_files": "2" * 64}
    payload = provenance_payload(manifest(provenance=source), [Subject("x.hotfix", CONTAINER)], RECORD)
    named = json.loads(payload)["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert named == [{"name": "base", "digest": {"sha256": "1" * 64}}, {"name": "head", "digest": {"sha256": "2" * 64}}]


def test_provenance_without_container_cannot_be_made():
    assert refused(provenance_payload, manifest(), [], RECORD) == "statement.subject-count"


@pytest.mark.parametrize("part", ["buildDefinition", "runDetails"])
def test_provenance_without_its_parts_is_refused(part):
    document = json.loads(provenance_payload(manifest(), [Subject("x.hotfix", CONTAINER)], RECORD))
    del document["predicate"][part]
    assert refused(Provenance.parse, documents.encode(document), "x") == "statement.missing"
