"""What both programs share at their edge: loading commands, reporting, asking, and ending with the right exit code.

- `run` is the only place that turns an error into words and an exit code; no other code calls `sys.exit`.
- What a command found goes to stdout, once, by `report`: text for people or, with `--json`, one JSON document.
  Errors, questions and progress go to stderr; with `--json` an error is the document.
- Text that came from outside never reaches the terminal as a control sequence.
- Colour only on a terminal. Nothing asks when stdin is not a terminal.
"""

import gc
import importlib
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple, TextIO, TypeVar

import click

from patchline.patches.errors import PatchlineError, SettingsError, UsageError
from patchline.patches.files import os_failure
from patchline.patches.passphrases import attended, remember_environment, unattended
from patchline.patches.progress import clear_bars, showing_progress
from patchline.patches.stopping import Stopped, stoppable

Decorated = TypeVar("Decorated", bound=Callable[..., Any] | click.Command)

_TOLD = "patchline.told"
_ARGUMENTS = "patchline.arguments"
_JSON = "patchline.json"
_YES = "patchline.yes"
_BROKEN_PIPE = 141
_MANY_OBJECTS = 50_000
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

# C0 and C1 controls but tab and line feed, and what reorders text; colours as `click.style` writes them may stay.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_STYLED = re.compile(r"(\x1b\[(?:0|1|2|4|3[0-7]|9[0-7])m)")


class Lazy(NamedTuple):
    """A command whose module is imported only when it is used.

    Attributes:
        module: full name of the module.
        attribute: name of the command or group in it.
        help: its line in the list of commands.
    """

    module: str
    attribute: str
    help: str


@dataclass
class Told:
    """What a command reported, where nobody sits at a terminal.

    Attributes:
        document: as `--json` prints it.
        text: for people; coloured by `click.style` if at all.
        whole: the text is all there is and stands for itself, such as CSV.
        notes: what a person should know besides.
    """

    document: Any = None
    text: str = ""
    whole: bool = False
    notes: list[str] = field(default_factory=list)
    exit_code: int = 0


class LazyGroup(click.Group):
    """A group that knows its commands from a table, so that `--help` imports none of them.

    Attributes:
        table: the commands by name.
        needs: top-level modules that every command of the table needs, and that the base install lacks.
        sections: headings of the list of commands, each with the first command below it; none is one list.
    """

    def __init__(
        self,
        *args: Any,
        table: Mapping[str, Lazy] | None = None,
        needs: Sequence[str] = (),
        sections: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        settings.setdefault("context_settings", _SETTINGS)
        super().__init__(*args, **settings)
        self.table = dict(table or {})
        self.needs = tuple(needs)
        self.sections = {first: heading for heading, first in (sections or {}).items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command's name: those of the table in its order, then the others."""
        return [*self.table, *(name for name in super().list_commands(ctx) if name not in self.table)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, importing its module now.

        Raises:
            SettingsError: a module that all commands need is not installed.
        """
        lazy = self.table.get(cmd_name)
        if lazy is None:
            return super().get_command(ctx, cmd_name)
        missing = [name for name in self.needs if find_spec(name) is None]
        if missing:
            raise SettingsError("server-extra", f"{self.name} {cmd_name} needs {', '.join(missing)}")
        command = getattr(importlib.import_module(lazy.module), lazy.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{lazy.module}.{lazy.attribute} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table."""
        sections: list[tuple[str, list[str]]] = []
        for name in self.list_commands(ctx):
            if name in self.sections or not sections:
                sections.append((self.sections.get(name, "Commands"), []))
            sections[-1][1].append(name)
        width = max((len(name) for _, names in sections for name in names), default=0)
        for heading, names in sections:
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), self._line(ctx, name)) for name in names])

    def _line(self, ctx: click.Context, name: str) -> str:
        if name in self.table:
            return self.table[name].help
        command = self.get_command(ctx, name)
        return "" if command is None else command.get_short_help_str(80)


def example(*lines: str) -> str:
    """Return the epilog that shows a command's example; every command has one.

    Args:
        lines: command lines as a person types them, or lines of their output.
    """
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def json_option(command: Decorated) -> Decorated:
    """Add `--json`, which `report` and `run` obey; the command itself takes no parameter for it."""
    return _remembered_flag(_JSON, "--json", "Print one JSON document.")(command)


def yes_option(command: Decorated) -> Decorated:
    """Add `--yes`, which `confirm` obeys; the command itself takes no parameter for it."""
    return _remembered_flag(_YES, "--yes", "Answer questions with yes.")(command)


def _remembered_flag(key: str, name: str, explained: str) -> Callable[[Decorated], Decorated]:
    def remember(ctx: click.Context, parameter: click.Parameter, given: bool) -> None:
        ctx.meta[key] = given

    return click.option(name, is_flag=True, expose_value=False, callback=remember, help=explained)


def report(document: Any, text: str) -> None:
    """Print what a command found: the text, or with `--json` the document.

    Args:
        document: what `json.dumps` takes; the same facts as the text, for scripts.
        text: lines for people, coloured by `click.style` if at all. Empty text prints nothing.
    """
    clear_bars()
    if (told := _told()) is not None:
        told.document, told.text = document, text
    elif json_wanted():
        click.echo(json.dumps(document, indent=2))
    elif text:
        click.echo(_harmless(text))


def report_whole(text: str) -> None:
    """Print a text that stands for itself, byte by byte, such as CSV."""
    if (told := _told()) is not None:
        told.text, told.whole = text, True
    else:
        click.echo(text, nl=False)


def telling(context: click.Context, told: Told) -> None:
    """Have commands below a context report into `told`; nothing is printed, and nobody is asked."""
    context.meta[_TOLD] = told
    unattended(context)


