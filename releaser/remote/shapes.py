"""What a door takes: the parameters of its command, each with the name that it has in the API."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from patchline.releaser.remote.doors import Door

SURROUNDINGS = frozenset({"home", "as", "json", "yes", "passphrase_fd", "server", "token_file", "help"})
"""Parameters of commands that say where and how they run; here the server and the token say so."""


@dataclass(frozen=True)
class Member:
    """A parameter as the API has it.

    Attributes:
        name: in the API.
        parameter: of the command.
        in_address: it is a variable of the address.
        upload: the content of a file is sent.
    """

    name: str
    parameter: click.Parameter
    in_address: bool
    upload: bool

    @property
    def many(self) -> bool:
        """Tell whether it is a list."""
        return bool(getattr(self.parameter, "multiple", False)) or self.parameter.nargs != 1

    @property
    def is_flag(self) -> bool:
        """Tell whether it is yes or no."""
        return bool(getattr(self.parameter, "is_flag", False))

    @property
    def explained(self) -> str:
        """What it is for."""
        return getattr(self.parameter, "help", None) or ""


def members(door: Door, command: click.Command) -> Iterator[Member]:
    """Yield what can be said to a command from afar.

    Raises:
        TypeError: a parameter names a path of the server, and nobody said that it is an upload.
    """
    left_out = SURROUNDINGS | door.local | door.withheld | door.fixed
    variables = door.variables
    for parameter in command.params:
        name = parameter.name or ""
        if name in left_out:
            continue
        upload = name in door.uploads
        if isinstance(parameter.type, click.Path | click.File) != upload:
            raise TypeError(f"{door.words}: {name} names a path of the server")
        yield Member(variables.get(name) or _name(parameter), parameter, name in variables, upload)


def written(member: Member, value: Any) -> list[str]:
    """Return how a value is written on a command line; no value is ever taken for an option."""
    parameter = member.parameter
    if isinstance(parameter, click.Argument):
        return [str(one) for one in value] if member.many else [str(value)]
    option = max(parameter.opts, key=len)
    if member.is_flag:
        return [option] if value else []
    return [f"{option}={one}" for one in (value if member.many else [value])]


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return (parameter.name or "").strip("_")
    return max(parameter.opts, key=len).removeprefix("--").replace("-", "_")
