"""What the API says of itself: the OpenAPI document, and the page that is made of it."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from flask import Blueprint, Response, current_app, jsonify, render_template
from flask_openapi3.models.info import Info
from flask_openapi3.models.schema import Schema
from flask_openapi3.openapi import OpenAPI

from patchline.web import access
from patchline.web.api.models import Problem

INFO = Info(
    title="Patchline",
    version="1",
    description="Each address is a command of `patchline`, and answers with what that prints with `--json`.",
)
SECURITY_SCHEMES: Any = {
    "token": {"type": "http", "scheme": "bearer", "description": "Made by `patchline token new`, good for its scopes."}
}
pages = Blueprint("api", __name__, url_prefix="/api/v1")


@pages.get("/openapi.json")
@access.anyone
def document() -> Response:
    """Return the OpenAPI document."""
    return jsonify(found())


@pages.get("/")
@access.anyone
def page() -> str:
    """Show what there is, for people."""
    return render_template("api/page.html", document=found(), operations=list(_operations(found())))


def found() -> dict[str, Any]:
    """Return the document of this app."""
    app = cast(OpenAPI, current_app)
    if not app.spec_json:
        app.components_schemas["Problem"] = Schema(**Problem.model_json_schema())
        whole = app.api_doc
        whole["paths"] = {path: _tidy(operations) for path, operations in whole["paths"].items()}
    return app.spec_json


def _tidy(operations: dict[str, Any]) -> dict[str, Any]:
    """Return operations whose refusals are all problems; the library's own form of them is none of ours."""
    refusal = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operation in operations.values():
        operation["responses"]["422"] = {"description": "Not as it must be written", "content": refusal}
        operation["responses"]["default"] = {"description": "Refused", "content": refusal}
    return operations


def _operations(whole: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for path, operations in sorted(whole["paths"].items()):
        for method, operation in operations.items():
            shown = {"method": method.upper(), "path": path, "subject": operation["tags"][0]}
            yield {**operation, **shown, "fields": list(_fields(whole, operation))}


def _fields(whole: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what can be sent with a request."""
    for one in operation.get("parameters", ()):
        explained = one.get("description") or one["schema"].get("description", "")
        yield {"name": one["name"], "place": one["in"], "required": one["required"], "explained": explained}
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    schema = whole["components"]["schemas"].get(name, schema)
    for field, one in schema.get("properties", {}).items():
        needed = field in schema.get("required", ())
        yield {"name": field, "place": "body", "required": needed, "explained": one.get("description", "")}
