"""Signing in at the company's identity provider, where the settings name one."""

from typing import cast

from flask import Blueprint, Flask, current_app, redirect, request, session, url_for
from werkzeug.wrappers import Response

from patchline.patches.errors import LinkError, OutsideError
from patchline.releaser.access import binding, links
from patchline.releaser.access.outside import Provider
from patchline.releaser.tables.access import VENDOR
from patchline.web import access, asking
from patchline.web.returning import local

pages = Blueprint("outside", __name__, url_prefix="/sign-in/outside")
LINK = "link"
"""Where the cookie keeps the link that was opened."""
_BEGUN = "outside"
_KEY = "patchline.provider"


def furnish(app: Flask) -> None:
    """Let an app know the provider.

    Raises:
        SettingsError: the settings do not name it as they must.
    """
    provider = Provider.of(asking.served(app).register.settings)
    app.extensions[_KEY] = provider
    app.jinja_env.globals.update(outside=asking.served(app).register.settings.oidc_name if provider else None)


def is_there() -> bool:
    """Tell whether the settings name a provider."""
    return current_app.extensions[_KEY] is not None


def provider() -> Provider:
    """Return the provider.

    Raises:
        OutsideError: there is none.
    """
    found = current_app.extensions[_KEY]
    if found is None:
        raise OutsideError("answer", "nobody signs in here by way of an identity provider")
    return cast(Provider, found)


@pages.get("/")
@access.anyone
def begin() -> Response:
    """Go to the provider, to sign in."""
    return _go(local(request.args.get("to")), bind=False)


@pages.post("/bind")
@access.anyone
def bind() -> Response:
    """Go to the provider, to bind the account there to the person of the link that was opened."""
    token = session.get(LINK)
    if not isinstance(token, str):
        raise LinkError("unknown", "no link was opened in this browser")
    links.subject_of(asking.reading(), VENDOR, token, asking.now())
    return _go("/me/", bind=True)


def _go(to: str, *, bind: bool) -> Response:
    asking.close_reading()
    begun = provider().begin(_back())
    session[_BEGUN] = {**begun.kept(), "to": to, "bind": bind}
    return redirect(begun.url, 303)


def _back() -> str:
    return asking.register().settings.web_address.rstrip("/") + url_for("outside.back")


@pages.get("/back")
@access.anyone
def back() -> Response:
    """Take what the provider says of who comes back from it."""
    kept = session.pop(_BEGUN, None)
    if not isinstance(kept, dict):
        raise OutsideError("answer", "this browser did not begin to sign in")
    somebody = provider().finish(kept, _back(), request.args, asking.now())
    token = session.get(LINK)
    if kept["bind"] and isinstance(token, str):
        person = binding.bind_by_link(asking.register(), token, somebody, asking.now())
    else:
        person = binding.person_outside(asking.register(), somebody, asking.now())
    access.begin(person, "oidc")
    return redirect(local(kept["to"]), 303)
