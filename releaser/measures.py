"""What a monitor asks a register every few seconds: how long things still live, what waits, what is free.

A handful of statements, whatever the size; what cannot be read is left out and named, and hides nothing else.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from patchline.patches import channel
from patchline.patches.channel import TIMESTAMP
from patchline.patches.errors import PatchlineError
from patchline.releaser import audit
from patchline.releaser.certificates import expiry_of
from patchline.releaser.published import read_published
from patchline.releaser.register import Register
from patchline.releaser.stores import Store
from patchline.releaser.tables.access import Tries
from patchline.releaser.tables.fleet import SiteState
from patchline.releaser.tables.work import Wish
from patchline.releaser.vault_access import vault_server
from patchline.releaser.work import queue
from patchline.releaser.work.wishes import is_open

AGES = {"week": 7, "month": 30, "quarter": 90}
"""How old evidence is, by the most days of it; what is older is `older`, and there may be none: `never`."""
OLDER, NEVER = "older", "never"
_LATELY = timedelta(hours=1)


@dataclass
class Measures:
    """What was measured.

    Attributes:
        expiries: seconds until each role of the channel, and the certificate of the pages, expires; less than 0 after.
        renewed: seconds since the channel was last signed anew.
        wishes: jobs that were asked for and did not end; `oldest` is how many seconds the first one waits.
        given_up: jobs given up after many attempts; workers: that live. None on SQLite, where jobs are done at once.
        unchained: audit events that wait for the chain.
        evidence: sites by the age of what is known of them.
        tries: wrong passwords of the last hour that nobody got in after.
        free: bytes that are free, by what lies there.
        vault: how Vault stands; None where there is none.
        unread: what could not be measured.
    """

    expiries: dict[str, float] = field(default_factory=dict)
    renewed: float | None = None
    wishes: int = 0
    oldest: float = 0
    given_up: int | None = None
    workers: int | None = None
    unchained: int = 0
    evidence: dict[str, int] = field(default_factory=dict)
    tries: int = 0
    free: dict[str, int] = field(default_factory=dict)
    vault: str | None = None
    unread: list[str] = field(default_factory=list)


def measure(register: Register, now: datetime) -> Measures:
    """Measure everything that can be measured."""
    found = Measures()
    looks: Mapping[str, Callable[[Measures, Register, datetime], None]] = {
        "channel": _channel,
        "database": _database,
        "certificate": _certificate,
        "disk": _disk,
        "vault": _vault,
    }
    for name, look in looks.items():
        with _unread(found, name):
            look(found, register, now)
    return found


@contextmanager
def _unread(found: Measures, name: str) -> Iterator[None]:
    try:
        yield
    except (PatchlineError, OSError):
        found.unread.append(name)


def _channel(found: Measures, register: Register, now: datetime) -> None:
    published = read_published(Store.at(register.channel))
    found.expiries |= {role: (expires - now).total_seconds() for role, expires in published.expiries.items()}
    if TIMESTAMP in published.expiries:
        signed = published.expiries[TIMESTAMP] - channel.LIVES[TIMESTAMP]
        found.renewed = (now - signed).total_seconds()


def _database(found: Measures, register: Register, now: datetime) -> None:
    with register.read() as session:
        waiting = session.execute(select(func.count(), func.min(Wish.asked)).where(is_open())).one()
        found.wishes = waiting[0]
        found.oldest = (now - waiting[1]).total_seconds() if waiting[1] is not None else 0
        found.unchained = audit.waiting(session)
        found.evidence = _evidence(session, now)
        lately = select(func.coalesce(func.sum(Tries.tries), 0)).where(Tries.last > now - _LATELY)
        found.tries = int(session.scalar(lately) or 0)
        if not register.database.is_sqlite:
            found.workers, found.given_up = queue.living(session), queue.failed(session)


def _evidence(session: Session, now: datetime) -> dict[str, int]:
    ages: list[tuple[ColumnElement[bool], str]] = [(SiteState.as_of.is_(None), NEVER)]
    ages += [(SiteState.as_of > now - timedelta(days=days), age) for age, days in AGES.items()]
    age = case(*ages, else_=OLDER).label("age")
    counted = {row[0]: row[1] for row in session.execute(select(age, func.count()).group_by(age))}
    return {name: counted.get(name, 0) for name in (*AGES, OLDER, NEVER)}


def _certificate(found: Measures, register: Register, now: datetime) -> None:
    path = register.settings.web_certificate
    if path is not None:
        found.expiries["certificate"] = (expiry_of(path) - now).total_seconds()


def _disk(found: Measures, register: Register, now: datetime) -> None:
    places = {"home": str(register.home), "bundles": register.bundles, "channel": register.channel}
    for name, place in places.items():
        if "://" not in place and Path(place).exists():
            found.free[name] = shutil.disk_usage(place).free


def _vault(found: Measures, register: Register, now: datetime) -> None:
    if register.settings.vault_address:
        from patchline.vault.connection import health

        found.vault = "unreachable"
        found.vault = health(vault_server(register.settings)).state
