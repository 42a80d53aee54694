"""The one table of errors: what a refusal looks like on a page, and to a program.

Nothing of a bug is shown but a number by which the log tells it.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, current_app, jsonify, render_template, request
from flask_wtf.csrf import CSRFError  # type: ignore[import-untyped]
from werkzeug.exceptions import HTTPException, SecurityError

from patchline.patches.errors import PatchlineError

FOR_PROGRAMS = ("/api/", "/download/", "/channel/")
"""Where programs ask that may not say so."""
_WORDS = {
    400: ("Not understood", "What was asked for is not written as this page expects it."),
    403: ("Not for you", "Ask somebody who manages releases for the role."),
    404: ("Nothing here", "There is no such page, or it is not yours to see. The search finds what there is."),
    405: ("Not this way", "This address takes another kind of request."),
    413: ("Too large", "Send less at once, or use the command line."),
    415: ("Another form", "Send it in the form that the page asks for."),
    429: ("Too many tries", "Wait a little, then try again."),
}
"""What a status says to people, and what they do next."""


@dataclass(frozen=True)
class Failure:
    """A failure as it is shown.

    Attributes:
        status: of HTTP.
        title: a few words.
        message, hint, code: as of a PatchlineError.
        number: by which the log tells a bug.
        problems: what else is wrong, where several things are.
        exit_code: with which a command would have ended.
    """

    status: int
    title: str
    message: str
    hint: str
    code: str
    number: str | None = None
    problems: tuple[str, ...] = ()
    exit_code: int | None = None


def show(app: Flask) -> None:
    """Let an app show its failures by this table."""
    app.register_error_handler(PatchlineError, lambda error: answer(_refusal(error)))
    app.register_error_handler(CSRFError, lambda error: answer(_form(error)))
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, lambda error: answer(_bug(error)))


def answer(failure: Failure) -> Response:
    """Return a failure as a page, or as problem+json where a program asks."""
    if wants_document():
        response = jsonify(_problem(failure))
        response.content_type = "application/problem+json"
    else:
        response = Response(render_template("failure.html", failure=failure), mimetype="text/html")
    response.status_code = failure.status
    if failure.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def wants_document() -> bool:
    """Tell whether a program asks and not a person."""
    return request.path.startswith(FOR_PROGRAMS) or request.accept_mimetypes.best == "application/json"


def _problem(failure: Failure) -> dict[str, Any]:
    return {
        "type": f"urn:patchline:error:{failure.code}",
        "title": failure.title,
        "status": failure.status,
        "detail": failure.message,
        "code": failure.code,
        "hint": failure.hint,
        **({"exit_code": failure.exit_code} if failure.exit_code else {}),
        **({"number": failure.number} if failure.number else {}),
        **({"problems": list(failure.problems)} if failure.problems else {}),
    }


def _refusal(error: PatchlineError) -> Failure:
    status = error.http_status
    title = {401: "Not signed in", 403: "Refused", 404: "Not found", 503: "Not now"}.get(status, "It did not work")
    others = tuple(one.message for one in getattr(error, "problems", ()))
    return Failure(status, title, error.message, error.hint, error.code, None, others, error.exit_code)


def _form(error: CSRFError) -> Failure:
    hint = "Go back, load the page anew, and try again."
    return Failure(400, "Stale form", "the form is too old, or was not made by this server", hint, "refused.form")


def _http(error: HTTPException) -> Response:
    if error.response is not None or (error.code or 500) < 400:
        return Response.force_type(error.get_response())  # type: ignore[return-value]  # it makes one of this class
    if isinstance(error, SecurityError):  # Asked for under another name: no address of ours can be made.
        return Response("this server is not known by that name\n", 400, mimetype="text/plain")
    status = error.code or 500
    title, hint = _WORDS.get(status, (error.name, "Try again; if it stays so, tell who runs this server."))
    response = answer(Failure(status, title, f"{request.path[:200]}: {error.name}", hint, f"http.{status}"))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After", "Content-Range"):
            response.headers[name] = value
    return response


def _bug(error: Exception) -> Failure:
    number = secrets.token_hex(4)
    current_app.logger.error("bug %s at %s", number, request.endpoint, exc_info=error)
    hint = f"Tell who runs this server the number {number}; the log has the rest."
    return Failure(500, "Our mistake", "something is wrong in Patchline itself", hint, "patchline.bug", number)
