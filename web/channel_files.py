"""The channel's public files, where it is published in a folder: a small vendor needs no other web server for it.

What everybody may read is the metadata and what the status role says; release zips go to tokens alone (`web.delivery`).
Only names that a channel has are looked for, so no path leads out of it.
"""

import os
import re

from flask import Blueprint, Response, request

from patchline.patches.errors import NotFoundError
from patchline.releaser.delivery.parcels import CHANNEL
from patchline.web import access, delivery, sending
from patchline.web.sending import Place, Sendable

pages = Blueprint("channel", __name__)
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_METADATA = re.compile(
    r"metadata/(?:timestamp|[1-9][0-9]{0,9}\.(?:root|targets|hotfixes|status|snapshot|kit-root))\.json"
)
_STATUS = re.compile(rf"targets/status/(?:{_WORD}/)?([0-9a-f]{{64}})\.{_WORD}")
_MOVES = "metadata/timestamp.json"
_KEPT, _ASKED_AGAIN = "public, max-age=3600", "public, no-cache"


@pages.get("/channel/<path:name>")
@access.anyone
def file(name: str) -> Response:
    """Send a public file of the channel."""
    status = _STATUS.fullmatch(name)
    if status is None and not _METADATA.fullmatch(name):
        raise _missing(name)
    place = delivery.place_of(CHANNEL, name)
    found = _stat(place, name)
    etag = status[1] if status else f"{found.st_mtime_ns:x}-{found.st_size:x}"
    kind = "application/json" if name.endswith(".json") else "application/octet-stream"
    what = Sendable(etag, found.st_size, kind, cache=_ASKED_AGAIN if name == _MOVES else _KEPT)
    if request.method == "HEAD" or what.unchanged():
        return sending.headers_alone(what)
    return sending.stored(what, what.span(), place, lambda _: None)


def _stat(place: Place, name: str) -> os.stat_result:
    path = place.store.path_of(name)
    try:
        if path is not None:
            return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    raise _missing(name)


def _missing(name: str) -> NotFoundError:
    return NotFoundError("download", f"the channel has no file {name[:120]!r}")
