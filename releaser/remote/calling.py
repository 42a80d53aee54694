"""Asking a server for a command: what was typed goes to the command's address in the API, what it reports comes back.

Nothing is signed there: what a key is needed for is done on this machine, on files that were brought here before.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from patchline.patches.errors import UsageError
from patchline.patches.files import read_file, write_file
from patchline.patches.limits import LIMITS
from patchline.patches.terminal import confirm, given_line, note, report, report_whole
from patchline.releaser.remote.doors import BY_WORDS, Door
from patchline.releaser.remote.releases import bring_release
from patchline.releaser.remote.server import Server
from patchline.releaser.remote.shapes import Member, members
from patchline.releaser.remote.uploads import sent

TOLD = "application/vnd.patchline.told+json"
"""The form of an answer that has the text for people beside the document."""


def call(address: str, token_file: str | None) -> None:
    """Ask a server for the command that was typed, and report what it says.

    Raises:
        UsageError: the command, or an option of it, works on the register itself.
        SourceError: the server cannot be asked.
        PatchlineError: what the server refused, as the command would have here.
    """
    context = click.get_current_context()
    words, rest = _split(context)
    door = BY_WORDS.get(words)
    if door is None:
        raise UsageError("not-remote", f"patchline {words} works on the register itself")
    given = _given(context, rest)
    known = list(members(door, context.command))
    _check_known(door, context, given)
    server = Server.at(address, token_file)
    _confirmed(context, words, address)
    answer = server.ask(door.method, *_request(door, known, given), accept=TOLD)
    _tell(door, given, server, answer)


def _split(context: click.Context) -> tuple[str, list[str]]:
    """Return the words of the command, and what was typed after them."""
    depth = len(context.command_path.split()) - 1
    line = given_line()
    return " ".join(line[:depth]), line[depth:]


def _given(context: click.Context, rest: list[str]) -> dict[str, Any]:
    """Return what was typed, by parameter, as it was typed."""
    values, _, _ = context.command.make_parser(context).parse_args(list(rest))
    typed = (ParameterSource.COMMANDLINE,)
    return {name: value for name, value in values.items() if context.get_parameter_source(name) in typed}


def _check_known(door: Door, context: click.Context, given: Mapping[str, Any]) -> None:
    """Refuse options that mean something on the server's own machine alone."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in given and name in door.withheld:
            raise UsageError("not-remote", f"{parameter.opts[0]} works on the register itself")


def _confirmed(context: click.Context, words: str, address: str) -> None:
    """Ask before something is done that the command asks about."""
    asks = any(parameter.name == "yes" for parameter in context.command.params)
    if asks and not confirm(f"Do it on {address}: patchline {words}?"):
        raise UsageError("declined", "nothing was done")


def _request(door: Door, known: list[Member], given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the address and what goes with it."""
    address, body = door.address, {}
    for member in known:
        name = member.parameter.name or ""
        if name not in given:
            continue
        value = given[name]
        if member.in_address:
            address = address.replace(f"{{{member.name}}}", Server.quoted(str(value)))
        elif member.upload:
            body[member.name] = _uploaded(door, member, value)
        elif member.is_flag:
            body[member.name] = True
        else:
            body[member.name] = list(value) if member.many else value
    return address, body


def _uploaded(door: Door, member: Member, value: Any) -> Any:
    files = [
        {
            "name": name,
            "content": _text(data),
            "beside": {ending: _text(read_file(Path(name + ending), limit=LIMITS.key_file)) for ending in door.beside},
        }
        for name, data in sent(value if member.many else [value])
    ]
    return files if member.many else files[0]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _tell(door: Door, given: Mapping[str, Any], server: Server, answer: Mapping[str, Any]) -> None:
    for line in answer["notes"]:
        note(line)
    document, text = answer["document"], answer["text"]
    if answer["whole"]:
        report_whole(text)
    elif given.keys() & door.local:
        report(*_kept_here(given, server, document, text))
    else:
        report(document, text)
    if answer["exit_code"]:
        click.get_current_context().exit(answer["exit_code"])


def _kept_here(given: Mapping[str, Any], server: Server, document: Any, text: str) -> tuple[Any, str]:
    """Do what options say that this machine obeys: write a text, or bring a bundle with what was signed about it."""
    if "out" in given:
        write_file(Path(given["out"]), click.unstyle(text).encode() + b"\n")
        return {**document, "out": given["out"]}, str(given["out"])
    label = f"{document['hotfix']}-r{document['revision']}"
    path = bring_release(server, label, Path(given["save"]))
    return {**document, "bundle": str(path)}, f"{text}\n  saved as    {path}"
