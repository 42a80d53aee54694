"""A vendor's register, opened: home, settings, database; every change is one transaction with its audit event."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from patchline.patches.audit_chain import Checkpoint
from patchline.patches.errors import LockedError, PatchlineError, RefusedError
from patchline.releaser import audit
from patchline.releaser.database import Database, sqlite_url
from patchline.releaser.settings import Settings, read_settings
from patchline.releaser.tables.people import Person

_LONGEST_MESSAGE, _LONGEST_SUBJECT = 1000, 200


@dataclass(frozen=True)
class Change:
    """A change under way.

    Attributes:
        session: of the transaction.
        by: the person who makes it.
        now: the time of it.
    """

    session: Session
    by: str
    now: datetime

    def record(self, action: str, subject: str, facts: Mapping[str, Any] | None = None) -> None:
        """Write the audit event of what is done."""
        audit.record(self.session, action, subject, facts or {}, self.by, self.now)


@dataclass(frozen=True)
class Register:
    """An open register."""

    home: Path
    settings: Settings
    database: Database

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one state of the register."""
        with self.database.read() as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Yield a session in which every statement sees the same state, however long it takes."""
        with self.database.snapshot() as session:
            yield session

    @contextmanager
    def change(self, by: str, now: datetime) -> Iterator[Change]:
        """Yield a change by a person: all of it comes in at the end, with its audit events, or nothing.

        Raises:
            RefusedError: the person is unknown or disabled, or a rule says no.
            LockedError, DatabaseError: the database does not take it.
        """
        with self.database.write() as session:
            check_person(session, by)
            yield Change(session, by, now)
        self.chain()

    @contextmanager
    def outside(self, by: str, now: datetime) -> Iterator[Change]:
        """Yield a change that none of the vendor's people makes: a site does by its key, or a customer by a sign-in.

        What they may do was looked at before; nobody else is asked.
        """
        with self.database.write() as session:
            yield Change(session, by, now)
        self.chain()

    @contextmanager
    def attempt(self, action: str, subject: str, by: str, now: datetime) -> Iterator[Change]:
        """Yield a change as `change` does; when a rule refuses it, that is an event too.

        Args:
            action: what is attempted, such as `hotfix.approve`.
            subject: on what.
            by: who does.
            now: when.
        """
        with self.refusals_told(action, subject, by, now), self.change(by, now) as change:
            yield change

    @contextmanager
    def refusals_told(self, action: str, subject: str, by: str, now: datetime) -> Iterator[None]:
        """Make an event of whatever refuses what is done within, as `attempt` does for one change."""
        try:
            yield
        except PatchlineError as error:
            self.refused(action, subject, error, by, now)
            raise

    def refused(self, action: str, subject: str, error: PatchlineError, by: str, now: datetime) -> None:
        """Write the event of a refusal, in a transaction of its own, since that of what was refused is undone.

        A database that does not take it hides no refusal: whoever calls this raises that.
        """
        facts = {"code": error.code, "message": error.message[:_LONGEST_MESSAGE]}
        with suppress(PatchlineError):
            with self.database.write() as session:
                audit.record(session, f"{action}.refused", subject[:_LONGEST_SUBJECT], facts, by, now)
            self.chain()

    def chain(self) -> None:
        """Chain the events that wait; when others are writing, they do it."""
        try:
            with self.database.write() as session:
                audit.chain(session)
        except LockedError:
            return

    def checkpoint(self, now: datetime) -> Checkpoint:
        """Chain what waits and return the chain's checkpoint, to be told outside as `status/checkpoint.json`.

        Raises:
            LockedError, DatabaseError: the database does not take it.
        """
        with self.database.write() as session:
            audit.chain(session)
            return audit.checkpoint(session, now)

    @property
    def channel(self) -> str:
        """Where the channel is published."""
        return self.settings.channel or str(self.home / "channel")

    @property
    def bundles(self) -> str:
        """Where release sets are kept."""
        return self.settings.bundles or str(self.home / "bundles")


@contextmanager
def opened(home: Path, *, any_schema: bool = False) -> Iterator[Register]:
    """Open the register of a home.

    Args:
        home: its folder.
        any_schema: do not insist on the newest schema; for those that change or save it.

    Raises:
        SettingsError: there is none, or its settings are wrong.
        DatabaseError: the database is not there, or its schema is another one.
    """
    settings = read_settings(home)
    database = Database(database_url(home, settings))
    try:
        database.check_there()
        if not any_schema:
            database.check_schema()
        yield Register(home, settings, database)
    finally:
        database.close()


def database_url(home: Path, settings: Settings) -> str:
    """Return the URL of a home's database."""
    return settings.database.get_secret_value() if settings.database else sqlite_url(home / "register.db")


def check_person(session: Session, by: str) -> None:
    """Refuse somebody who may not act.

    Raises:
        RefusedError: the person is unknown or disabled.
    """
    person = session.get(Person, by)
    if person is None:
        raise RefusedError("unknown-person", f"the register knows no person {by!r}")
    if person.disabled is not None:
        raise RefusedError("disabled-person", f"{by} was disabled")
