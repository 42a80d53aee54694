"""Looking after a loan: whatever its row says is to be done is done, and may be begun again after a crash anywhere.

- What may exist afterwards is written down before it is made: parts before the token, each password before its account.
- Making begins by ending whatever an earlier attempt left under the loan's name.
- A loan comes back only when each of its logins was seen to fail; until then it is tried again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from patchline.patches.errors import PatchlineError, VaultError
from patchline.releaser.loans import accounts, certificates, handing, resetting
from patchline.releaser.loans.cases import GRACE, Case, Hands, Made, seconds_until
from patchline.releaser.loans.holding import held
from patchline.releaser.loans.looking import Seen, the_loan
from patchline.releaser.loans.noting import note, quietly, stepping
from patchline.releaser.loans.states import LoanAction, LoanState
from patchline.releaser.loans.ways import WAYS
from patchline.releaser.tables.fleet import SiteState
from patchline.releaser.tables.loans import Loan, LoanPart
from patchline.vault.loan_credentials import Credential, KeptLoan
from patchline.vault.loans import LoanToken

PATIENCE = timedelta(hours=24)
"""How long proof is waited for until a setup is put into quarantine; it is tried on all the same."""
_MOST = 300


def look_after(hands: Hands, identifier: str) -> str:
    """Do what is to be done for a loan now; return how it stands, in words.

    Raises:
        LockedError: another process is at it.
        PatchlineError: its credentials could not be made; nothing of them is left, or what is left is being ended.
    """
    with held(hands.register, identifier):
        return look_after_held(hands, identifier)


def look_after_held(hands: Hands, identifier: str) -> str:
    """Do the same, where this process holds the loan already."""
    with hands.register.read() as session:
        seen = the_loan(session, identifier, history=False)
    state = LoanState(seen.loan.state)
    work = {
        LoanState.ISSUING: _issue,
        LoanState.ON_LOAN: _keep_alive,
        LoanState.REVOKING: _end,
        LoanState.QUARANTINED: _end,
    }.get(state)
    return work(hands, seen) if work else f"is {state}"


class _Credentials:
    """The credentials of a loan in Vault while it is worked at; each write says which version it saw."""

    def __init__(self, hands: Hands, seen: Seen) -> None:
        self._vault, self._setup, self._loan = hands.vault, seen.setup, seen.loan.id
        self.kept: KeptLoan = self._vault.read(self._setup, self._loan)

    def of(self, endpoint: str) -> Credential | None:
        return self.kept.credentials.get(endpoint)

    def keep(self, endpoint: str) -> Callable[[Credential], None]:
        def write(credential: Credential) -> None:
            changed = {**self.kept.credentials, endpoint: credential}
            self.kept = self._vault.write(self._setup, self._loan, changed, self.kept.number)

        return write


def _cases(hands: Hands, seen: Seen, credentials: _Credentials, token: LoanToken | None = None) -> list[Case]:
    return [
        Case(
            hands,
            seen.setup,
            seen.loan,
            part,
            endpoint,
            credentials.of(endpoint.name),
            credentials.keep(endpoint.name),
            token,
        )
        for part, endpoint in seen.parts
    ]


def _part(session: Session, case: Case) -> LoanPart:
    return session.get_one(LoanPart, case.part.id)


# Making


def _issue(hands: Hands, seen: Seen) -> str:
    begun = any(part.state != "waiting" for part, _ in seen.parts)
    if not begun and seen.loan.with_login and not hands.own:
        return "waits for a lender's own login to Vault: loan approve"
    if begun or seen.loan.trouble is not None:
        # Killed in the midst of it, or it failed and could not be cleared away then.
        told = _clear(hands, seen)
        if told is not None:
            return told
        if seen.loan.trouble is not None or (seen.loan.with_login and not hands.own):
            return _failed(hands, seen, seen.loan.trouble or "it was cut off while it was made")
    try:
        return _make(hands, seen)
    except PatchlineError as error:
        _trouble(hands, seen, error.message)
        with hands.register.read() as session:
            left = the_loan(session, seen.loan.id)
        try:
            if _clear(hands, left) is None:
                _failed(hands, left, error.message)
        except VaultError:
            pass  # Whoever looks after it next clears it away; the row says that there is something.
        raise


def _make(hands: Hands, seen: Seen) -> str:
    """Make everything, between two changes of the register: that it may exist, and that it does."""
    credentials = _Credentials(hands, seen)
    with quietly(hands.register) as session:
        for part, _ in seen.parts:
            session.get_one(LoanPart, part.id).state = "made"
    seconds = seconds_until(seen.loan.due + GRACE, hands.clock())
    token = hands.vault.make_token(seen.setup, seen.loan.id, seconds)
    made = [(case, WAYS[case.part.strategy].make(case)) for case in _cases(hands, seen, credentials, token)]
    with stepping(hands.register, seen.loan, hands.clock()) as change:
        loan = change.session.get_one(Loan, seen.loan.id)
        site = change.session.get_one(SiteState, loan.setup)
        loan.state, loan.issued, loan.trouble = LoanState.ON_LOAN, change.now, None
        loan.accessor, loan.level_before, loan.drift_before = token.accessor, site.label, site.drift
        for case, one in made:
            _write_down(_part(change.session, case), one, credentials.kept.number)
        facts = {"accessor": token.accessor, "logins": {case.endpoint.name: one.username for case, one in made}}
        note(change, loan, LoanAction.ISSUE, f"{seen.setup} is on loan to team {loan.team}", facts)
    return "is on loan"


def _write_down(part: LoanPart, made: Made, number: int) -> None:
    part.username, part.lease, part.expires = made.username[:200], made.lease, made.expires
    part.number = number or None


def _clear(hands: Hands, seen: Seen) -> str | None:
    """End whatever was made of a loan that is not lent yet; return what stands in the way, None for nothing."""
    over, told = _end_parts(hands, seen)
    if told:
        _trouble(hands, seen, "; ".join(told))
        return f"what was begun is being ended: {'; '.join(told)}"
    hands.vault.forget(seen.setup, seen.loan.id)
    with quietly(hands.register) as session:
        session.get_one(Loan, seen.loan.id).accessor = None
        for case in over:
            part = _part(session, case)
            part.state, part.lease, part.username, part.expires = "waiting", None, None, None
    return None


def _failed(hands: Hands, seen: Seen, why: str) -> str:
    """Let a loan be reserved again; the lender decides anew."""
    with stepping(hands.register, seen.loan, hands.clock()) as change:
        loan = change.session.get_one(Loan, seen.loan.id)
        loan.state, loan.approved, loan.trouble = LoanState.RESERVED, None, why[:_MOST]
        note(change, loan, LoanAction.FAIL, why)
        loan.lender = None
    return f"was not lent: {why}"


def _trouble(hands: Hands, seen: Seen, told: str) -> None:
    if seen.loan.trouble != told[:_MOST]:
        with stepping(hands.register, seen.loan, hands.clock()) as change:
            change.session.get_one(Loan, seen.loan.id).trouble = told[:_MOST]


# While it lasts


def _keep_alive(hands: Hands, seen: Seen) -> str:
    """Let Vault and targets know of a later end, sign certificates anew, and hand over what is asked for."""
    now, ends = hands.clock(), seen.loan.due + GRACE
    late = [part for part, _ in seen.parts if part.expires is not None and _is_late(part, seen, hands)]
    if late and now < seen.loan.due:
        if seen.loan.accessor is not None:
            hands.vault.renew_token(seen.loan.accessor, seconds_until(ends, now))
        credentials = _Credentials(hands, seen)
        for case in _cases(hands, seen, credentials):
            if case.part in late:
                _renew(hands, seen, case)
    with hands.register.read() as session:
        whole = the_loan(session, seen.loan.id)
    handing.fulfil(hands, whole)
    return "is on loan"


def _is_late(part: LoanPart, seen: Seen, hands: Hands) -> bool:
    ends = seen.loan.due + GRACE
    expires = part.expires or ends
    if part.strategy == "ssh-certificate":
        return expires < ends and expires - hands.clock() < certificates.SOON
    return expires < ends


def _renew(hands: Hands, seen: Seen, case: Case) -> None:
    expires = case.ends
    if case.part.strategy == "ssh-certificate":
        expires = certificates.sign(case, (case.kept or {})["username"]).expires or expires
    elif case.part.lease is not None:
        hands.vault.renew_lease(case.part.lease, case.seconds())
    elif (login := case.login()) is not None:
        accounts.extend(case, login)
    with stepping(hands.register, seen.loan, hands.clock()) as change:
        _part(change.session, case).expires = expires


# Ending


def _end(hands: Hands, seen: Seen) -> str:
    over, told = _end_parts(hands, seen)
    if told:
        with quietly(hands.register) as session:
            _mark_dead(session, over, hands.clock())
        return _still_alive(hands, seen, "; ".join(told))
    reset = resetting.run(hands.register.home, seen.setup, seen.loan.id)
    with stepping(hands.register, seen.loan, hands.clock()) as change:
        _mark_dead(change.session, over, change.now)
        change.session.flush()
        loan = change.session.get_one(Loan, seen.loan.id)
        site = change.session.get_one(SiteState, loan.setup)
        loan.state, loan.ended, loan.trouble, loan.reset = LoanState.RETURNED, change.now, None, reset
        loan.level_after, loan.drift_after = site.label, site.drift
        words = (
            "each of its logins was seen to fail"
            if seen.verifiable
            else "part of it was ended by hand, as somebody says"
        )
        facts = {"level_before": loan.level_before, "level_after": loan.level_after, "drift": loan.drift_after}
        note(change, loan, LoanAction.PROVE, words, {**facts, "reset": reset, "verifiable": seen.verifiable})
    hands.vault.forget(seen.setup, seen.loan.id)  # What a crash leaves of it here is swept up.
    return "is back, proved" if seen.verifiable else "is back, partly as somebody says"


def _mark_dead(session: Session, over: Sequence[Case], now: datetime) -> None:
    for case in over:
        part = _part(session, case)
        part.state, part.proved = "dead", now


def _end_parts(hands: Hands, seen: Seen) -> tuple[list[Case], list[str]]:
    """End the token and every login of a loan; return those that are over, and what stands in the way of others."""
    for accessor in _accessors(hands, seen):
        hands.vault.end_token(accessor)
    over, told = [], []
    for case in _cases(hands, seen, _Credentials(hands, seen)):
        if case.part.state in ("dead", "stated"):
            continue
        # What comes of one login hides nothing of the others.
        problem = _ended(case) if seen.loan.ending or case.part.strategy != "by-hand" else None
        if problem is None:
            over.append(case)
        else:
            told.append(problem)
    return over, told


def _ended(case: Case) -> str | None:
    try:
        return WAYS[case.part.strategy].end(case)
    except PatchlineError as error:
        return error.message


def _accessors(hands: Hands, seen: Seen) -> list[str]:
    if seen.loan.accessor is not None:
        return [seen.loan.accessor]
    # Killed while it was made: then only Vault knows its token.
    return [accessor for accessor, loan in hands.vault.tokens() if loan == seen.loan.id]


def _still_alive(hands: Hands, seen: Seen, told: str) -> str:
    waited = hands.clock() - (seen.loan.ending or hands.clock())
    if seen.loan.state == LoanState.REVOKING and waited >= PATIENCE:
        with stepping(hands.register, seen.loan, hands.clock()) as change:
            loan = change.session.get_one(Loan, seen.loan.id)
            loan.state, loan.trouble = LoanState.QUARANTINED, told[:_MOST]
            note(change, loan, LoanAction.QUARANTINE, told)
        return f"is in quarantine: {told}"
    _trouble(hands, seen, told)
    return f"is not proved over: {told}"
