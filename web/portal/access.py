"""Who is let into the portal: people of customers, by a session of their own, which is nothing on the vendor's pages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from flask import g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from patchline.patches.errors import AccessError, RefusedError
from patchline.releaser.access import web_sessions
from patchline.releaser.delivery.parcels import Taker
from patchline.releaser.portal import acting
from patchline.releaser.portal.acting import Visitor
from patchline.releaser.register import Change
from patchline.releaser.tables.access import CUSTOMER
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.members import ADMIN
from patchline.web import access, asking, browsers, failures
from patchline.web.access import TOKEN, Access

KIND = "customer"
View = TypeVar("View", bound=Callable[..., Any])


def members(view: View) -> View:
    """Show a page to all people of customers."""
    return access.mark(Access(KIND))(view)


def admins(view: View) -> View:
    """Show a page to customers' administrators."""
    return access.mark(Access(KIND, facts=frozenset({ADMIN})))(view)


def check(needed: Access) -> Response | None:
    """Let in who is signed in to the portal."""
    if not recognise():
        if request.method == "GET" and not failures.wants_document():
            return redirect(url_for("portal_sign_in.form", to=request.full_path.rstrip("?")))
        raise AccessError("signed-out", "nobody is signed in, or the session has ended")
    if ADMIN in needed.facts and not who().is_admin:
        raise RefusedError("member-role", "this page is for administrators of your company")
    return None


def recognise() -> bool:
    """Find out which customer's person asks; tells whether anybody does."""
    token, now = session.get(TOKEN), asking.now()
    live = web_sessions.find(asking.reading(), CUSTOMER, token, now) if isinstance(token, str) else None
    found = acting.visitor(asking.reading(), live.subject) if live else None
    if live is None or found is None:
        return False
    g.visitor, g.live = found, live
    if live.note:
        asking.close_reading()
        with asking.register().database.write() as writing:
            web_sessions.note(writing, live.digest, now)
    return True


def who() -> Visitor:
    """Return who asks; their customer is the one whose data is shown.

    Raises:
        AccessError: nobody is signed in.
    """
    if "visitor" not in g:
        raise AccessError("signed-out", "nobody is signed in")
    return cast(Visitor, g.visitor)


def site(name: str) -> Site:
    """Return a site of the customer who asks.

    Raises:
        NotFoundError: they have none of that name.
    """
    return acting.own_site(asking.reading(), who(), name)


def taker(name: str) -> Taker:
    """Return who fetches for a site.

    Raises:
        NotFoundError: the customer has none of that name.
    """
    found = site(name)
    return Taker(found.customer, found.id, found.name, who().id)


@contextmanager
def attempt(action: str, subject: str) -> Iterator[Change]:
    """Yield a change by who asks, with its event; what this request has read so far is closed first."""
    by = who()
    asking.close_reading()
    with acting.attempt(asking.register(), action, subject, by, asking.now()) as change:
        yield change


def begin(subject: str, how: str) -> None:
    """Sign a customer's person in: with a new session, and nothing of what the cookie held before."""
    end()
    with asking.register().database.write() as writing:
        words = browsers.words(request.user_agent.string)
        token = web_sessions.begin(writing, CUSTOMER, subject, how, asking.now(), words)
    session.clear()
    session[TOKEN] = token


def end() -> None:
    """Sign out: the session ends on the server too."""
    token = session.pop(TOKEN, None)
    session.clear()
    asking.close_reading()
    if isinstance(token, str):
        with asking.register().database.write() as writing:
            web_sessions.end(writing, web_sessions.digest(token), asking.now())
