"""Reading files from a web server that may be slow, endless or cut off: bounded in bytes and in time.

- A request ends at its deadline whatever the server does, be it a byte every few seconds or a header without end: then
  its connection is shut down from beside (`Deadline`).
- What is asked for in pieces is asked for by Range; a server that knows no ranges serves whole files only.
- Nothing is unpacked on the way. Redirects are followed, a few; what arrives is judged by its digest, not by its place.
- A token goes to the address's own origin alone, and through no proxy that could read it.
"""

import io
import re
import tempfile
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from urllib3 import BaseHTTPResponse, Retry, Timeout
from urllib3.exceptions import HTTPError, IncompleteRead, MaxRetryError, ProtocolError, ReadTimeoutError
from urllib3.util import parse_url

from patchline.patches.errors import SourceError
from patchline.patches.site.connections import Deadline, connections
from patchline.patches.site.download_tokens import DownloadToken
from patchline.patches.site.pieces import Pieces
from patchline.patches.site.refusals import refusal
from patchline.patches.wording import readable_size

CHUNK = 1 << 16
_AHEAD = 1 << 17
"""What is asked for at once where a file is looked into."""
_CONNECTION = re.compile(r"^(?:\w+\(.*?\)|<.*?>): ")
_ABSENT = frozenset({403, 404, 410})
"""Stores answer 403 where something is missing and listing is not allowed."""
_TRIES = 5
_WORTH_ANOTHER_TRY = frozenset({"source.cut", "source.slow"})
_HOME_ONLY = frozenset({"Authorization"})
"""What is not sent on where a redirect leads to another scheme, host or port."""
_HEADERS = {"User-Agent": "patchline-site", "Accept-Encoding": "identity"}


@dataclass(frozen=True)
class Patience:
    """How long a server may take, in seconds.

    Attributes:
        connect: until it answers at all.
        gap: between two bytes.
        request: for a whole answer, and on top of it what `slowest` (bytes a second) allows a large one.
    """

    connect: float = 10
    gap: float = 20
    request: float = 60
    slowest: float = 16_384

    def whole(self, size: int) -> float:
        """Return how long an answer of so many bytes may take."""
        return self.request + size / self.slowest


@dataclass(frozen=True)
class Sent:
    """What a server answered to what was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """Return a header, however it is written; empty when there is none."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


