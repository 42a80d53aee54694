"""Who asks the API: whoever sends a token, and nobody by a cookie; so no other page can ask in a browser's name."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import Flask, current_app, g, request

from patchline.patches.errors import ScopeError, TokenError
from patchline.releaser.access import tokens
from patchline.releaser.access.budgets import Budgets
from patchline.releaser.access.tokens import Bearer, Scope
from patchline.releaser.register import Register
from patchline.web import access, asking
from patchline.web.access import Access

KIND = "token"
_BUDGETS = "patchline-budgets"
View = TypeVar("View", bound=Callable[..., Any])


def scoped(*scopes: Scope) -> Callable[[View], View]:
    """Let in who has a token that is good for one of the scopes."""
    return access.mark(Access(KIND, facts=frozenset(scopes)))


def check(wanted: Access) -> None:
    """Find out who asks.

    Raises:
        TokenError: there is no token, or none that is good.
        ScopeError: it is good for something else.
    """
    header = request.headers.get("Authorization", "")
    scheme, _, presented = header.partition(" ")
    if scheme.lower() != "bearer" or not presented:
        raise TokenError("missing", "the API is asked with a token")
    bearer = tokens.check(asking.reading(), presented.strip(), asking.now())
    asking.close_reading()
    g.bearer, g.person = bearer, bearer.person
    if bearer.scopes.isdisjoint(wanted.facts):
        bearer.require(min(Scope(str(fact)) for fact in wanted.facts))
    tokens.note_use(asking.register(), bearer, asking.now())
    cast(Budgets, current_app.extensions[_BUDGETS]).spend(bearer.token, asking.now())


def furnish(app: Flask, register: Register) -> None:
    """Give an app the budgets of those who ask."""
    app.extensions[_BUDGETS] = Budgets(register)


def bearer() -> Bearer:
    """Return who asks."""
    return cast(Bearer, g.bearer)


def person() -> str:
    """Return the person for whom the token acts.

    Raises:
        ScopeError: it acts for a site.
    """
    found = bearer().person
    if found is None:
        raise ScopeError("scope", f"the token {bearer().token} acts for a site, and not for a person")
    return found
