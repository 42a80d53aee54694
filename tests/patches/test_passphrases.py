import os
import select
import subprocess
import sys

import click
import pytest

from patchline.patches import terminal
from patchline.patches.passphrases import passphrase_for, passphrase_option
from patchline.patches.terminal import json_option, report


@click.command("open")
@json_option
@passphrase_option
@click.option("--new", is_flag=True)
def opens(new):
    report({"inherited": "PATCHLINE_PASSPHRASE" in os.environ}, passphrase_for("alice", new=new).decode())


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield


@pytest.fixture
def descriptor():
    reading, writing = os.pipe()
    yield reading, lambda data: (os.write(writing, data), os.close(writing))
    os.close(reading)


def shown(capsys, *arguments, expect=0):
    assert terminal.run(opens, arguments) == expect
    captured = capsys.readouterr()
    return captured.out if expect == 0 else captured.err


def test_descriptor_wins_over_credential_over_environment(capsys, monkeypatch, tmp_path, descriptor):
    monkeypatch.setenv("PATCHLINE_PASSPHRASE", "from environment")
    assert shown(capsys) == "from environment\n"
    (tmp_path / "patchline-alice").write_text("from credential\n")
    (tmp_path / "patchline-bob").write_text("another's\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("PATCHLINE_PASSPHRASE", "from environment")
    assert shown(capsys) == "from credential\n"
    reading, give = descriptor
    give(b"from descriptor\r\n")
    assert shown(capsys, "--passphrase-fd", str(reading)) == "from descriptor\n"


def test_environment_is_emptied_before_the_command_runs(capsys, monkeypatch):
    monkeypatch.setenv("PATCHLINE_PASSPHRASE", "secret")
    assert '"inherited": false' in shown(capsys, "--json")


def test_without_any_source_it_says_how_to_give_one(capsys):
    assert shown(capsys, expect=2) == (
        "error: no passphrase was given for key alice\n"
        "hint: Give --passphrase-fd N, set PATCHLINE_PASSPHRASE, or run it at a terminal.\n"
    )


def test_empty_and_endless_passphrases_are_refused(capsys, monkeypatch):
    monkeypatch.setenv("PATCHLINE_PASSPHRASE", "")
    assert "is empty" in shown(capsys, expect=2)
    monkeypatch.setenv("PATCHLINE_PASSPHRASE", "x" * 4097)
    assert "more than 4096 bytes" in shown(capsys, expect=2)


def test_closed_descriptor_is_told(capsys):
    assert "cannot read the passphrase from descriptor 999" in shown(capsys, "--passphrase-fd", "999", expect=2)
    assert "is not negative" in shown(capsys, "--passphrase-fd", "-1", expect=2)


SCRIPT = """
import sys
from patchline.patches import terminal
from tests.patches.test_passphrases import opens
sys.exit(terminal.run(opens, sys.argv[1:]))
"""


def read_until(terminal_end, end):
    seen = b""
    while not seen.endswith(end):
        assert select.select([terminal_end], [], [], 30)[0], f"waited for {end!r}, saw {seen!r}"
        try:
            seen += os.read(terminal_end, 1)
        except OSError as error:  # so Linux tells that the other end has gone
            raise AssertionError(f"waited for {end!r}, saw {seen!r}") from error
    return seen


def test_prompt_on_a_terminal_asks_twice_for_a_new_one_and_echoes_nothing():
    child, terminal_end = os.openpty()
    line = [sys.executable, "-c", SCRIPT, "--new"]
    program = subprocess.Popen(
        line, stdin=terminal_end, stdout=terminal_end, stderr=terminal_end, start_new_session=True
    )
    seen = read_until(child, b"New passphrase for alice: ")
    os.write(child, b"two words\n")
    seen += read_until(child, b"confirmation: ")
    os.write(child, b"two words\n")
    seen += read_until(child, b"two words\r\n")
    assert program.wait(30) == 0
    assert seen.count(b"two words") == 1
    os.close(child)
    os.close(terminal_end)
