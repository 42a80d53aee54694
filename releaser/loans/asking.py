"""What people ask for: a loan, and its end. What a lender does stands in `releaser.loans.lending`.

All of it is only written down here; the broker, or the lender's own login to Vault, does it (`releaser.loans.caring`).
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from patchline.patches import identifiers
from patchline.patches.errors import NotFoundError, RefusedError, StateError, UsageError
from patchline.patches.statements import time_text
from patchline.releaser.fleet import sites
from patchline.releaser.loans.looking import Seen, booked, the_loan
from patchline.releaser.loans.noting import note
from patchline.releaser.loans.ssh_keys import check_public_key
from patchline.releaser.loans.states import HELD, LoanAction, LoanState, check_step
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.setups.keeping import KEEPERS, the_setup, vault_name
from patchline.releaser.tables.loans import Loan, LoanPart
from patchline.releaser.tables.setups import Setup
from patchline.releaser.work import wishes
from patchline.releaser.work.kinds import LOAN

LONGEST = timedelta(days=30)
"""Of a loan, however often it is extended; Vault's own end of its token comes a day later."""
_AHEAD = timedelta(days=366)
LONGEST_TEXT = 300
_ID_LETTERS = 6
_ID = re.compile(r"l[0-9][0-9a-z]{6}")


@dataclass(frozen=True)
class Wanted:
    """A loan that somebody asks for.

    Attributes:
        team: the borrower's.
        purpose: what for, such as a case or a hotfix.
        starts: None for at once.
        ssh_key: the borrower's public key, for endpoints that give certificates.
    """

    setup: str
    team: str
    purpose: str
    due: datetime
    starts: datetime | None = None
    ssh_key: str | None = None


def request(change: Change, wanted: Wanted) -> Seen:
    """Reserve a setup; who acts is the borrower.

    Raises:
        NotFoundError: there is no such setup.
        RefusedError: it is of the borrower's own team.
        StateError: somebody else has it in that time, or it has no endpoint.
        UsageError: a field cannot be written so.
    """
    known = the_setup(change.session, wanted.setup)
    sites.in_service(change.session, wanted.setup)
    if vault_name("team", wanted.team) == known.setup.team:
        raise RefusedError("loan-own-team", f"{wanted.setup} is of team {wanted.team}, whose credentials are its own")
    starts = wanted.starts or change.now
    _check_window(starts, wanted.due, change.now)
    strategies = {endpoint.strategy for endpoint, _ in known.endpoints}
    if not strategies:
        raise StateError("loan-nothing", f"{wanted.setup} has no endpoint to log in to")
    if "ssh-certificate" in strategies and wanted.ssh_key is None:
        raise UsageError("loan-ssh-key", f"{wanted.setup} gives SSH certificates, and no public key was named")
    lock_setup(change, known.setup.site)
    check_free(change, known.setup.site, wanted.setup, starts, wanted.due)
    loan = Loan(
        id=_new_id(),
        setup=known.setup.site,
        borrower=change.by,
        team=wanted.team,
        purpose=_purpose(wanted.purpose),
        starts=starts,
        due=wanted.due,
        state=LoanState.RESERVED,
        with_login=False,
        ssh_key=check_public_key(wanted.ssh_key) if wanted.ssh_key is not None else None,
        requested=change.now,
        extended=0,
    )
    change.session.add(loan)
    change.session.flush()
    facts = {"setup": wanted.setup, "team": wanted.team, "starts": time_text(starts), "due": time_text(wanted.due)}
    note(change, loan, LoanAction.REQUEST, f"team {wanted.team} asks for {wanted.setup}", facts)
    change.session.flush()
    return the_loan(change.session, loan.id)


def _check_window(starts: datetime, due: datetime, now: datetime) -> None:
    if not starts < due or due <= now:
        raise UsageError("loan-window", "the loan would be over before it begins")
    if due - max(starts, now) > LONGEST:
        raise UsageError("loan-window", f"a loan lasts at most {LONGEST.days} days")
    if starts - now > _AHEAD or now - starts > timedelta(days=1):
        raise UsageError("loan-window", "a loan begins today or within a year")


