"""How often somebody may try a password: by the account and by the address, counted in the database for all processes.

- A try is counted before its password is looked at, so that a thousand at once are a thousand tries.
- After a few free ones each try has a pause before the next, twice as long each time up to a bound. The bound keeps
  somebody who only wants to shut another out from doing so for long.
- What is counted is forgotten after a while. The table has a bound; when it is reached, the oldest go first.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from patchline.releaser.tables.access import Tries

MOST_ROWS = 100_000
_SWEPT = 500
_LONGEST_PAUSE = timedelta(minutes=5)
_DOUBLINGS = 10
_NETWORK = 64
"""Of IPv6: somebody has a whole network of this many bits, and counts as one."""


@dataclass(frozen=True)
class Allowance:
    """How many tries are free of pauses, and after how long without one they are forgotten."""

    free: int
    forgotten: timedelta


ACCOUNT = Allowance(5, timedelta(hours=24))
ADDRESS = Allowance(30, timedelta(hours=1))


@dataclass(frozen=True)
class Counted:
    """Whose tries are counted.

    Attributes:
        key: by which they are; a digest, since people type passwords where their name belongs.
        allowance: how many are free.
    """

    key: str
    allowance: Allowance


def of_account(audience: str, name: str) -> Counted:
    """Return the counter of an account, whether there is such an account or not."""
    return Counted(_digest("account", audience, name.strip().casefold()), ACCOUNT)


def of_address(audience: str, address: str) -> Counted:
    """Return the counter of an address that tries come from."""
    return Counted(_digest("address", audience, _network(address)), ADDRESS)


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found), _NETWORK), strict=False))
    return str(found)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def pause(tries: int, allowance: Allowance) -> timedelta:
    """Return how long the next try has to wait after so many."""
    beyond = tries - allowance.free
    if beyond < 0:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(beyond, _DOUBLINGS)), _LONGEST_PAUSE)


def waits(session: Session, counted: Counted, now: datetime) -> timedelta:
    """Return how long somebody has to wait; nothing when they may try."""
    until = session.scalar(select(Tries.until).where(Tries.key == counted.key))
    return max(until - now, timedelta(0)) if until is not None else timedelta(0)


def begin(session: Session, counted: Counted, now: datetime) -> int | None:
    """Count a try that is about to be made; return the how manyth it is, None when its time has not come.

    Args:
        session: of a transaction; others who try the same wait for its end.
        counted: whose.
        now: when.
    """
    insert = sqlite.insert if session.connection().dialect.name == "sqlite" else postgresql.insert
    fresh = {"key": counted.key, "tries": 0, "last": now, "until": now}
    # What is there is written as it is, and so kept from others; a row that was swept meanwhile is made anew.
    upsert = insert(Tries).values(fresh).on_conflict_do_update(index_elements=[Tries.key], set_={"tries": Tries.tries})
    row = session.execute(upsert.returning(Tries.tries, Tries.last, Tries.until)).one()
    if row.until > now:
        return None
    tries = 1 if now - row.last > counted.allowance.forgotten else row.tries + 1
    values = {"tries": tries, "last": now, "until": now + pause(tries, counted.allowance)}
    session.execute(update(Tries).where(Tries.key == counted.key).values(values))
    return tries


def forget(session: Session, counted: Counted, now: datetime) -> None:
    """Forget the tries of somebody who got in."""
    session.execute(update(Tries).where(Tries.key == counted.key).values(tries=0, until=now))


def take_back(session: Session, counted: Counted, now: datetime) -> None:
    """Uncount the last try, which went well. Those before stay: own success hides no tries of others' accounts."""
    mine = update(Tries).where(Tries.key == counted.key, Tries.tries > 0)
    session.execute(mine.values(tries=Tries.tries - 1, until=now))


def sweep(session: Session, now: datetime) -> None:
    """Remove what is forgotten, and the oldest beyond the bound."""
    stale = select(Tries.key).where(Tries.last < now - ACCOUNT.forgotten).limit(_SWEPT)
    if (session.scalar(select(func.count()).select_from(Tries)) or 0) >= MOST_ROWS:
        stale = select(Tries.key).order_by(Tries.last).limit(_SWEPT)
    # What another one is just counting is left to the next sweep.
    keys = session.scalars(stale.with_for_update(skip_locked=True)).all()
    if keys:
        session.execute(delete(Tries).where(Tries.key.in_(keys)))
