"""`patchline loan open`: the borrower's command. What it prints is nowhere else."""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import click

from patchline.patches.errors import PatchlineError, StateError, VaultError
from patchline.patches.files import read_file, write_file
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import clock, register_options, the_person, the_register
from patchline.releaser.loans import handing
from patchline.releaser.loans.asking import leave_to_broker, locked
from patchline.releaser.loans.brokered import ask_vault
from patchline.releaser.loans.sealing import SealingKey
from patchline.releaser.register import Register
from patchline.releaser.tables.loans import LoanHandover
from patchline.releaser.vault_access import vault_server

_PATIENCE_S, _PAUSE_S = 30.0, 0.2
_LONGEST = 4096


@click.command(
    "open", epilog=example("patchline loan open l7k3m9qz", "patchline loan open l7k3m9qz --wrapped - --out lab.json")
)
@click.argument("identifier", metavar="ID")
@click.option(
    "--wrapped", metavar="FILE", help="What the lender gave you, in a file or - for stdin; else the broker is asked."
)
@click.option("--out", type=click.Path(path_type=Path), help="Write it into a new file that you alone may read.")
@register_options
@json_option
def open_command(identifier: str, wrapped: str | None, out: Path | None) -> None:
    """Open what you borrowed. Each hand-over opens once, within 15 minutes; a second opening is an alarm."""
    with the_register() as register:
        by = the_person()
        ask_vault(register)
        if out is not None and out.exists():
            write_file(out, b"")  # Says so, before anything is opened that opens once.
        with register.refusals_told("loan.open", identifier, by, clock()):
            number, token = (None, _given(wrapped)) if wrapped else _asked(register, identifier, by)
            found = _opened(register, identifier, by, number, token)
    _give(identifier, found, out)


def _given(wrapped: str) -> str:
    data = sys.stdin.buffer.read(_LONGEST) if wrapped == "-" else read_file(Path(wrapped), limit=_LONGEST)
    return data.decode("ascii", errors="replace").strip()


def _asked(register: Register, identifier: str, by: str) -> tuple[int, str]:
    """Let the broker seal a hand-over to a key of this very process."""
    key = SealingKey()
    with register.change(by, clock()) as change:
        row = handing.ask(change, identifier, key.public)
        leave_to_broker(change, identifier)
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        with register.read() as session:
            found = session.get_one(LoanHandover, row.id)
            sealed, refused = found.sealed, found.refused
        if refused is not None:
            raise StateError("loan-broker", f"the hand-over of loan {identifier} was not made: {refused}")
        if sealed is not None:
            return row.id, key.unseal(sealed, identifier)
        time.sleep(_PAUSE_S)
    raise StateError("loan-broker", f"the broker did not answer within {_PATIENCE_S:.0f} seconds")


def _opened(
    register: Register, identifier: str, by: str, number: int | None, token: str
) -> Mapping[str, Mapping[str, str]]:
    from patchline.vault.loan_credentials import open_wrapping
    from patchline.vault.login import check_token

    check_token(token)
    with register.change(by, clock()) as change:
        seen = handing.opening(change, identifier, number)
        setup, late, again = seen.setup, handing.lapsed(seen, change.now), seen.loan.opened is not None
        addresses = {endpoint.name: endpoint.address for _, endpoint in seen.parts}
    try:
        found = open_wrapping(vault_server(register.settings), token, setup, identifier)
    except VaultError as error:
        _alarm(register, identifier, by, error, late=late, again=again)
        raise
    with register.change(by, clock()) as change:
        handing.opened(change, identifier)
    return {endpoint: {"address": addresses.get(endpoint, ""), **credential} for endpoint, credential in found.items()}


def _alarm(register: Register, identifier: str, by: str, error: PatchlineError, *, late: bool, again: bool) -> None:
    """Tell whoever looks after loans that somebody else was there first; too late is not stolen."""
    if error.code not in ("vault.loan-opened", "vault.loan-other") or (late and not again):
        return
    with register.change(by, clock()) as change:
        handing.alarm(change, locked(change, identifier).loan, error.message)


def _give(identifier: str, found: Mapping[str, Mapping[str, str]], out: Path | None) -> None:
    document = {"loan": identifier, "logins": found}
    if out is not None:
        write_file(out, json.dumps(document, indent=1).encode() + b"\n", mode=0o600)
        report({"loan": identifier, "out": str(out)}, f"{out}: the logins of loan {identifier}; you alone may read it")
        return
    lines = [f"loan {identifier}: this is shown once"]
    for endpoint, credential in found.items():
        lines.append(f"{endpoint}: {credential['address']}")
        lines += [f"  {key}: {text}" for key, text in credential.items() if key != "address"]
    report(document, os.linesep.join(lines))
