"""Running a command for somebody afar, in this process: what it reports is returned and not printed.

- It works on the register that the server has open, as the person of the token, at the time of the request.
- It reads what was sent with it and no other file; nobody is asked anything.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from patchline.patches.errors import UsageError
from patchline.patches.terminal import Told, telling
from patchline.releaser.commands.main import patchline
from patchline.releaser.commands.options import Place, placed
from patchline.releaser.register import Register
from patchline.releaser.remote.doors import Door
from patchline.releaser.remote.shapes import Member, members, written

_LONGEST_NAME = 200


@dataclass(frozen=True)
class Upload:
    """A file that was sent.

    Attributes:
        name: at the caller's.
        beside: contents of files that lie beside it, by what their names have after its own.
    """

    name: str
    content: bytes
    beside: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def last(self) -> str:
        """The last part of its name.

        Raises:
            UsageError: it is no name of a file.
        """
        found = Path(self.name.replace("\\", "/")).name
        if found in ("", "..") or "\0" in found or len(found.encode()) > _LONGEST_NAME:
            raise UsageError("command-line", f"{self.name[:80]!r} is no name of a file")
        return found


@dataclass(frozen=True)
class Asking:
    """For whom a command runs, and on what."""

    register: Register
    person: str
    clock: Callable[[], datetime]


@cache
def command_of(door: Door) -> click.Command:
    """Return the command behind a door.

    Raises:
        LookupError: there is none.
    """
    command: click.Command = patchline
    for word in door.words.split():
        found = command.get_command(click.Context(command), word) if isinstance(command, click.Group) else None
        if found is None:
            raise LookupError(f"there is no command {door.words}")
        command = found
    return command


@cache
def members_of(door: Door) -> tuple[Member, ...]:
    """Return what can be said to the command behind a door."""
    return tuple(members(door, command_of(door)))


def run(door: Door, given: Mapping[str, Any], asking: Asking) -> Told:
    """Run a command and return what it reports.

    Args:
        door: of the command.
        given: values by their names in the API; uploads as `Upload`.
        asking: for whom.

    Raises:
        PatchlineError: as the command itself.
    """
    command = command_of(door)
    told = Told()
    with ExitStack() as stack:
        line, names = _line(door, given, stack)
        outer = click.Context(patchline, info_name="patchline")
        telling(outer, told)
        placed(outer, Place(asking.register, asking.person, asking.clock))
        _invoke(command, door.words, line, outer, told)
    return _with_names(told, names)


def _line(door: Door, given: Mapping[str, Any], stack: ExitStack) -> tuple[list[str], dict[str, str]]:
    """Return the command line, and by path of this machine the names that uploads have at the caller's."""
    options: list[str] = []
    arguments: list[str] = []
    names: dict[str, str] = {}
    for member in members_of(door):
        value = given.get(member.name)
        if value is None:
            continue
        if member.upload:
            value = _landed(value, names, stack)
        (arguments if isinstance(member.parameter, click.Argument) else options).extend(written(member, value))
    # Whoever asks a server has made up their mind.
    answered = {"yes"} & {one.name for one in command_of(door).params}
    options += [f"--{name.replace('_', '-')}" for name in sorted({*door.fixed, *answered})]
    return [*options, "--", *arguments] if arguments else options, names


def _landed(value: Any, names: dict[str, str], stack: ExitStack) -> Any:
    """Write what was sent into files of a folder that goes with the request."""
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="patchline-sent-")))
    paths = []
    for number, one in enumerate(value if isinstance(value, list) else [value]):
        path = folder / str(number) / one.last
        path.parent.mkdir()
        for ending, content in {"": one.content, **one.beside}.items():
            path.with_name(path.name + ending).write_bytes(content)
        names[str(path)] = one.name
        paths.append(str(path))
    return paths if isinstance(value, list) else paths[0]


def _invoke(command: click.Command, words: str, line: list[str], outer: click.Context, told: Told) -> None:
    try:
        with outer, command.make_context(words, line, parent=outer) as context:
            command.invoke(context)
    except click.exceptions.Exit as end:
        told.exit_code = end.exit_code
    except click.ClickException as error:
        raise UsageError("command-line", error.format_message()) from None


def _with_names(told: Told, names: Mapping[str, str]) -> Told:
    """Return what was told with the names that files have at the caller's."""
    if names:
        told.document = _renamed(told.document, names)
        told.text = _renamed(told.text, names)
        told.notes = _renamed(told.notes, names)
    return told


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for path, name in names.items():
            value = value.replace(path, name)
        return value
    if isinstance(value, Mapping):
        return {key: _renamed(one, names) for key, one in value.items()}
    return [_renamed(one, names) for one in value] if isinstance(value, list | tuple) else value
