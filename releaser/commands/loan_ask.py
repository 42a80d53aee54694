"""`patchline loan request` and `cancel`."""

from pathlib import Path

import click

from patchline.patches.errors import UsageError
from patchline.patches.files import read_file
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.loan_look import line
from patchline.releaser.commands.options import attempt, clock, read_moment, register_options
from patchline.releaser.loans import asking
from patchline.releaser.loans.asking import Wanted
from patchline.releaser.loans.documents import whole_document
from patchline.releaser.loans.ssh_keys import LONGEST


@click.command(
    epilog=example(
        "patchline loan request lab-1 --team mobile --until 2027-02-05 --purpose CASE-4711",
        "patchline loan request lab-1 --team mobile --from 2027-03-01 --until 2027-03-05 --purpose 'try HF-2027-0031'",
    )
)
@click.argument("setup")
@click.option("--team", required=True, metavar="TEAM", help="Yours, which is not the owner's.")
@click.option("--until", "due", required=True, metavar="MOMENT", help="When it is due; UTC unless it says otherwise.")
@click.option("--from", "starts", metavar="MOMENT", help="When it begins; default: now.")
@click.option("--purpose", required=True, metavar="TEXT", help="What for, such as a case or a hotfix.")
@click.option("--ssh-key", type=click.Path(path_type=Path), help="Your public SSH key, where certificates are given.")
@register_options
@json_option
def request(setup: str, team: str, due: str, starts: str | None, purpose: str, ssh_key: Path | None) -> None:
    """Ask for a setup of another team, now or ahead. Nobody else gets it in that time."""
    key = _key(ssh_key) if ssh_key is not None else None
    wanted = Wanted(setup, team, purpose, read_moment(due), read_moment(starts) if starts else None, key)
    with attempt("loan.request", setup) as change:
        seen = asking.request(change, wanted)
        document, text = whole_document(seen, clock()), line(seen, clock())
    report(document, f"{text}\nA keeper of it lends it: patchline loan approve {document['loan']}")


def _key(path: Path) -> str:
    data = read_file(path, limit=LONGEST)
    try:
        return data.decode("ascii").strip()
    except UnicodeDecodeError:
        raise UsageError("loan-ssh-key", f"{path} is no public SSH key") from None


@click.command(epilog=example("patchline loan cancel l7k3m9qz --reason 'not needed any more'"))
@click.argument("identifier", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why.")
@register_options
@json_option
def cancel(identifier: str, reason: str) -> None:
    """End a loan that was not lent yet: its borrower, or a keeper who does not lend it."""
    with attempt("loan.cancel", identifier) as change:
        seen = asking.cancel(change, identifier, reason)
        document, text = whole_document(seen, clock()), line(seen, clock())
    report(document, text)
