"""Whether the server lives, and whether it can do its work: for whoever starts, stops and watches it."""

from flask import Blueprint, Response, jsonify

from patchline.patches.errors import PatchlineError
from patchline.web import access, asking

pages = Blueprint("health", __name__)


@pages.get("/healthz")
@access.anyone
def alive() -> Response:
    """Answer as long as the process answers."""
    return jsonify({"status": "alive"})


@pages.get("/readyz")
@access.anyone
def ready() -> Response:
    """Answer 200 when the register answers and has the schema that this program knows, else 503 with the error's code."""
    try:
        asking.register().database.check_schema()
    except PatchlineError as error:
        response = jsonify({"status": "not ready", "code": error.code})
        response.status_code = 503
        return response
    return jsonify({"status": "ready"})