class Web:
    """The files below an address."""

    def __init__(self, url: str, patience: Patience | None = None, *, token: DownloadToken | None = None) -> None:
        """Take the address, `http://…` or `https://…`, and the token for it; nothing is asked yet.

        Raises:
            SourceError: it is no such address.
            UsageError: it is none that a token may go to.
        """
        self.name = url.rstrip("/")
        self._patience = patience or Patience()
        self._deadline = Deadline()
        try:
            address = parse_url(self.name)
        except HTTPError as error:
            raise SourceError("address", f"{url[:200]!r} is no address: {error}") from None
        if address.scheme not in ("http", "https") or not address.host:
            raise SourceError("address", f"{url[:200]!r} is no address of a web server")
        if token is not None:
            token.check_address(address.scheme, address.host)
        self._token = token
        proxied = token is None or address.scheme == "https"
        self._pool = connections(address.scheme, address.host, self._deadline, proxied=proxied)

    def close(self) -> None:
        """Let go of every connection."""
        self._pool.clear()
        self._deadline.close()

    def read(self, path: str, limit: int) -> bytes:
        """Return a small file.

        Raises:
            SourceError: it is not there (`missing`), has more bytes than the limit, or cannot be had.
        """
        data = bytearray()
        for piece in self._pieces(path, {}, self._patience.whole(limit)):
            data += piece
            if len(data) > limit:
                raise too_large(path, limit)
        return bytes(data)

    def send(self, path: str, data: bytes, limit: int) -> "Sent":
        """Send bytes, and return what is answered, refusals too; nothing is sent twice, and no redirect is followed.

        Raises:
            SourceError: it cannot be sent, or the answer has more bytes than the limit.
        """
        seconds = self._patience.whole(len(data) + limit)
        with self._deadline.within(seconds):
            try:
                response = self._pool.request(
                    "POST",
                    f"{self.name}/{path}",
                    body=data,
                    headers={**_HEADERS, "Content-Type": "application/json"},
                    preload_content=False,
                    redirect=False,
                    timeout=Timeout(connect=self._patience.connect, read=self._patience.gap),
                    retries=Retry(total=1, connect=1, read=0, redirect=0, status=0, other=0),
                )
                try:
                    body = _bounded(path, response, limit)
                finally:
                    response.close()
            except (HTTPError, OSError) as error:
                raise self._failure(path, error, seconds) from None
            if self._deadline.passed:
                raise _slow(path, seconds)
        return Sent(response.status, dict(response.headers), body)

    def pieces(self, path: str, start: int, end: int) -> Generator[bytes]:
        """Yield a file's bytes from `start` to before `end`, never more; an answer that is cut is taken up again.

        Raises:
            SourceError: it cannot be had, or not from there (`no-ranges`), or it is cut again and again.
        """
        place = start
        for last in (number == _TRIES - 1 for number in range(_TRIES)):
            before = place
            try:
                for piece in self._range(path, place, end):
                    yield piece
                    place += len(piece)
                if place < end:
                    raise SourceError("cut", f"{path} ended after {place} of {end} bytes")
                return
            except SourceError as error:
                if last or place == before or error.code not in _WORTH_ANOTHER_TRY:
                    raise

    def _range(self, path: str, start: int, end: int) -> Iterator[bytes]:
        left = end - start
        headers = {"Range": f"bytes={start}-{end - 1}"} if left > 0 else {}
        for piece in self._pieces(path, headers, self._patience.whole(left), start):
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    def open(self, path: str, size: int) -> BinaryIO:
        """Return a file of known size to look into, without fetching all of it."""
        return io.BufferedReader(WebFile(self, path, size), _AHEAD)

    def metadata(self) -> list[str]:
        """Return nothing: a web server lists no names."""
        return []

    def path_of(self, path: str) -> None:
        """Return nothing: it is not on this machine."""

    def _pieces(self, path: str, headers: dict[str, str], seconds: float, start: int = 0) -> Iterator[bytes]:
        with self._deadline.within(seconds):
            try:
                response = self._ask(path, headers)
                try:
                    self._check_answer(path, response, start)
                    yield from response.stream(CHUNK, decode_content=False)
                finally:
                    response.close()
            except (HTTPError, OSError) as error:
                raise self._failure(path, error, seconds) from None
            if self._deadline.passed:  # an answer without a length ends so, too
                raise _slow(path, seconds)

    def _ask(self, path: str, headers: dict[str, str]) -> BaseHTTPResponse:
        return self._pool.request(
            "GET",
            f"{self.name}/{path}",
            headers={**_HEADERS, **headers, **(self._token.headers if self._token else {})},
            preload_content=False,
            timeout=Timeout(connect=self._patience.connect, read=self._patience.gap),
            retries=Retry(
                total=3,
                connect=1,
                read=0,
                redirect=3,
                status=0,
                other=0,
                respect_retry_after_header=False,
                remove_headers_on_redirect=_HOME_ONLY,
            ),
        )

    def _check_answer(self, path: str, response: BaseHTTPResponse, start: int) -> None:
        if refused := refusal(self.name, path, response, self._token):
            raise refused
        _check_answer(path, response, start)

    def _failure(self, path: str, error: Exception, seconds: float) -> SourceError:
        reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        if self._deadline.passed:
            return _slow(path, seconds)
        if isinstance(reason, ReadTimeoutError):
            return SourceError("slow", f"{self.name} does not answer for {path}")
        if isinstance(reason, ProtocolError) and isinstance(reason.args[-1], IncompleteRead):
            return SourceError("cut", f"{self.name}: {path} was cut short")
        return SourceError("unreachable", f"{self.name}: {path} cannot be fetched: {_words(reason)}")


class WebFile(Pieces):
    """A file on a web server as a seekable stream."""

    def __init__(self, web: Web, path: str, size: int) -> None:
        super().__init__(size)
        self._web, self._path = web, path
        self._whole: BinaryIO | None = None

    def _piece(self, start: int, end: int) -> bytes:
        if self._whole is None:
            try:
                return b"".join(self._web.pieces(self._path, start, end))
            except SourceError as error:
                if error.code != "source.no-ranges":
                    raise
                self._whole = self._fetch_whole()
        self._whole.seek(start)
        return self._whole.read(end - start)

    def _fetch_whole(self) -> BinaryIO:
        """Fetch the file for looking into it, where no part of it can be had alone."""
        whole: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this stream
        whole.writelines(self._web.pieces(self._path, 0, self._size))
        return whole

    def close(self) -> None:
        """Let go of what was fetched."""
        if self._whole is not None:
            self._whole.close()
        super().close()


def too_large(path: str, limit: int) -> SourceError:
    """Return the refusal of a file that is larger than it may be."""
    return SourceError("too-large", f"{path} has more than the {readable_size(limit)} it may have")


def _bounded(path: str, response: BaseHTTPResponse, limit: int) -> bytes:
    data = bytearray()
    for piece in response.stream(CHUNK, decode_content=False):
        data += piece
        if len(data) > limit:
            raise too_large(path, limit)
    return bytes(data)


def _slow(path: str, seconds: float) -> SourceError:
    return SourceError("slow", f"{path} did not arrive within {seconds:.0f} s")


def _check_answer(path: str, response: BaseHTTPResponse, start: int) -> None:
    if response.status in _ABSENT:
        raise SourceError("missing", f"{path} is not there (HTTP {response.status})")
    if response.status not in (200, 206):
        raise SourceError("status", f"the server answered {response.status} for {path}")
    given = response.headers.get("Content-Range", "") if response.status == 206 else "bytes 0-"
    if not given.startswith(f"bytes {start}-"):
        raise SourceError("no-ranges", f"the server does not serve {path} from byte {start}")


def _words(error: Exception) -> str:
    """Return what went wrong, without the connection that urllib3 puts before it."""
    return _CONNECTION.sub("", str(error))
