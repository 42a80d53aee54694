"""Where a transaction stands, so that the next command can finish or undo it, whenever it was cut off.

Rows of one transaction, in order:

    begin      what it is: actions, objects made, steps, the row the ledger will get
    step       a step began / ended
    forward    from here on it is finished, not dropped
    backward   from here on it is undone
    done       nothing is under way; names the ledger's head, so a ledger that lost rows is noticed

No `forward`: nothing in a root was changed yet, staging is dropped. Once the ledger has a row of the transaction that
row decides, and only tidying is left. A new transaction starts a new file, and so does its end.
"""

from typing import Any

from patchline.patches.errors import InstallationError
from patchline.patches.fields import Fields
from patchline.patches.site.actions import Action, read_actions
from patchline.patches.site.chain import Chain
from patchline.patches.site.ledger import Ledger
from patchline.patches.site.state import Site

NAME = "journal"


class Journal:
    """The journal of a site."""

    def __init__(self, site: Site) -> None:
        """Read it.

        Raises:
            InstallationError: it was changed by something else.
        """
        self._site = site
        self._chain = Chain(site.state, NAME, site.secret, site.disk)
        if not self._chain.rows:
            raise InstallationError("edited", "the journal has no rows")

    @property
    def under_way(self) -> bool:
        """Tell whether a transaction was begun and not done."""
        return bool(self._chain.rows[-1]["row"] != "done")

    @property
    def head(self) -> str:
        """The ledger's head when the last transaction was done or the current one began."""
        return str(self._chain.rows[0]["head"] if self.under_way else self._chain.rows[-1]["head"])

    def doubt(self) -> None:
        """Have the next `sync` of the disk make durable what was read: a killed process may have written it."""
        self._chain.doubt()

    def begin(self, row: dict[str, Any]) -> None:
        """Start the journal of a new transaction, durably."""
        self._chain.start({"row": "begin", **row})

    def record(self, row: str, **facts: Any) -> None:
        """Add a row, durably."""
        self._chain.append({"row": row, **facts})

    def done(self, ledger: Ledger) -> None:
        """Say that nothing is under way, in a new file: every later command reads it."""
        self._chain.start({"row": "done", "head": ledger.chain.head})

    def has(self, row: str) -> bool:
        """Tell whether there is a row of this kind."""
        return any(there["row"] == row for there in self._chain.rows)

    @property
    def decided(self) -> bool:
        """Tell whether the transaction under way has to be finished or undone, not merely dropped."""
        return self.under_way and (self.has("forward") or self.has("backward"))

    @property
    def reason(self) -> str:
        """Why it goes backward."""
        return next(str(row["reason"]) for row in self._chain.rows if row["row"] == "backward")

    @property
    def begun(self) -> dict[str, Any]:
        """The facts of the transaction under way."""
        return self._chain.rows[0]

    def actions(self) -> list[Action]:
        """Return the actions of the transaction under way."""
        return read_actions(Fields(self.begun, "journal", InstallationError))

    def step_state(self, phase: str, manifest: str, step: str) -> str | None:
        """Return `begun`, `ended` or `failed` for a step; None when it was not reached."""
        state = None
        for row in self._chain.rows:
            if row["row"] == "step" and (row["phase"], row["manifest"], row["step"]) == (phase, manifest, step):
                state = str(row["state"])
        return state


def check_heads(journal: Journal, ledger: Ledger) -> None:
    """Refuse a ledger that lost rows the journal knows.

    Raises:
        InstallationError: the journal's head is not among the ledger's.
    """
    if journal.head not in ("0" * 64, *ledger.chain.heads):
        raise InstallationError("edited", "the ledger lacks rows that the journal knows")
