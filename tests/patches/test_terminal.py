import errno
import json
import os
import pty
import select
import signal
import subprocess
import sys
from importlib.util import find_spec

import click
import pytest

from patchline.patches import terminal
from patchline.patches.errors import PatchlineError, RefusedError
from patchline.patches.terminal import Lazy, LazyGroup, confirm, example, json_option, report, yes_option


@click.group("sample", cls=LazyGroup, table={"absent": Lazy("patchline.patches.absent", "x", "Is not there.")})
def sample():
    """Try the edge."""


@sample.command(epilog=example("sample fail refused"))
@json_option
@yes_option
@click.argument("how")
def fail(how):
    """Fail in some way."""
    if how == "refused":
        raise RefusedError("file-exists", "evil\x1b[2J\u202e.txt exists already")
    if how == "bug":
        raise ValueError("unexpected")
    if how == "disk":
        raise OSError(errno.ENOSPC, "No space left on device", "big.bin")
    if how == "signal":
        os.kill(os.getpid(), signal.SIGTERM)
    if how == "question":
        confirm("really?")
    report({"how": how}, f"{click.style('well', fg='green')} {how}")


def ran(capsys, *arguments):
    code = terminal.run(sample, arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield


def test_report_is_text_for_people_and_one_document_for_scripts(capsys):
    assert ran(capsys, "fail", "x") == (0, "well x\n", "")
    code, out, err = ran(capsys, "fail", "x", "--json")
    assert (code, json.loads(out), err) == (0, {"how": "x"}, "")


def test_error_is_told_with_a_hint_and_its_exit_code(capsys):
    code, out, err = ran(capsys, "fail", "refused")
    assert (code, out) == (12, "")
    assert err == (
        "error: evil\\x1b[2J\\u202e.txt exists already\nhint: Choose another name, or remove the file first.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "error", "exit_code"),
    [
        (["fail", "refused"], "refused.file-exists", 12),
        (["fail", "disk"], "state.disk-full", 13),
        (["fail", "question"], "usage.unattended", 2),
        (["fail", "signal"], "patchline.stopped", 143),
        (["fail", "bug"], "patchline.bug", 1),
        (["fail"], "usage.command-line", 2),
        (["fail", "x", "--no-such-option"], "usage.command-line", 2),
        (["no-such-command"], "usage.command-line", 2),
    ],
)
def test_json_turns_every_error_into_one_document(capsys, arguments, error, exit_code):
    code, out, _ = ran(capsys, *arguments, "--json")
    document = json.loads(out)
    assert (code, document["error"], document["exit_code"]) == (exit_code, error, exit_code)
    assert document["message"] and document["hint"]


def test_bug_prints_its_traceback(capsys):
    code, out, err = ran(capsys, "fail", "bug")
    assert (code, out) == (1, "")
    assert "Traceback" in err and "error: ValueError: unexpected\nhint: This is a bug" in err


def test_wrong_command_line_points_to_the_help_of_that_command(capsys):
    code, _, err = ran(capsys, "fail")
    assert (code, err) == (2, "error: Missing argument 'HOW'.\nhint: See sample fail --help\n")


def test_stop_signals_end_with_the_codes_of_shells(capsys, monkeypatch):
    @click.command("stop")
    @click.argument("number", type=int)
    def stop(number):
        signal.raise_signal(number)

    assert terminal.run(stop, ["2"]) == 130
    assert terminal.run(stop, ["15"]) == 143
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_yes_answers_the_question(capsys):
    assert ran(capsys, "fail", "question", "--yes")[0] == 0


def test_help_of_a_lazy_group_imports_no_command(capsys):
    code, out, _ = ran(capsys, "--help")
    assert code == 0
    assert "absent  Is not there." in out and "fail    Fail in some way." in out
    with pytest.raises(ModuleNotFoundError):
        find_spec("patchline.patches.absent.x")


def test_missing_extra_is_one_clear_error(capsys):
    program = LazyGroup("p", table={"c": Lazy("patchline.patches.absent", "x", "…")}, needs=["no_such_module"])
    assert terminal.run(program, ["--help"]) == 0
    capsys.readouterr()
    assert terminal.run(program, ["c"]) == 10
    assert capsys.readouterr().err == (
        "error: p c needs no_such_module\nhint: Install the vendor's programs too: pip install 'patchline[server]'\n"
    )


QUESTION = """
import sys, click
from patchline.patches.terminal import ask, run
@click.command()
def question():
    ask("Which", option="--which")
sys.exit(run(question, []))
"""


@pytest.mark.parametrize(
    ("act", "exit_code", "said"),
    [
        (lambda pid, terminal: os.write(terminal, b"\x04"), 2, "the input ended before the question was answered"),
        (lambda pid, terminal: os.write(terminal, b"\x03"), 130, "stopped by SIGINT"),
        (lambda pid, terminal: os.kill(pid, signal.SIGTERM), 143, "stopped by SIGTERM"),
    ],
    ids=["end of input", "control-c", "terminated"],
)
def test_leaving_a_question_is_told_as_what_it_is(act, exit_code, said):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", QUESTION])
    seen = read_until(terminal, b"Which: ")
    while b"hint: " not in seen:
        # Again each second: between printing the question and waiting for the answer Python would not wake up.
        act(pid, terminal)
        while b"hint: " not in seen and select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 1000)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == exit_code
    os.close(terminal)
    assert said in seen.decode()


def read_until(terminal, end):
    seen = b""
    while end not in seen:
        assert select.select([terminal], [], [], 30)[0], seen
        seen += os.read(terminal, 1000)
    return seen


SCRIPT = """
import sys, click
from patchline.patches.terminal import run
@click.command()
def much():
    for _ in range(100_000): click.echo("x" * 80)
@click.command()
def red():
    click.echo(click.style("red", fg="red"))
sys.exit(run({"much": much, "red": red}[sys.argv[1]], []))
"""


def test_reader_that_stops_reading_ends_the_program_quietly():
    child = subprocess.Popen([sys.executable, "-c", SCRIPT, "much"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with child:
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 141


@pytest.mark.parametrize(("environment", "shown"), [({}, b"\x1b[31mred"), ({"NO_COLOR": "1"}, b"red\r\n")])
def test_colour_appears_only_on_a_terminal_that_wants_it(environment, shown):
    environment = {**os.environ, **environment}
    assert subprocess.check_output([sys.executable, "-c", SCRIPT, "red"], env=environment) == b"red\n"
    reading, writing = pty.openpty()
    subprocess.run([sys.executable, "-c", SCRIPT, "red"], stdout=writing, env=environment, check=True)
    assert os.read(reading, 100).startswith(shown)
    os.close(writing)
    os.close(reading)


def test_every_hint_is_a_sentence_for_people():
    def families(family):
        yield family
        for child in family.__subclasses__():
            yield from families(child)

    for family in families(PatchlineError):
        for code, hint in family.hints.items():
            assert hint.strip(), f"{family.family}.{code}"
            assert code == code.lower() and " " not in code


def test_list_of_commands_stands_under_headings_in_the_order_of_the_table():
    table = {name: Lazy("nowhere", name, f"Do {name}.") for name in ("first", "second", "third-of-all")}
    group = LazyGroup("p", table=table, sections={"Begin": "first", "Go on": "second"})
    shown = group.get_help(click.Context(group))
    assert shown.split("Begin:\n", 1)[1] == (
        "  first         Do first.\n\nGo on:\n  second        Do second.\n  third-of-all  Do third-of-all."
    )
