"""What a vendor's server says when it does not hand a file out, in words that are bounded and fit a terminal."""

import json
from contextlib import suppress

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from patchline.patches.errors import SourceError
from patchline.patches.site.download_tokens import DownloadToken

_CODES = {401: "unauthorized", 403: "forbidden"}
_LARGEST = 16_384
_LONGEST = 300
_PROBLEM = "application/problem+json"


def refusal(name: str, path: str, response: BaseHTTPResponse, token: DownloadToken | None) -> SourceError | None:
    """Return the refusal that an answer is; None where it is none.

    Stores answer 403 where something is missing and listing is not allowed: such a one is a refusal if it says why, or
    if the token came to whoever answers and it is a file for which one is asked.
    """
    if response.status not in _CODES:
        return None
    problem = _problem(response)
    came = token is not None and path.startswith("targets/") and not _redirected(response)
    if response.status == 403 and not problem and not came:
        return None
    reason, told = (_words(problem.get(key), token) for key in ("detail", "hint"))
    code = _CODES[response.status]
    error = SourceError(code, f"{name} does not hand out {path}: {reason or f'HTTP {response.status}'}")
    error.hint = f"{told} {error.hint}".strip()
    return error


def _redirected(response: BaseHTTPResponse) -> bool:
    history = response.retries.history if response.retries else ()
    return any(one.redirect_location for one in history)


def _problem(response: BaseHTTPResponse) -> dict[str, object]:
    """Return the document that tells of the refusal, an empty one where there is none."""
    if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() != _PROBLEM:
        return {}
    data = bytearray()
    with suppress(HTTPError, OSError, ValueError, RecursionError):
        for piece in response.stream(_LARGEST, decode_content=False):
            data += piece
            if len(data) > _LARGEST:
                return {}
        found = json.loads(data)
        return found if isinstance(found, dict) else {}
    return {}


def _words(given: object, token: DownloadToken | None) -> str:
    """Return a text on one line, short, and without the token, should the server repeat it."""
    if not isinstance(given, str):
        return ""
    text = given.replace(token.secret, "…") if token else given
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
