"""What comes next of a loan, in one sentence, and what somebody may do with it. Nothing here asks Vault."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from patchline.releaser.loans.lending import waits_for_login
from patchline.releaser.loans.looking import Seen
from patchline.releaser.loans.states import LOAN_TABLE, LoanAction, LoanState
from patchline.releaser.setups.keeping import KEEPERS
from patchline.releaser.tables.loans import LoanPart
from patchline.releaser.tables.people import Role

MOVING = (LoanState.ISSUING, LoanState.REVOKING)
"""States that end by themselves: the broker is at it."""
_SLOW = timedelta(minutes=1)


@dataclass(frozen=True)
class Ahead:
    """What comes next.

    Attributes:
        words: one sentence, without its end.
        waits: nothing came of it for a while: what to look at.
    """

    words: str
    waits: bool = False


def ahead(seen: Seen, now: datetime) -> Ahead:
    """Return what comes next of a loan."""
    loan, state = seen.loan, seen.stands(now)
    if loan.alarm is not None and state not in (LoanState.RETURNED, LoanState.CANCELLED):
        return Ahead("Somebody else may have its logins: it is to be returned now, and found out who opened it")
    if state is LoanState.RESERVED:
        return Ahead(_reserved(seen, now))
    if state is LoanState.ISSUING:
        return _issuing(seen, now)
    if state is LoanState.REVOKING:
        return _revoking(seen, now)
    if state is LoanState.QUARANTINED:
        return Ahead(
            f"In a day nothing proved its logins dead: a keeper of {seen.setup} ends them by hand, and says so"
        )
    if state is LoanState.RETURNED:
        proved = "each of its logins was seen to fail" if seen.verifiable else "part of it ended as somebody says"
        return Ahead(f"It is back: {proved}")
    if state is LoanState.CANCELLED:
        return Ahead("It is over and was never lent")
    return _lent(seen, state, now)


def _reserved(seen: Seen, now: datetime) -> str:
    loan = seen.loan
    if loan.due <= now:
        return "Its time is over, and nobody lent it; the broker closes it"
    if loan.trouble is not None and loan.approved is None:
        return "It could not be lent; a keeper decides anew once what stands in the way is mended"
    if loan.approved is None:
        return f"It waits until a keeper of setups, not {loan.borrower}, lends it"
    return "It is lent ahead: the broker issues it when its time comes"


def _issuing(seen: Seen, now: datetime) -> Ahead:
    if seen.loan.with_login:
        return Ahead("It waits for a lender's own login to Vault")
    words = "The broker issues it: a login of its own at each endpoint, and each is seen to work"
    return Ahead(words, _is_slow(seen.loan.approved, now) and seen.loan.starts + _SLOW < now)


def _revoking(seen: Seen, now: datetime) -> Ahead:
    if any(part.state not in ("dead", "stated") and part.strategy == "by-hand" for part, _ in seen.parts):
        return Ahead(f"A keeper of {seen.setup} ends by hand what was lent by hand, and says so; the broker the rest")
    return Ahead("The broker ends its logins; it is back when each was seen to fail", _is_slow(seen.loan.ending, now))


def _is_slow(since: datetime | None, now: datetime) -> bool:
    return since is not None and now - since > _SLOW


def _lent(seen: Seen, state: LoanState, now: datetime) -> Ahead:
    loan, due = seen.loan, f"{seen.loan.due:%Y-%m-%d %H:%M} UTC"
    if state is LoanState.OVERDUE:
        return Ahead("It is overdue; the broker ends it", now - loan.due > _SLOW)
    if loan.opened is not None:
        return Ahead(f"Team {loan.team} has it until {due}, when the broker ends it")
    told = {
        "delivered": f"A hand-over was made and opens once, within 15 minutes: {loan.borrower} opens it",
        "never opened": f"The last hand-over was never opened: {loan.borrower} asks for another",
    }
    return Ahead(told.get(seen.handed(now), f"It is ready: {loan.borrower} opens it, and has it until {due}"))


def permitted(seen: Seen, by: str, roles: AbstractSet[Role], now: datetime) -> frozenset[LoanAction]:
    """Return what somebody may do with a loan now; whoever does it is asked the same by `asking`."""
    state, keeper = seen.stands(now), not roles.isdisjoint(KEEPERS)
    fitting = {row.action for row in LOAN_TABLE if row.before is state}
    mine = by == seen.loan.borrower
    allowed: set[LoanAction] = set()
    if keeper and not mine:
        allowed |= {LoanAction.APPROVE, LoanAction.EXTEND}
    if keeper or mine:
        allowed |= {LoanAction.CANCEL, LoanAction.RETURN}
    lent = seen.loan.approved is not None and not waits_for_login(seen)
    if lent or seen.loan.due <= now:
        fitting.discard(LoanAction.APPROVE)
    return frozenset(allowed & fitting)


def to_be_told(seen: Seen) -> list[tuple[LoanPart, str]]:
    """Return the logins whose end a keeper says, each with its endpoint: lent by hand, or all in quarantine."""
    ending = seen.loan.state in (LoanState.REVOKING, LoanState.QUARANTINED)
    return [
        (part, endpoint.name)
        for part, endpoint in seen.parts
        if ending
        and part.state not in ("dead", "stated")
        and (part.strategy == "by-hand" or seen.loan.state == LoanState.QUARANTINED)
    ]
