"""The files of a hotfix, for those who look at it and sign: the bundle by ranges, and what was signed about it."""

import hashlib

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.wsgi import wrap_file

from patchline.patches.errors import StoreError
from patchline.releaser import bundles
from patchline.releaser.access.tokens import Scope
from patchline.releaser.bundles import ReleaseSet
from patchline.releaser.hotfixes import find
from patchline.web import asking
from patchline.web.api import answers, bearer
from patchline.web.api.doors import PREFIX, SECURITY

files = APIBlueprint("api-files", __name__, url_prefix=PREFIX, abp_tags=[Tag(name="hotfixes")])
_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


class OfRevision(BaseModel):
    """A hotfix, or a revision of it."""

    model_config = ConfigDict(extra="forbid")

    hotfix: str = Field(min_length=1, max_length=80, pattern=r"^[^\u0000/]+$", description="Such as HF-2026-0012-r1.")


class OfFile(OfRevision):
    """One of its files."""

    name: str = Field(min_length=1, max_length=200, pattern=r"^[^\u0000/]+$", description="As the list has it.")


class File(BaseModel):
    """A file of a hotfix."""

    name: str
    size: int
    sha256: str


class Files(BaseModel):
    """The files of a hotfix."""

    files: list[File]


@files.get("/hotfixes/<hotfix>/files", responses={200: Files}, security=SECURITY, operation_id="hotfix_files")
@bearer.scoped(Scope.READ)
def listed(path: OfRevision) -> Response:
    """List the files of a hotfix: the bundle and its sidecars."""
    kept = _kept(path.hotfix)
    bundle = {"name": kept.name, "size": kept.size, "sha256": kept.container}
    sidecars = [
        {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in _sidecars(kept).items()
    ]
    return answers.named(answers.document({"files": [bundle, *sidecars]}))


@files.get(
    "/hotfixes/<hotfix>/files/<name>",
    responses={200: {"description": "Its bytes, or those of the range that was asked for", **_BYTES}},
    security=SECURITY,
    operation_id="hotfix_file",
)
@bearer.scoped(Scope.READ)
def one(path: OfFile) -> Response:
    """Fetch a file of a hotfix; `Range` and `If-None-Match` are obeyed."""
    kept = _kept(path.hotfix)
    if path.name == kept.name:
        stream = bundles.opened(asking.register(), kept)
        body, size, tag = wrap_file(request.environ, stream, 1 << 18), kept.size, kept.container
        response = Response(body, mimetype="application/octet-stream", direct_passthrough=True)
    else:
        data = _sidecars(kept).get(path.name)
        if data is None:
            raise StoreError("missing", f"{kept.label} has no file {path.name}")
        response = Response(data, mimetype="application/octet-stream")
        size, tag = len(data), hashlib.sha256(data).hexdigest()
    response.content_length = size
    response.set_etag(tag)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers.set("Content-Disposition", "attachment", filename=path.name)
    response.make_conditional(request, accept_ranges=True, complete_length=size)
    return response


def _kept(identifier: str) -> ReleaseSet:
    session = asking.reading()
    return bundles.release_set(session, find(session, identifier))


def _sidecars(kept: ReleaseSet) -> dict[str, bytes]:
    return {kept.name + ending: data for ending, data in bundles.beside(asking.register(), kept).items()}