def _purpose(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_TEXT or not text.isprintable():
        raise UsageError("loan-purpose", f"the purpose has 1 to {LONGEST_TEXT} printable characters")
    return text


def check_id(text: str) -> str:
    """Return a loan's id.

    Raises:
        NotFoundError: it can be none.
    """
    if not _ID.fullmatch(text):
        raise NotFoundError("loan", f"there is no loan {text[:40]!r}")
    return text


def _new_id() -> str:
    """Return an id that names things in Vault and at targets too; drawn, so that a restored register repeats none."""
    drawn = identifiers.crockford(secrets.randbits(5 * _ID_LETTERS), _ID_LETTERS).lower()
    return f"l{secrets.randbelow(10)}{drawn}"


def lock_setup(change: Change, setup: int) -> None:
    """Let others who want this setup wait until this change is over."""
    change.session.execute(select(Setup.site).where(Setup.site == setup).with_for_update())


def check_free(change: Change, setup: int, name: str, starts: datetime, due: datetime, but: str = "") -> None:
    """Refuse a window in which somebody else has, or has booked, a setup.

    Raises:
        StateError: so it is.
    """
    for other in booked(change.session, setup):
        # What is not back is taken, whatever was agreed.
        end = max(other.due, change.now + timedelta(seconds=1)) if other.state in HELD else other.due
        if other.id != but and other.starts < due and starts < end:
            window = f"{time_text(other.starts)} to {time_text(other.due)}"
            raise StateError("loan-taken", f"{name} is {other.state} for team {other.team}, {window}: loan {other.id}")


def locked(change: Change, identifier: str) -> Seen:
    """Return a loan that nobody else changes until this change is over.

    Raises:
        NotFoundError: there is none of that id.
    """
    query = select(Loan).where(Loan.id == identifier).with_for_update().execution_options(populate_existing=True)
    change.session.scalars(query).one_or_none()
    return the_loan(change.session, identifier)


def leave_to_broker(change: Change, identifier: str) -> int:
    """Wake the broker for a loan, in the change that gives it something to do; return the wish."""
    return wishes.ask(change, LOAN, {"loan": identifier})


def cancel(change: Change, identifier: str, reason: str) -> Seen:
    """End a loan that was not lent yet.

    Raises:
        NotFoundError: there is no such loan.
        RefusedError: who acts neither asked for it nor keeps setups.
        StateError: it is not the moment.
    """
    seen = locked(change, identifier)
    _check_party(change, seen)
    check_step(LoanAction.CANCEL, seen.stands(change.now), identifier)
    _drop_parts(change, seen)
    seen.loan.state, seen.loan.ended, seen.loan.ending_by = LoanState.CANCELLED, change.now, change.by
    note(change, seen.loan, LoanAction.CANCEL, _purpose(reason))
    return seen


def _drop_parts(change: Change, seen: Seen) -> None:
    """Take back parts of which nothing was made."""
    for part, _ in seen.parts:
        change.session.delete(part)
    seen.parts = []


def _check_party(change: Change, seen: Seen) -> None:
    if change.by != seen.loan.borrower:
        require_role(change.session, change.by, *KEEPERS)


def give_back(change: Change, identifier: str, done: Mapping[str, str] | None = None) -> Seen:
    """Let a loan end; it is over when each of its logins was seen to fail.

    Args:
        change: by the borrower, or a keeper of setups.
        identifier: of the loan.
        done: what a keeper did by hand, by endpoint: where nothing can be tried from here, or in quarantine.

    Raises:
        NotFoundError: there is no such loan.
        RefusedError: who acts neither has it nor keeps setups; or says that it is over, though it can be tried.
        StateError: it is not the moment.
        UsageError: what was done is said of no such endpoint.
    """
    seen = locked(change, identifier)
    _check_party(change, seen)
    state = seen.stands(change.now)
    again = state in (LoanState.REVOKING, LoanState.QUARANTINED)
    if not again:
        check_step(LoanAction.RETURN, state, identifier)
        start_ending(change, seen, f"{change.by} gives {seen.setup} back", change.by)
    if done:
        _state(change, seen, done)
    change.session.flush()
    return seen


def start_ending(change: Change, seen: Seen, told: str, by: str | None) -> None:
    """Let a loan end; `by` is None where the clock says so."""
    seen.loan.state, seen.loan.ending, seen.loan.ending_by = LoanState.REVOKING, change.now, by
    for part, _ in seen.parts:
        part.state = "ending" if part.state == "made" else part.state
    note(change, seen.loan, LoanAction.RETURN, told)


def _state(change: Change, seen: Seen, done: Mapping[str, str]) -> None:
    """Take a keeper's word that a login is over."""
    require_role(change.session, change.by, *KEEPERS)
    parts = {endpoint.name: part for part, endpoint in seen.parts}
    for name, text in done.items():
        if name not in parts or not text.strip() or len(text) > LONGEST_TEXT or not text.isprintable():
            raise UsageError(
                "loan-done", f"{name[:80]!r} is no endpoint of loan {seen.loan.id}, or nothing is said of it"
            )
        part = parts[name]
        if part.strategy != "by-hand" and seen.loan.state != LoanState.QUARANTINED:
            raise RefusedError(
                "loan-provable", f"the login at {name} is tried from here; nobody need say that it is over"
            )
        if part.state != "dead":
            part.state, part.told = "stated", text
        note(change, seen.loan, "stated", f"{name}: {text}", {"endpoint": name})


def parts_alive(parts: Sequence[LoanPart]) -> list[LoanPart]:
    """Return the parts whose end is neither proved nor stated."""
    return [part for part in parts if part.state not in ("dead", "stated")]
