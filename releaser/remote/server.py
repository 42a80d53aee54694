"""A vendor's server, asked by a program: bounded in bytes and in time, and never twice for what is done once.

- The token goes to the server alone: over TLS, or to this very machine; no redirect is followed.
- Every request that changes something bears a key of its own, so that it is sent again when the answer was lost.
"""

import json
import os
import stat
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from patchline.patches.errors import PatchlineError, RefusedError, RemoteError, SourceError, UsageError
from patchline.patches.files import read_file
from patchline.patches.passphrases import secret_of_environment

PREFIX = "/api/v1"
_LARGEST = 64 << 20
_LOCAL = ("localhost", "127.0.0.1", "::1")
_TRIES = Retry(total=2, connect=2, read=2, redirect=0, status=0, other=0, backoff_factor=0.2, allowed_methods=None)
_PATIENCE = Timeout(connect=10, read=120)


@dataclass(frozen=True)
class Server:
    """A server and the token for it."""

    address: str
    token: str = field(repr=False)
    pool: PoolManager = field(default_factory=lambda: PoolManager(maxsize=1), repr=False)

    @classmethod
    def at(cls, address: str, token_file: str | None) -> "Server":
        """Return a server.

        Raises:
            UsageError: it is no address that a token may go to, or there is no token.
            RefusedError: others may read the token's file.
        """
        parts = urlsplit(address)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query:
            raise UsageError("server", f"{address[:200]!r} is no address of a server")
        if parts.scheme == "http" and parts.hostname not in _LOCAL:
            raise UsageError("server-plain", f"a token would go to {parts.hostname} for all to read")
        return cls(address.rstrip("/"), _token(token_file))

    @staticmethod
    def quoted(name: str) -> str:
        """Return a name as a part of an address."""
        return quote(name, safe="")

    def ask(self, method: str, at: str, given: Mapping[str, Any], *, accept: str) -> Any:
        """Return what the server answers.

        Raises:
            RemoteError: it refuses.
            SourceError: it cannot be asked, or its answer is none.
        """
        reading = method in ("GET", "DELETE")
        query = f"?{urlencode(dict(given), doseq=True)}" if reading and given else ""
        body = None if reading else json.dumps(given).encode()
        headers = {"Accept": accept, **({} if body is None else {"Content-Type": "application/json"})}
        if method != "GET":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        response = self._send(method, f"{at}{query}", headers, body)
        if response.status == 302:
            raise self._refusal(response)
        try:
            data = self._read(response)
            return json.loads(data)
        except ValueError:
            raise SourceError("status", f"{self.address} gave an answer that is none of Patchline's") from None
        finally:
            response.close()

    def bring(self, at: str, file: BinaryIO) -> None:
        """Write the bytes at an address into a file.

        Raises:
            RemoteError, SourceError: as `ask`.
        """
        response = self._send("GET", at, {"Accept": "application/octet-stream"}, None)
        if response.status == 302:  # The store hands it out; the token is none of its business.
            response.close()
            response = self._elsewhere(response.headers.get("Location", ""))
        try:
            file.writelines(response.stream(1 << 20, decode_content=False))
        except HTTPError as error:
            raise SourceError("cut", f"{self.address}: the answer was cut: {error}") from None
        finally:
            response.close()

    def _send(self, method: str, at: str, headers: Mapping[str, str], body: bytes | None) -> BaseHTTPResponse:
        headers = {**headers, "Authorization": f"Bearer {self.token}", "User-Agent": "patchline"}
        try:
            response = self.pool.request(
                method,
                f"{self.address}{PREFIX}{at}",
                headers=headers,
                body=body,
                preload_content=False,
                redirect=False,
                timeout=_PATIENCE,
                retries=_TRIES,
            )
        except HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise SourceError("unreachable", f"{self.address} cannot be asked: {type(reason).__name__}") from None
        if response.status >= 300 and response.status != 302:
            raise self._refusal(response)
        return response

    def _elsewhere(self, address: str) -> BaseHTTPResponse:
        try:
            response = self.pool.request(
                "GET", address, preload_content=False, redirect=False, timeout=_PATIENCE, retries=_TRIES
            )
        except HTTPError:
            raise SourceError("unreachable", f"where {self.address} keeps its files cannot be asked") from None
        if response.status != 200:
            response.close()
            raise SourceError("status", f"where {self.address} keeps its files was answered {response.status}")
        return response

    def _refusal(self, response: BaseHTTPResponse) -> PatchlineError:
        try:
            problem = json.loads(self._read(response))
            return RemoteError.of(problem)
        except (ValueError, KeyError, TypeError):
            return SourceError("status", f"{self.address} answered {response.status}, and not as Patchline does")
        finally:
            response.close()

    def _read(self, response: BaseHTTPResponse) -> bytes:
        data = bytearray()
        try:
            for piece in response.stream(1 << 16, decode_content=True):
                data += piece
                if len(data) > _LARGEST:
                    raise SourceError("too-large", f"{self.address} gives an answer without end")
        except HTTPError as error:
            raise SourceError("cut", f"{self.address}: the answer was cut: {type(error).__name__}") from None
        return bytes(data)


def _token(file: str | None) -> str:
    if file is not None:
        path = Path(file)
        data = read_file(path, limit=4096)
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise RefusedError("token-file", f"{path} can be read by others")
        found = data.decode("ascii", "replace").strip()
    else:
        found = (secret_of_environment("PATCHLINE_TOKEN") or "").strip()
    if not found or not found.isascii() or not found.isprintable() or " " in found:
        raise UsageError("no-token", "there is no token for the server")
    return found