def _told() -> Told | None:
    context = click.get_current_context(silent=True)
    found = context.meta.get(_TOLD) if context else None
    return found if isinstance(found, Told) else None


def given_line() -> list[str]:
    """Return what stood on this program's command line, without the program's name."""
    return list(click.get_current_context().meta[_ARGUMENTS])


def json_wanted() -> bool:
    """Tell whether `report` will print a document, so that a story meant for people need not be told."""
    return bool(click.get_current_context().meta.get(_JSON))


def note(text: str) -> None:
    """Tell a person on stderr what is going on or what they should know, apart from the result."""
    clear_bars()
    if (told := _told()) is not None:
        told.notes.append(text)
    else:
        click.echo(_harmless(text), err=True)


def confirm(question: str) -> bool:
    """Ask for yes or no; `--yes` answers yes.

    Raises:
        UsageError: nobody is there to answer.
    """
    if click.get_current_context().meta.get(_YES):
        return True
    if not attended():
        raise UsageError("unattended", f"nobody is there to answer: {question}", hint="Give --yes to answer yes.")
    clear_bars()
    return click.confirm(_harmless(question), err=True)


def ask(question: str, *, option: str) -> str:
    """Ask for a text that `--yes` does not answer.

    Args:
        question: without question mark or colon at its end.
        option: the option that gives the answer unattended, for the hint.

    Raises:
        UsageError: nobody is there to answer.
    """
    if not attended():
        raise UsageError("unattended", f"nobody is there to answer: {question}", hint=f"Give the answer by {option}.")
    clear_bars()
    return str(click.prompt(_harmless(question), err=True))


def run(program: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run a program and return its exit code.

    An error is printed as `error: …` and `hint: …` on stderr or, when `--json` is among the arguments, as one
    document on stdout.

    Args:
        program: the outermost command; its name is the program's.
        arguments: without the program's name; those of this process by default.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    collect_seldom()
    _never_fail_to_encode(sys.stdout, sys.stderr)
    try:
        with stoppable(), showing_progress():
            code = _invoke(program, given)
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:  # noqa: BLE001 (the edge: what is not ours is a bug, and is told so)
        return _fail(error, given)
    except KeyboardInterrupt as stop:
        return _fail(stop, given)


def _invoke(program: click.Command, arguments: list[str]) -> int:
    try:
        with program.make_context(program.name, arguments) as context:
            if os.environ.get("NO_COLOR"):
                context.color = False
            remember_environment(context)
            context.meta[_ARGUMENTS] = arguments
            program.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return UsageError.exit_code
    return 0


def _fail(error: BaseException, arguments: list[str]) -> int:
    document = _explain(error)
    try:
        if document["error"] == "patchline.bug":
            click.echo(escaped("".join(traceback.format_exception(error))), err=True, nl=False)
        if _asks_json(arguments):
            click.echo(json.dumps(document, indent=2))
        else:
            _print_error(str(document["message"]), str(document["hint"]))
    except BrokenPipeError:
        return _reader_gone()
    except OSError:  # The terminal is gone, and with it whoever could be told more than the exit code.
        sys.stdout = sys.stderr = _nowhere()
    return int(document["exit_code"])


def _explain(error: BaseException) -> dict[str, str | int]:
    """Return the document of any error that may end a program."""
    if isinstance(error, PatchlineError):
        return error.as_document()
    if isinstance(error, OSError):
        return os_failure(error).as_document()
    if isinstance(error, click.ClickException):
        return _explain_usage(error)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return _explain_stop(error)
    return PatchlineError("bug", f"{type(error).__name__}: {error}").as_document()


def _explain_stop(error: BaseException) -> dict[str, str | int]:
    """Tell a signal from the end of input at a question, both of which click turns into Abort."""
    cause = error.__context__ if isinstance(error, click.Abort) else error
    if isinstance(cause, EOFError):
        return UsageError("unattended", "the input ended before the question was answered").as_document()
    stop = cause if isinstance(cause, Stopped) else Stopped(signal.SIGINT)
    return {**PatchlineError("stopped", str(stop)).as_document(), "exit_code": stop.exit_code}


def _explain_usage(error: click.ClickException) -> dict[str, str | int]:
    context = getattr(error, "ctx", None)
    hint = f"See {context.command_path} --help" if context else None
    return UsageError("command-line", error.format_message(), hint=hint).as_document()


def _print_error(message: str, hint: str) -> None:
    colour = False if os.environ.get("NO_COLOR") else None
    click.echo(click.style("error: ", fg="red", bold=True) + escaped(message), err=True, color=colour)
    if hint:
        click.echo(click.style("hint: ", fg="cyan") + escaped(hint), err=True, color=colour)


def _asks_json(arguments: list[str]) -> bool:
    """Tell whether `--json` was given, also when the rest of the command line cannot be read."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return "--json" in arguments[:end]


def _reader_gone() -> int:
    """End quietly when whoever reads our output has stopped to read (`patchline … | head`)."""
    sys.stdout = _nowhere()
    return _BROKEN_PIPE


def _nowhere() -> TextIO:
    return open(os.devnull, "w")  # noqa: PTH123 (Python flushes it at exit)


def collect_seldom() -> None:
    """Have the collector of cycles leave alone what was imported, and what soon goes by itself."""
    gc.freeze()
    gc.set_threshold(_MANY_OBJECTS)


def _never_fail_to_encode(*streams: TextIO) -> None:
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def escaped(text: str) -> str:
    """Return text in which control characters are written out, for anything that came from outside."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def _harmless(text: str) -> str:
    """Return `escaped` text in which our own colours still work."""
    return "".join(part if _STYLED.fullmatch(part) else escaped(part) for part in _STYLED.split(text))
