"""How requests travel to Vault: short timeouts, no redirects, bounded answers, nothing taken from the environment."""

import time
from typing import Any

import requests

from patchline.patches.errors import VaultError

TIMEOUTS = (2.0, 5.0)
"""Seconds to connect, and seconds of silence; requests itself would wait for ever."""
LONGEST = 10.0
"""Seconds for a whole answer, however evenly it drips."""
LARGEST = 4 << 20
"""Bytes of an answer; ours have a few thousand."""
_PIECE = 1 << 16


class Session(requests.Session):
    """A session of `requests` that reads every answer whole, within time and size."""

    def __init__(self, verify: bool | str) -> None:
        """Take `True` for public authorities, or the path of a PEM file.

        The environment is not asked: neither a proxy, nor a .netrc, nor another authority may come between.
        """
        super().__init__()
        self.trust_env = False
        self.verify = verify

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request once, and return the answer with its body read.

        Raises:
            VaultError: the answer leads elsewhere, takes too long or is too large.
            requests.RequestException: nothing or nonsense was answered.
        """
        options["stream"] = True
        began = time.monotonic()
        response = super().send(request, **options)
        with response:
            if response.is_redirect or 300 <= response.status_code < 400:
                # Following it would show the token to whoever is named there.
                raise VaultError("standby", "Vault sends us to another server")
            response._content = _body(response, began + LONGEST)
            response._content_consumed = True
        return response


def _body(response: requests.Response, deadline: float) -> bytes:
    pieces, size = [], 0
    while piece := response.raw.read1(_PIECE, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST:
            raise VaultError("answer", f"Vault's answer has more than {LARGEST} bytes")
        if time.monotonic() > deadline:
            raise VaultError("slow", f"Vault's answer is not complete after {LONGEST:.0f} seconds")
    return b"".join(pieces)
