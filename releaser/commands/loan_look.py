"""`patchline loan list` and `show`, and how loans are put into words. Nothing here asks Vault."""

from datetime import datetime
from typing import Any

import click

from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser.commands.options import clock, home_option, page_options, page_text, paged, the_register
from patchline.releaser.loans import looking
from patchline.releaser.loans.documents import loan_document, whole_document
from patchline.releaser.loans.looking import Seen
from patchline.releaser.loans.states import LoanState

_COLOURS = {
    LoanState.OVERDUE: "red",
    LoanState.QUARANTINED: "red",
    LoanState.DUE_SOON: "yellow",
    LoanState.REVOKING: "yellow",
}


@click.command("list", epilog=example("patchline loan list", "patchline loan list --setup lab-1 --ended"))
@click.option("--setup", metavar="SETUP", help="Of this setup.")
@click.option("--team", metavar="TEAM", help="Lent by or to this team.")
@click.option("--borrower", metavar="PERSON", help="Asked for by this person.")
@click.option("--ended", is_flag=True, help="Those that are over too.")
@page_options("ID")
@home_option
@json_option
def list_command(limit: int, after: str | None, **chosen: Any) -> None:
    """List loans and bookings, the newest request first."""
    now = clock()
    with the_register() as register, register.read() as session:
        found = looking.listed(session, limit + 1, after, **chosen)
        shown, after = paged(found, limit, lambda one: one.loan.id)
        document = {"loans": [loan_document(one, now) for one in shown], "after": after}
        lines = [line(one, now) for one in shown]
    report(document, page_text(lines, after, "no loan: patchline loan request SETUP --team TEAM --until DATE"))


def line(one: Seen, now: datetime) -> str:
    """Return a loan in one line."""
    state = one.stands(now)
    told = click.style(f"{state:<11}", fg=_COLOURS.get(state))
    when = f"{one.loan.starts:%Y-%m-%d %H:%M} to {one.loan.due:%Y-%m-%d %H:%M}"
    alarm = click.style("  ALARM", fg="red") if one.loan.alarm else ""
    return f"{one.loan.id}  {told}  {one.setup}  {one.owner} to {one.loan.team}  {when}  {one.loan.purpose}{alarm}"


@click.command(epilog=example("patchline loan show l7k3m9qz"))
@click.argument("identifier", metavar="ID")
@home_option
@json_option
def show(identifier: str) -> None:
    """Show a loan: its logins and how each ended, the hand-over, the level at both ends, and every step of it."""
    now = clock()
    with the_register() as register, register.read() as session:
        seen = looking.the_loan(session, identifier)
        report(whole_document(seen, now), whole_text(seen, now))


def whole_text(seen: Seen, now: datetime) -> str:
    """Return all that is known of a loan."""
    loan = seen.loan
    lines = [line(seen, now), f"  asked for by {loan.borrower}, lent by {loan.lender or 'nobody yet'}"]
    lines += [f"  in the way: {loan.trouble}"] if loan.trouble else []
    lines += [f"  hand-over: {seen.handed(now)}"] if loan.issued else []
    for part, endpoint in seen.parts:
        lines.append(f"  {endpoint.name}: {endpoint.address}, {part.strategy}, {_part_words(part)}")
    if loan.ended and loan.issued:
        lines.append(f"  level: {loan.level_before or 'unknown'} when lent, {loan.level_after or 'unknown'} when back")
        lines.append(f"  drift: {_drift(loan.drift_before)} when lent, {_drift(loan.drift_after)} when back")
        lines += [f"  reset: {loan.reset}"] if loan.reset else []
    lines += [f"  {event.at:%Y-%m-%d %H:%M}  {event.action:<11} {event.told}" for event in seen.events]
    return "\n".join(lines)


def _drift(files: int | None) -> str:
    return "unknown" if files is None else f"{counted(files, 'file')} not as expected"


def _part_words(part: Any) -> str:
    if part.state == "dead":
        return f"{part.username or 'a login'} was seen to fail on {time_text(part.proved)}"
    if part.state == "stated":
        return f"not verifiable; somebody says: {part.told}"
    words = {"waiting": "not made yet", "made": "alive", "ending": "being ended"}[part.state]
    hand = "not verifiable; " if part.strategy == "by-hand" else ""
    return f"{hand}{part.username or 'a login'}, {words}"
