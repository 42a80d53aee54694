"""What is written down about downloads: that one was begun, was broken off, came to its end, or was refused.

- However often a file is resumed, and in however many parts it comes, it is one attempt: it begins once, breaks off once
  and ends once. Who asks for more after that begins anew.
- A part costs one question; only the first, the one that breaks off and the last write.
- The same refusal of the same taker is written down once an hour, however often it is met.
- A part of which the last byte of the file was sent ends the attempt: what the taker did with it nobody knows.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from patchline.patches.errors import EntitlementError
from patchline.releaser import audit
from patchline.releaser.delivery.parcels import Asked, Parcel, Taker
from patchline.releaser.fleet.downloads import BEGUN, BROKEN_OFF, DONE
from patchline.releaser.register import Register
from patchline.releaser.tables.fleet import Download
from patchline.releaser.tables.hotfixes import Revision

ONLINE = "online"
_OPEN = timedelta(days=7)
"""For so long a download may be resumed as the same."""


@dataclass(frozen=True)
class Attempt:
    """A download under way.

    Attributes:
        name: by which its facts belong together.
        fresh: nothing was written down of it yet.
        broke_off: that is known already.
        ended: it came to its end before; nothing more is written of it.
    """

    register: Register
    taker: Taker
    parcel: Parcel
    name: str
    fresh: bool = False
    broke_off: bool = False
    ended: bool = False

    def start(self, start: int, now: datetime) -> None:
        """Write down that a part is being sent, if it is the first one."""
        if self.fresh:
            self._write([(BEGUN, start)], now)

    def sent(self, start: int, stop: int, sent: int, now: datetime) -> None:
        """Write down how a part ended.

        Args:
            start: its first byte.
            stop: the one after its last.
            sent: how many of them went out.
            now: when.
        """
        if self.ended:
            return
        if start + sent == self.parcel.size:
            self._write([(DONE, self.parcel.size)], now)
        elif start + sent < stop and not self.broke_off:
            self._write([(BROKEN_OFF, start + sent)], now)

    def handed(self, start: int, stop: int, now: datetime) -> None:
        """Write down a part that somebody else sends, a proxy or an object store: it counts as sent."""
        facts = [(BEGUN, start)] if self.fresh else []
        if stop == self.parcel.size and not self.ended:
            facts.append((DONE, stop))
        self._write(facts, now)

    def _write(self, facts: list[tuple[str, int]], now: datetime) -> None:
        whose = {**_whose(self.taker, self.parcel.file, now), "revision": self.parcel.revision, "attempt": self.name}
        rows = [{**whose, "outcome": outcome, "extent": extent} for outcome, extent in facts]
        if rows:
            _add(self.register, rows, self.taker)


def open_attempt(
    register: Register, session: Session, taker: Taker, parcel: Parcel, start: int, now: datetime
) -> Attempt:
    """Return the attempt that a part belongs to; nothing is written down.

    Args:
        register: to write to.
        session: to read from.
        taker: who fetches.
        parcel: what.
        start: first byte of the part.
        now: when.
    """
    name, broke_off, ended = _newest(session, taker, parcel, now)
    if name is not None and not (ended and start == 0):
        return Attempt(register, taker, parcel, name, broke_off=broke_off, ended=ended)
    return Attempt(register, taker, parcel, secrets.token_hex(16), fresh=True)


def _newest(session: Session, taker: Taker, parcel: Parcel, now: datetime) -> tuple[str | None, bool, bool]:
    """Return the newest attempt that may be resumed, whether it broke off, and whether it ended."""
    other = aliased(Download)

    def has(outcome: str) -> object:
        return exists().where(other.attempt == Download.attempt, other.outcome == outcome)

    query = select(Download.attempt, has(BROKEN_OFF), has(DONE)).where(  # type: ignore[call-overload]
        Download.revision == parcel.revision,
        Download.outcome == BEGUN,
        Download.customer == taker.customer,
        Download.site == taker.site,
        Download.at > now - _OPEN,
        Download.file == parcel.file,
        Download.by == taker.by,
    )
    row = session.execute(query.order_by(Download.at.desc(), Download.id.desc()).limit(1)).one_or_none()
    return (None, False, False) if row is None else (row[0], bool(row[1]), bool(row[2]))


def refused(register: Register, taker: Taker, what: Asked, error: EntitlementError, now: datetime) -> None:
    """Write down that a taker was refused, unless that was done within the hour."""
    reason = error.code.partition(".")[2]
    told = f"{taker.site} {what.file} {taker.by} {now:%Y-%m-%dT%H}"
    name = hashlib.sha256(told.encode()).hexdigest()
    with register.read() as session:
        known = select(Download.id).where(Download.attempt == name, Download.outcome == reason)
        if session.scalar(known) is not None:
            return
        query = select(Revision.id).where(Revision.hotfix == what.hotfix, Revision.number == what.number)
        revision = session.scalar(query)
    if revision is not None:
        facts = {"revision": revision, "attempt": name, "outcome": reason, "extent": 0}
        _add(register, [{**_whose(taker, what.file, now), **facts}], taker)


def _whose(taker: Taker, file: str, now: datetime) -> dict[str, Any]:
    return {"customer": taker.customer, "site": taker.site, "by": taker.by, "file": file, "at": now, "how": ONLINE}


_ACTIONS = {BEGUN: "download.begin", BROKEN_OFF: "download.break-off", DONE: "download.done"}


def _add(register: Register, rows: list[dict[str, Any]], taker: Taker) -> None:
    """Add facts with their events, all in one transaction; one that is there already stays alone."""
    insert = sqlite.insert if register.database.is_sqlite else postgresql.insert
    with register.database.write() as session:
        for row in rows:
            added = insert(Download).values(row).on_conflict_do_nothing().returning(Download.id)
            if session.scalar(added) is not None:
                action = _ACTIONS.get(row["outcome"], "download.refused")
                facts = {"site": taker.name, "outcome": row["outcome"], "bytes": row["extent"]}
                audit.record(session, action, row["file"], facts, taker.by, row["at"])
        audit.chain(session)
