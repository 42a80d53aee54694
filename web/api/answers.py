"""How the API answers: with names of states for those who have them, links to more, and the same answer to the same key."""

import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from flask import Response, current_app, request

from patchline.patches.errors import PatchlineError
from patchline.patches.terminal import Told
from patchline.releaser.access import answered
from patchline.releaser.access.answered import Answer, Asked
from patchline.web import asking
from patchline.web.api.bearer import bearer

TOLD = "application/vnd.patchline.told+json"
_KEPT = ("Content-Type", "Link", "ETag")


def of(told: Told) -> Response:
    """Return what a command reported: as its document, as a text that stands for itself, or as the command line wants it."""
    if request.headers.get("Accept") == TOLD:
        return told_whole(told)
    if told.whole:
        return Response(told.text, mimetype="text/csv")
    return document(told.document)


def told_whole(told: Told) -> Response:
    """Return all of what a command reported."""
    whole = {"document": told.document, "text": told.text, "whole": told.whole, "notes": told.notes}
    return Response(json.dumps({**whole, "exit_code": told.exit_code}), mimetype=TOLD)


def document(found: Any) -> Response:
    """Return a document, with a link to the next page where there is one."""
    response = Response(json.dumps(found), mimetype="application/json")
    after = found.get("after") if isinstance(found, dict) else None
    if after is not None:
        query = urlencode({**request.args.to_dict(flat=False), "after": [after]}, doseq=True)
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return response


def named(response: Response) -> Response:
    """Give an answer to a question its name; who has it already gets no more than that."""
    if response.status_code == 200:
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["Vary"] = "Accept, Authorization"
        response.add_etag()
        response.make_conditional(request)
    return response


def once(work: Callable[[], Response]) -> Response:
    """Do a piece of work, or repeat what the request was answered that bore the same idempotency key.

    Raises:
        IdempotencyError: the key was used for another request, or that is still under way.
        UsageError: it is no key.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return work()
    asked = Asked(bearer().token, key, _digest())
    now, register = asking.now(), asking.register()
    before = answered.begin(register, asked, now)
    if before is not None:
        return Response(before.body, before.status, dict(before.headers))
    status = 500
    try:
        response = _answered(work)
        status = response.status_code
    finally:
        if status >= 500:
            answered.end(register, asked, Answer(status, {}, b""))
    headers = {name: response.headers[name] for name in _KEPT if name in response.headers}
    answered.end(register, asked, Answer(status, headers, response.get_data()))
    return response


def _answered(work: Callable[[], Response]) -> Response:
    try:
        return work()
    except PatchlineError as error:
        return current_app.make_response(current_app.handle_user_exception(error))


def _digest() -> str:
    parts = (
        request.method,
        request.full_path,
        request.headers.get("Accept", ""),
        request.headers.get("Content-Type", ""),
    )
    return hashlib.sha256("\0".join(parts).encode() + b"\0" + request.get_data()).hexdigest()
