"""What a request has at hand: the register, the time, who asks, and one view of the database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from flask import Flask, current_app, g
from sqlalchemy.orm import Session

from patchline.patches.errors import AccessError
from patchline.releaser.register import Change, Register

_KEY = "patchline"


@dataclass(frozen=True)
class Office:
    """What an app serves.

    Attributes:
        register: the vendor's, open.
        clock: tells the time; asked once by each request.
    """

    register: Register
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


def furnish(app: Flask, office: Office) -> None:
    """Give an app what it serves."""
    app.extensions[_KEY] = office

    @app.teardown_appcontext
    def close(_: BaseException | None) -> None:
        opened = g.pop("opened", None)
        if opened is not None:
            opened.close()


def served(app: Flask) -> Office:
    """Return what an app serves."""
    return cast(Office, app.extensions[_KEY])


def register() -> Register:
    """Return the register."""
    return cast(Office, current_app.extensions[_KEY]).register


def now() -> datetime:
    """Return the time of this request."""
    if "now" not in g:
        g.now = clock()()
    return cast(datetime, g.now)


def clock() -> Callable[[], datetime]:
    """Return what tells the time, for what is done when a request is over."""
    return cast(Office, current_app.extensions[_KEY]).clock


def reading() -> Session:
    """Return the session in which this request reads; the first call opens it, the end of the request closes it."""
    if "reading" not in g:
        g.opened = ExitStack()
        g.reading = g.opened.enter_context(register().read())
    return cast(Session, g.reading)


def person() -> str:
    """Return the vendor's person who asks.

    Raises:
        AccessError: nobody is signed in.
    """
    found = g.get("person")
    if found is None:
        raise AccessError("signed-out", "nobody is signed in")
    return cast(str, found)


@contextmanager
def attempt(action: str, subject: str) -> Iterator[Change]:
    """Yield a change by who asks, with its audit event; a refusal is an event too.

    What this request has read so far is closed first: what it reads afterwards sees the change.
    """
    by = person()
    close_reading()
    with register().attempt(action, subject, by, now()) as change:
        yield change


def close_reading() -> None:
    """End the request's view of the database; the next `reading` opens another."""
    opened = g.pop("opened", None)
    g.pop("reading", None)
    if opened is not None:
        opened.close()
