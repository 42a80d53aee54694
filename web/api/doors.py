"""The views of the doors: what was sent goes to the command, what it reports is the answer."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel

from patchline.patches.terminal import Told
from patchline.releaser.remote.doors import DOORS, Door
from patchline.releaser.remote.running import Asking, Upload, command_of, members_of, run
from patchline.web import asking
from patchline.web.api import answers, bearer, models

PREFIX = "/api/v1"
LARGEST = 40 << 20
"""Bytes of a request with files."""
_REFUSALS = {
    status: {
        "description": said,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, said in (
        (400, "Makes no sense"),
        (401, "No token that lets in"),
        (403, "A rule, or the token, says no"),
        (404, "Not there"),
        (409, "The wrong moment"),
        (422, "Not as it must be written, or not verified"),
        (500, "Our mistake"),
        (503, "Not now"),
    )
}
SECURITY: list[dict[str, list[str]]] = [{"token": []}]


def blueprints() -> Iterator[APIBlueprint]:
    """Yield a blueprint for each subject."""
    made: dict[str, APIBlueprint] = {}
    for door in DOORS:
        if door.subject not in made:
            tag = Tag(name=door.subject)
            made[door.subject] = APIBlueprint(f"api-{door.subject}", __name__, url_prefix=PREFIX, abp_tags=[tag])
        _open(made[door.subject], door)
    yield from made.values()


def _open(blueprint: APIBlueprint, door: Door) -> None:
    """Add the view of a door."""
    found = members_of(door)
    query = door.method in ("GET", "DELETE")
    name = "".join(word.title() for word in door.words.replace("-", " ").split())
    takes = {
        "path": models.model(f"{name}Address", (one for one in found if one.in_address), lenient=True),
        "query" if query else "body": models.model(
            f"{name}Query" if query else f"{name}Body", (one for one in found if not one.in_address), lenient=query
        ),
    }
    view = bearer.scoped(door.scope)(_view(door, any(one.upload for one in found)))
    view.__annotations__ = {place: model for place, model in takes.items() if model is not None}
    view.__name__ = door.words.replace(" ", "_").replace("-", "_")
    help_text = (command_of(door).help or "").split("\n\n")
    adding = getattr(blueprint, door.method.lower())
    adding(
        door.rule,
        summary=" ".join(help_text[0].split()),
        description=f"As `patchline {door.words}`. " + " ".join(" ".join(help_text[1:]).split()),
        operation_id=view.__name__,
        responses=_responses(door, any(one.name == "csv" for one in found)),
        security=SECURITY,
    )(view)


def _view(door: Door, files: bool) -> Any:
    def view(**given: BaseModel) -> Response:
        if files:
            request.max_content_length = LARGEST
        said = {name: value for part in given.values() for name, value in _said(part)}
        if door.method == "GET":
            return answers.named(answers.of(_run(door, said)))
        if door.secret:
            return answers.of(_run(door, said))
        return answers.once(lambda: answers.of(_run(door, said)))

    return view


def _said(part: BaseModel) -> Iterator[tuple[str, Any]]:
    for name in part.model_fields_set:
        value = getattr(part, name)
        yield name, [_file(one) for one in value] if isinstance(value, list) else _file(value)


def _file(value: Any) -> Any:
    return Upload(value.name, value.content, value.beside) if isinstance(value, models.Upload) else value


def _run(door: Door, said: Mapping[str, Any]) -> Told:
    return run(door, said, Asking(asking.register(), bearer.person(), asking.now))


def _responses(door: Door, table: bool) -> dict[int, Any]:
    """Return what a door answers; one whose command has `--csv` can answer so too."""
    schema: dict[str, Any] = {"description": "As the command prints it with `--json`."}
    if door.keys:
        schema |= {"type": "object", "required": list(door.keys), "properties": {key: {} for key in door.keys}}
    forms = {"application/json": {"schema": schema}, **({"text/csv": {"schema": {"type": "string"}}} if table else {})}
    answer = {"description": "Done", "content": forms}
    return {200: answer, **_REFUSALS}
