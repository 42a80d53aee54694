"""Opening the API in an app: its blueprints, its check of tokens, its refusals of what is not written as it must be."""

from flask import Flask, Response, request
from flask_openapi3.openapi import OpenAPI
from flask_wtf.csrf import CSRFProtect  # type: ignore[import-untyped]
from pydantic import ValidationError

from patchline.patches.errors import BudgetError
from patchline.web import asking, failures
from patchline.web.api import bearer, check_in, document, doors, files, health
from patchline.web.failures import Failure

_SHOWN = 5


def open_api(app: OpenAPI, csrf: CSRFProtect) -> None:
    """Add the API to an app; nobody is known there by a cookie, so no form of another site can ask."""
    check_in.furnish(app)
    bearer.furnish(app, asking.served(app).register)
    app.register_error_handler(BudgetError, _later)
    for blueprint in (*doors.blueprints(), files.files, check_in.sites):
        app.register_api(blueprint)
        csrf.exempt(blueprint)
    app.register_blueprint(document.pages)
    app.register_blueprint(health.pages)
    _tell_of_tokens(app)


def not_as_written(error: ValidationError) -> Response:
    """Return the refusal of a request that is not as the document has it; what was sent is not repeated."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, one['loc'])) or 'the request'}: {one['msg']}" for one in found[:_SHOWN]]
    hint = "See /api/v1/ for what each address takes."
    return failures.answer(
        Failure(422, "Not as it must be written", told[0], hint, "usage.request", None, tuple(told[1:]), 2)
    )


def _later(error: BudgetError) -> Response:
    response = failures.answer(
        Failure(429, "Too many at once", error.message, error.hint, error.code, None, (), error.exit_code)
    )
    response.headers["Retry-After"] = str(error.wait)
    return response


def _tell_of_tokens(app: Flask) -> None:
    @app.after_request
    def tell(response: Response) -> Response:
        if response.status_code == 401 and request.path.startswith(failures.FOR_PROGRAMS):
            response.headers["WWW-Authenticate"] = "Bearer"
        return response
