import pytest

from patchline.patches import documents
from patchline.patches.errors import PatchlineError
from patchline.patches.provenance import Provenance, provenance_payload
from patchline.patches.statements import Subject
from patchline.releaser.evidence import amend, attach, given_for, read_results
from patchline.releaser.hotfixes import find
from tests import vendor
from tests.hotfixes import Life, changed

GOOD = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites><testsuite name="s" hostname="build-7.example.com">
<testcase name="a"/><testcase name="b"><failure>no</failure><error>both</error></testcase>
<testcase name="c"><error/></testcase><testcase name="d"><skipped/></testcase>
<system-out>text that names nothing</system-out></testsuite></testsuites>
"""


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Life(register, tmp_path / "files").prepare()


def refused(code, call):
    with pytest.raises(PatchlineError) as error:
        call()
    assert error.value.code == code, error.value


def results(tmp_path, text=GOOD, name="junit.xml"):
    (tmp_path / name).write_text(text)
    return read_results(tmp_path / name)


def test_results_are_counted_and_name_no_machine(tmp_path):
    found = results(tmp_path)
    assert (found.tests, found.failed, found.errors, found.skipped, found.passed) == (4, 1, 1, 1, 1)
    assert found.sha256 == documents.digest(GOOD.encode()) and "build-7" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "<html/>",
        "<testsuite/>",
        "<testsuites><testcase></testsuites>",
        '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite><testcase/></testsuite>',
        '<testsuite><testcase name="&unknown;"/></testsuite>',
        "<testsuite>" * 65 + "<testcase/>" + "</testsuite>" * 65,
    ],
)
def test_what_is_no_plain_junit_is_refused(tmp_path, text):
    refused("refused.junit", lambda: results(tmp_path, text))


def test_results_must_stand_in_what_the_builder_signed(life, tmp_path):
    identifier, found = life.new(), results(tmp_path)
    with life.change("ada") as change:
        refused("state.hotfix-state", lambda: attach(change, identifier, [found], None, {}))
    built = life.build(identifier)
    with life.change("ada") as change:
        attach(change, identifier, [found, found], "lab-3", {"database": "postgresql 15"})
        attach(change, identifier, [found], None, {})
        refused("usage.hotfix-field", lambda: attach(change, identifier, [found], "lab\n3", {}))
    refused("refused.unsigned-evidence", lambda: life.submit(identifier))
    with life.register.read() as session:
        given = given_for(session, find(session, identifier))
    assert [(one["setup"], one["facets"]) for one in given.values()] == [("lab-3", {"database": "postgresql 15"})]

    statement = tmp_path / "built.statement.json"
    subjects = [Subject(built.path.name, built.container)]
    statement.write_bytes(provenance_payload(built.manifest, subjects, vendor.RECORD))
    for _ in range(2):
        amend(statement, built.manifest.digest, given)
    signed = Provenance.parse(statement.read_bytes(), "statement")
    assert signed.evidence == {found.sha256}
    tests = [one for one in signed.record["runDetails"]["byproducts"] if one["name"] == "tests"]
    assert len(tests) == 1 and tests[0]["annotations"]["passed"] == 1
    refused("state.other-build", lambda: amend(statement, "f" * 64, given))

    life.submit(identifier, provenance=life.provenance(built, results=given))
    with life.change("ada") as change:
        refused("state.hotfix-state", lambda: attach(change, identifier, [results(tmp_path, GOOD + " ")], None, {}))
    life.approve(identifier, "ada")  # Who tested it may approve it.


def test_results_of_an_earlier_build_are_not_asked_for(life, tmp_path):
    identifier = life.new()
    life.build(identifier)
    with life.change() as change:
        attach(change, identifier, [results(tmp_path)], None, {})
    life.build(identifier, files=[changed("b.txt", b"b0\n", b"b1\n")])
    life.submit(identifier)
    assert life.state(identifier) == "in-review"
