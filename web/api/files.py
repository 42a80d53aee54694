"""The files of a hotfix, for those who look at it and sign: the bundle by ranges, and what was signed about it."""

import hashlib

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field

from patchline.patches.errors import StoreError
from patchline.releaser import bundles
from patchline.releaser.access.tokens import Scope
from patchline.releaser.bundles import ReleaseSet
from patchline.releaser.delivery.parcels import BUNDLES
from patchline.releaser.hotfixes import find
from patchline.web import asking, sending
from patchline.web.api import answers, bearer
from patchline.web.api.doors import PREFIX, SECURITY
from patchline.web.delivery import place_of
from patchline.web.sending import Sendable

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
    whole = path.name == kept.name
    data = b"" if whole else _sidecars(kept).get(path.name)
    if data is None:
        raise StoreError("missing", f"{kept.label} has no file {path.name}")
    tag, size = (kept.container, kept.size) if whole else (hashlib.sha256(data).hexdigest(), len(data))
    wanted = Sendable(tag, size, "application/octet-stream", saved_as=path.name)
    if request.method == "HEAD" or wanted.unchanged():
        return sending.headers_alone(wanted)
    if not whole:
        return sending.data(wanted, wanted.span(), data, _not_counted)
    place = place_of(BUNDLES, bundles.bundle_place(kept.container))
    return sending.stored(wanted, wanted.span(), place, _not_counted)


def _not_counted(_: int) -> None:
    """Do nothing: what the vendor's own people look at is no customer's download."""


def _kept(identifier: str) -> ReleaseSet:
    session = asking.reading()
    return bundles.release_set(session, find(session, identifier))


def _sidecars(kept: ReleaseSet) -> dict[str, bytes]:
    return {kept.name + ending: data for ending, data in bundles.beside(asking.register(), kept).items()}
