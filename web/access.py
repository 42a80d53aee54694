"""Who may see what: every page says so itself, and one that does not is never served.

    @blueprint.get("/rollouts")
    @access.roles(Role.RELEASE_MANAGER)
    def rollouts() -> str: ...

What a page may not be shown says this module; what its reader may *do* says the rule in `releaser`, as for commands.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Flask, g, redirect, request, session, url_for
from werkzeug.wrappers import Response

from patchline.patches.errors import AccessError, RefusedError
from patchline.releaser.access import web_sessions
from patchline.releaser.tables.access import VENDOR
from patchline.releaser.tables.people import Person, Role
from patchline.web import asking, browsers, failures

TOKEN = "token"  # noqa: S105 (the name of a field)
View = TypeVar("View", bound=Callable[..., Any])
_MARK = "patchline_access"
_LOOKING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Access:
    """Who is let in.

    Attributes:
        kind: `anyone`, `vendor` for the vendor's people, or a kind whose check was registered with `kind`.
        roles: one of these is needed; empty for all of the kind.
        own: the page changes nothing but what is its reader's own, such as a password.
        facts: what else a kind of its own needs to know, such as the scopes of a token.
    """

    kind: str
    roles: frozenset[Role] = frozenset()
    own: bool = False
    facts: frozenset[str] = field(default=frozenset())


def anyone(view: View) -> View:
    """Show a page to whoever asks."""
    return mark(Access("anyone"))(view)


def people(view: View) -> View:
    """Show a page to all of the vendor's people."""
    return mark(Access("vendor"))(view)


def roles(*needed: Role) -> Callable[[View], View]:
    """Show a page to the vendor's people who hold one of the roles; auditors see what others see, and change nothing."""
    return mark(Access("vendor", frozenset({*needed, Role.AUDITOR})))


def own(view: View) -> View:
    """Let each of the vendor's people change what is their own, auditors too."""
    return mark(Access("vendor", own=True))(view)


def mark(access: Access) -> Callable[[View], View]:
    """Say who is let in; for kinds of their own."""

    def marked(view: View) -> View:
        setattr(view, _MARK, access)
        return view

    return marked


def of(app: Flask, endpoint: str) -> Access:
    """Return who is let in to an endpoint.

    Raises:
        LookupError: nobody said so.
    """
    found: Access | None = getattr(app.view_functions[endpoint], _MARK, None)
    if found is None:
        raise LookupError(f"nobody says who may see {endpoint}")
    return found


Check = Callable[[Access], Response | None]


def guard(app: Flask, kinds: dict[str, Check]) -> None:
    """Check every request before its page is made.

    Args:
        app: with all its pages.
        kinds: how the kinds besides `anyone` and `vendor` are checked.

    Raises:
        LookupError: a page does not say who may see it.
    """
    checks: dict[str, Check] = {"anyone": lambda _: None, "vendor": _check_vendor, **kinds}
    anyone(app.view_functions["static"])
    for rule in app.url_map.iter_rules():
        of(app, rule.endpoint)

    @app.before_request
    def check() -> Response | None:
        if request.endpoint is None:
            return None
        access = of(app, request.endpoint)
        return checks[access.kind](access)


def _check_vendor(access: Access) -> Response | None:
    if not recognise():
        if request.method == "GET" and not failures.wants_document():
            return redirect(url_for("sign_in.form", to=request.full_path.rstrip("?")))
        raise AccessError("signed-out", "nobody is signed in, or the session has ended")
    if access.roles and access.roles.isdisjoint(g.roles):
        wanted = " or ".join(sorted(access.roles))
        raise RefusedError("role", f"this page is for {wanted}")
    if request.method not in _LOOKING and not access.own and not _may_change(access):
        raise RefusedError("role", "auditors look at everything and change nothing")
    return None


def _may_change(access: Access) -> bool:
    """Tell whether the reader has a role besides that of auditors, by which no page changes anything."""
    acting = g.roles - {Role.AUDITOR}
    return bool(acting & access.roles if access.roles else acting)


def recognise() -> bool:
    """Find out which person of the vendor asks; tells whether anybody does."""
    token, now = session.get(TOKEN), asking.now()
    live = web_sessions.find(asking.reading(), VENDOR, token, now) if isinstance(token, str) else None
    person = asking.reading().get(Person, live.subject) if live else None
    if live is None or person is None or person.disabled is not None:
        return False
    g.person, g.name, g.live = person.id, person.name, live
    g.roles = frozenset(Role(held.role) for held in person.roles)
    if live.note:
        asking.close_reading()
        with asking.register().database.write() as writing:
            web_sessions.note(writing, live.digest, now)
    return True


def begin(subject: str, how: str) -> None:
    """Sign a person of the vendor in: with a new session, and nothing of what the cookie held before."""
    end()
    asking.close_reading()
    with asking.register().database.write() as writing:
        token = web_sessions.begin(
            writing, VENDOR, subject, how, asking.now(), browsers.words(request.user_agent.string)
        )
    session.clear()
    session[TOKEN] = token


def end() -> None:
    """Sign out: the session ends on the server too."""
    token = session.pop(TOKEN, None)
    session.clear()
    if isinstance(token, str):
        asking.close_reading()
        with asking.register().database.write() as writing:
            web_sessions.end(writing, web_sessions.digest(token), asking.now())
