"""Sending files: whole or in part, by the server's own `sendfile`, by the proxy, or by the object store.

No byte of a file that lies on a disk goes through Python's memory under gunicorn without TLS: the file is handed to the
server as `wsgi.file_wrapper`, positioned at its first byte, and `Content-Length` says where to stop.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote

from flask import Response, request
from werkzeug.exceptions import PreconditionFailed, RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

from patchline.patches.errors import PatchlineError, StoreError
from patchline.patches.files import open_regular
from patchline.releaser.stores import Store
from patchline.web import byte_ranges
from patchline.web.byte_ranges import Span

SIGNED_FOR = timedelta(minutes=5)
"""How long an address of an object store is good: long enough to begin with it."""
KEPT_BY_NOBODY = "private, no-cache, no-transform"
Sent = Callable[[int], None]
"""Is told once how many bytes went out."""


@dataclass(frozen=True)
class Sendable:
    """A file to send.

    Attributes:
        etag: names these very bytes; without quotes.
        kind: its media type.
        cache: what `Cache-Control` says.
        saved_as: the name under which a browser saves it; None for what it may show.
    """

    etag: str
    size: int
    kind: str
    cache: str = KEPT_BY_NOBODY
    saved_as: str | None = None

    @property
    def quoted(self) -> str:
        """The header `ETag`."""
        return f'"{self.etag}"'

    def span(self) -> Span:
        """Return which part this request wants.

        Raises:
            PreconditionFailed: it wants another file than this.
            RequestedRangeNotSatisfiable: there is no such part.
        """
        if request.if_match and not request.if_match.contains(self.etag):
            raise PreconditionFailed
        wanted = request.headers.get("Range") if request.method == "GET" else None
        found = byte_ranges.span(wanted, request.headers.get("If-Range"), self.quoted, self.size)
        if found is None:
            raise RequestedRangeNotSatisfiable(length=self.size)
        return found

    def unchanged(self) -> bool:
        """Tell whether who asks has it already."""
        return bool(request.if_none_match) and request.if_none_match.contains_weak(self.etag)

    def dress(self, response: Response) -> Response:
        """Set the headers that every answer about it has."""
        response.headers["ETag"] = self.quoted
        response.headers["Accept-Ranges"] = "bytes"
        response.headers["Cache-Control"] = self.cache
        response.headers["Content-Type"] = self.kind
        if self.saved_as is not None:
            response.headers.set("Content-Disposition", "attachment", filename=self.saved_as)
        return response


def headers_alone(what: Sendable) -> Response:
    """Answer what has no body: `HEAD`, or who has the file already."""
    response = Response(status=304 if what.unchanged() else 200)
    if response.status_code == 200:
        response.headers["Content-Length"] = str(what.size)
    return what.dress(response)


def stream(what: Sendable, span: Span, file: BinaryIO, sent: Sent) -> Response:
    """Send a part of an open file, which is closed at the end."""
    response = Response(wrap_file(request.environ, cast(BinaryIO, _Part(file, span, sent))), direct_passthrough=True)
    response.headers["Content-Length"] = str(span.length)
    if span.part:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{what.size}"
    return what.dress(response)


def data(what: Sendable, span: Span, content: bytes, sent: Sent) -> Response:
    """Send a part of what is at hand."""
    return stream(what, span, BytesIO(content), sent)


@dataclass(frozen=True)
class Place:
    """Where a file lies: in a store, under a name; `accel` is the proxy's location of that store, if it sends files."""

    store: Store
    name: str
    accel: str | None

    @property
    def sent_by_others(self) -> bool:
        """Tell whether a proxy or the object store sends it, so that nobody here sees how far it comes."""
        return self.accel is not None or self.store.path_of(self.name) is None


def stored(what: Sendable, span: Span, place: Place, sent: Sent) -> Response:
    """Send a part of a file in a store, by whoever does it best; `sent` is told of what goes out here.

    Raises:
        StoreError: it is not there.
    """
    path = place.store.path_of(place.name)
    if path is None:
        response = Response(status=302)
        response.headers["Location"] = place.store.signed(place.name, SIGNED_FOR)
        response.headers["Cache-Control"] = "no-store"
        return response
    file = _open(path, place.name, what.size)
    if place.accel is None:
        return stream(what, span, file, sent)
    file.close()
    response = what.dress(Response())
    response.headers["X-Accel-Redirect"] = f"{place.accel}/{quote(place.name)}"
    return response


def _open(path: Path, name: str, size: int) -> BinaryIO:
    try:
        file = open_regular(path)
    except PatchlineError:
        raise StoreError("missing", f"{name} is not in the store") from None
    if os.fstat(file.fileno()).st_size != size:
        file.close()
        raise StoreError("other-size", f"{name} in the store does not have {size} bytes")
    return file


class _Part:
    """A part of a file, as servers take it: to be read, or to be sent by the kernel from where it is positioned."""

    def __init__(self, file: BinaryIO, span: Span, sent: Sent) -> None:
        self._file, self._span, self._sent = file, span, sent
        self._at = span.start
        file.seek(span.start)

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        left = self._span.stop - self._at
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Position the file; servers that let the kernel send it say so how far it came."""
        self._at = self._file.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if not self._file.closed:
            self._file.close()
            self._sent(max(0, min(self._at, self._span.stop) - self._span.start))
