"""Where a passphrase comes from, the most particular source first.

1. `--passphrase-fd N`: an open file descriptor, so that it appears in no list of processes.
2. The systemd credential `patchline-NAME`.
3. `PATCHLINE_PASSPHRASE`, taken out of the environment before any child process starts.
4. A prompt, if stdin is a terminal.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from patchline.patches.errors import UsageError
from patchline.patches.files import os_failure
from patchline.patches.progress import clear_bars

Decorated = TypeVar("Decorated", bound=Callable[..., Any] | click.Command)

_DESCRIPTOR = "patchline.passphrase-fd"
_READ = "patchline.passphrase-read"
_ENVIRONMENT = "patchline.secrets-of-the-environment"
_PASSPHRASE = "PATCHLINE_PASSPHRASE"  # noqa: S105 - a name
_SECRETS = (_PASSPHRASE, "PATCHLINE_TOKEN", "PATCHLINE_VAULT_WRAPPED", "VAULT_TOKEN")
_UNATTENDED = "patchline.unattended"
_LONGEST = 4096


def passphrase_option(command: Decorated) -> Decorated:
    """Add `--passphrase-fd N`; the command calls `passphrase_for` and takes no parameter for it."""

    def remember(ctx: click.Context, parameter: click.Parameter, number: int | None) -> None:
        if number is not None and number < 0:
            raise click.BadParameter("a file descriptor is not negative")
        ctx.meta[_DESCRIPTOR] = number

    return click.option(
        "--passphrase-fd",
        type=int,
        metavar="N",
        expose_value=False,
        callback=remember,
        help="Read the passphrase from this open file descriptor.",
    )(command)


def remember_environment(context: click.Context) -> None:
    """Take passphrase and logins out of the environment, so that no child process inherits them."""
    context.meta[_ENVIRONMENT] = {name: os.environ.pop(name, None) for name in _SECRETS}


def secret_of_environment(name: str) -> str | None:
    """Return what stood in a variable when the program began; of other programs than ours, what stands there now."""
    context = click.get_current_context(silent=True)
    remembered = context.meta.get(_ENVIRONMENT) if context else None
    found = remembered.get(name) if remembered else os.environ.pop(name, None)
    return None if found is None else str(found)


def passphrase_for(name: str, *, new: bool = False) -> bytes:
    """Return the passphrase of a key, in UTF-8.

    Args:
        name: the key's name.
        new: whether it is being chosen: a prompt then asks twice.

    Raises:
        UsageError: no source has one, or it is empty or unreasonably long.
    """
    found = _given(name)
    if found is None:
        found = _prompt(name, new)
    if not found:
        raise UsageError("passphrase-empty", f"the passphrase of key {name} is empty")
    if len(found) > _LONGEST:
        raise UsageError("passphrase-long", f"the passphrase of key {name} has more than {_LONGEST} bytes")
    return found


def _given(name: str) -> bytes | None:
    meta = click.get_current_context().meta
    if meta.get(_DESCRIPTOR) is not None:
        if _READ not in meta:
            meta[_READ] = _read_descriptor(meta[_DESCRIPTOR])
        return bytes(meta[_READ])
    given = credential(name)
    if given is not None:
        return given
    text = meta.get(_ENVIRONMENT, {}).get(_PASSPHRASE)
    return None if text is None else os.fsencode(text)


def _read_descriptor(number: int) -> bytes:
    try:
        with os.fdopen(number, "rb", closefd=False) as file:
            return _without_line_end(file.read(_LONGEST + 3))
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise UsageError("passphrase-fd", f"cannot read the passphrase from descriptor {number}: {reason}") from None


def credential(name: str) -> bytes | None:
    """Return what the credential `patchline-NAME` of the machine holds, without a line's end; None when there is none."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return None
    path = Path(folder) / f"patchline-{name}"
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return _without_line_end(file.read(_LONGEST + 3))
    except OSError as error:
        raise os_failure(error) from None


def _without_line_end(data: bytes) -> bytes:
    return data.removesuffix(b"\n").removesuffix(b"\r")


def attended() -> bool:
    """Tell whether somebody is there who can be asked."""
    context = click.get_current_context(silent=True)
    return sys.stdin.isatty() and not (context and context.meta.get(_UNATTENDED))


def unattended(context: click.Context) -> None:
    """Have commands below a context ask nobody, whatever stdin is."""
    context.meta[_UNATTENDED] = True


def _prompt(name: str, new: bool) -> bytes:
    if not attended():
        raise UsageError("no-passphrase", f"no passphrase was given for key {name}")
    asked = f"New passphrase for {name}" if new else f"Passphrase for {name}"
    clear_bars()
    # An empty default lets an empty answer through, which is then refused instead of asked for for ever.
    text = click.prompt(asked, default="", show_default=False, hide_input=True, confirmation_prompt=new, err=True)
    return str(text).encode()
