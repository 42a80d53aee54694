"""Loans as documents for scripts and pages; no fact of them is a secret."""

from datetime import datetime
from typing import Any

from patchline.patches.statements import time_text
from patchline.releaser.loans.looking import Seen
from patchline.releaser.tables.loans import LoanPart
from patchline.releaser.tables.setups import SetupEndpoint


def _time(moment: datetime | None) -> str | None:
    return time_text(moment) if moment is not None else None


def loan_document(seen: Seen, now: datetime) -> dict[str, Any]:
    """Return a loan as lists show it."""
    loan = seen.loan
    return {
        "loan": loan.id,
        "state": seen.stands(now).value,
        "setup": seen.setup,
        "owner": seen.owner,
        "team": loan.team,
        "borrower": loan.borrower,
        "lender": loan.lender,
        "purpose": loan.purpose,
        "starts": time_text(loan.starts),
        "due": time_text(loan.due),
        "handover": seen.handed(now),
        "alarm": _time(loan.alarm),
        "trouble": loan.trouble,
    }


def whole_document(seen: Seen, now: datetime) -> dict[str, Any]:
    """Return all that is known of a loan."""
    loan = seen.loan
    return {
        **loan_document(seen, now),
        "requested": time_text(loan.requested),
        "approved": _time(loan.approved),
        "issued": _time(loan.issued),
        "opened": _time(loan.opened),
        "extended": loan.extended,
        "ending": _time(loan.ending),
        "ended": _time(loan.ended),
        "with_login": loan.with_login,
        "accessor": loan.accessor,
        "verifiable": seen.verifiable,
        "level": {"before": loan.level_before, "after": loan.level_after},
        "drift": {"before": loan.drift_before, "after": loan.drift_after},
        "reset": loan.reset,
        "logins": [_part(part, endpoint) for part, endpoint in seen.parts],
        "events": [
            {"action": event.action, "told": event.told, "at": time_text(event.at), "by": event.by}
            for event in seen.events
        ],
    }


def _part(part: LoanPart, endpoint: SetupEndpoint) -> dict[str, Any]:
    return {
        "endpoint": endpoint.name,
        "kind": endpoint.kind,
        "address": endpoint.address,
        "strategy": part.strategy,
        "state": part.state,
        "username": part.username,
        "lease": part.lease,
        "version": part.number,
        "expires": _time(part.expires),
        "proved": _time(part.proved),
        "told": part.told,
    }
