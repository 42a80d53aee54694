import click
import pytest

from patchline.patches.errors import PatchlineError, UsageError
from patchline.releaser.commands.main import patchline
from patchline.releaser.remote.doors import BY_WORDS, DOORS, Door
from patchline.releaser.remote.running import Asking, Upload, command_of, members_of, run
from patchline.releaser.remote.shapes import members, written
from tests.fleets import Fleet
from tests.programs import run as run_program
from tests.registers import NOW

MISSING = {
    "backup",
    "channel",
    "database",
    "doctor",
    "hotfix build",
    "init",
    "kit",
    "notify",
    "restore",
    "vault",
    "worker",
}
"""What works on the server's own disk and keys."""


def words_of(command, words=()):
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from words_of(command.get_command(click.Context(command), name), (*words, name))
    else:
        yield " ".join(words)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.words)
def test_door_leads_to_a_command_and_reads_no_file_of_the_server(door):
    known = {parameter.name for parameter in command_of(door).params}
    assert (door.uploads | door.local | door.withheld | door.fixed | set(door.variables)) <= known
    found = members_of(door)
    names = [member.name for member in found]
    assert len(names) == len(set(names))
    for member in found:
        assert isinstance(member.parameter.type, click.Path) == member.upload
        assert not member.upload or door.method == "POST"


def test_addresses_are_those_of_one_command_each():
    assert len({(door.method, door.rule) for door in DOORS}) == len(DOORS) == len(BY_WORDS)


def test_register_and_fleet_can_be_asked_from_afar():
    there = set(words_of(patchline))
    assert set(BY_WORDS) <= there
    for group in ("customer", "site", "entitlement", "who", "rollout", "token", "issue"):
        lacking = {words for words in there if words.split()[0] == group} - set(BY_WORDS)
        assert lacking <= {"customer import", "rollout advance"}, lacking
    assert not {words for words in BY_WORDS if words in MISSING or words.split()[0] in MISSING}


def test_parameter_that_names_a_path_must_be_an_upload():
    door = Door("backup", "POST", "/backups")
    with pytest.raises(TypeError, match="names a path of the server"):
        list(members(door, command_of(door)))


def test_no_value_is_taken_for_an_option():
    found = {member.name: member for member in members_of(BY_WORDS["customer add"])}
    assert written(found["title"], "--home=/etc") == ["--title=--home=/etc"]
    assert written(found["id"], "--help") == ["--help"]


@pytest.fixture
def rita(register):
    return Asking(register, "rita", lambda: NOW)


def test_command_reports_to_who_asked_what_it_prints_here(register, rita):
    fleet = Fleet(register).product()
    fleet.customer()
    fleet.site()
    told = run(BY_WORDS["site list"], {"customer": "acme"}, rita)
    here = run_program("patchline", "site", "list", "--customer", "acme", "--home", register.home)
    assert click.unstyle(told.text) == here.out.rstrip("\n") and told.document["sites"][0]["site"] == "acme-main"
    csv = run(BY_WORDS["who recalled"], {"csv": True}, rita)
    assert csv.whole and csv.text.startswith("customer,")


def test_command_from_afar_acts_for_its_person_and_nobody_else(register, rita, monkeypatch):
    monkeypatch.setenv("PATCHLINE_PERSON", "ada")
    monkeypatch.setenv("PATCHLINE_HOME", "/nowhere")
    assert run(BY_WORDS["customer add"], {"id": "acme"}, rita).document["added_by"] == "rita"
    with pytest.raises(PatchlineError) as refused:
        run(BY_WORDS["customer add"], {"id": "other"}, Asking(register, "ada", lambda: NOW))
    assert refused.value.code == "refused.role"


@pytest.mark.parametrize("value", ["--help", "-h", "--home=/etc", "--", "-"])
def test_hostile_values_stay_values(value, rita):
    with pytest.raises(PatchlineError) as refused:
        run(BY_WORDS["customer show"], {"customer": value}, rita)
    assert refused.value.code == "not-found.customer"


def test_uploads_are_named_as_their_owner_named_them_and_gone_afterwards(register, rita, monkeypatch, tmp_path):
    (tmp_path / "sent").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "sent"))
    fleet = Fleet(register).product("demo", "1.0")
    fleet.customer()
    fleet.site()
    fleet.enrolled()
    sent = [Upload("inbox/one.json", fleet.report("acme-main", "1.0")), Upload("two.json", b"nothing")]
    told = run(BY_WORDS["report import"], {"files": sent}, rita)
    assert [one["file"] for one in told.document["reports"]] == ["inbox/one.json", "two.json"]
    assert str(tmp_path) not in str(told) and told.exit_code == 21 and list((tmp_path / "sent").iterdir()) == []


@pytest.mark.parametrize("name", ["", "..", "a/..", "a\0b", "/"])
def test_upload_without_a_name_is_refused(name, rita):
    with pytest.raises(UsageError):
        run(BY_WORDS["report import"], {"files": [Upload(name, b"")]}, rita)


def test_nobody_is_asked_for_a_passphrase_on_the_server(register, rita, monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    with pytest.raises(PatchlineError) as refused:
        run(BY_WORDS["hotfix hold"], {"hotfix": "HF-2026-0001", "reason": "x"}, rita)
    assert refused.value.code in (
        "not-found.hotfix-register",
        "not-found.revision",
        "usage.no-passphrase",
        "not-found.hotfix",
        "settings.channel-keys",
        "not-found.root",
        "not-found.key",
    )
