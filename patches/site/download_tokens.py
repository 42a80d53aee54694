"""The token by which a site fetches from a vendor's server: from a file that its owner alone reads.

The file holds what the portal hands out for `curl --header @FILE`, or the token alone. It goes to the channel's own
origin over TLS (or to this very machine), never on after a redirect to elsewhere, and stands in no message.
"""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from patchline.patches.errors import RefusedError, UsageError
from patchline.patches.files import open_regular, os_failure

_LIMIT = 4096
_FORM = re.compile(rb"\s*(?:authorization[ \t]*:[ \t]*bearer[ \t]+)?([A-Za-z0-9._~+/-]{8,512}=*)\s*", re.IGNORECASE)
_HERE = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})


@dataclass(frozen=True)
class DownloadToken:
    """A token; nothing shows it."""

    secret: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What is sent with a request."""
        return {"Authorization": f"Bearer {self.secret}"}

    def check_address(self, scheme: str, host: str) -> None:
        """Refuse to send the token where others can read it on the way.

        Raises:
            UsageError: the address is one of plain http, and not on this machine.
        """
        if scheme != "https" and host.lower() not in _HERE:
            raise UsageError("server-plain", f"the token would go to {host[:200]} for all to read")


def read_token(path: Path) -> DownloadToken:
    """Read a token from a file.

    Raises:
        NotFoundError, MalformedError: there is no such file, or it is none.
        RefusedError: others than its owner may read it.
        UsageError: it holds no token.
    """
    with open_regular(path) as file:
        # The file that is open is the one that is looked at, whatever happens to its name meanwhile.
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise RefusedError("token-file", f"{path} can be read or written by others")
        try:
            data = file.read(_LIMIT + 1)
        except OSError as error:
            raise os_failure(error) from None
    found = _FORM.fullmatch(data) if len(data) <= _LIMIT else None
    if found is None:
        raise UsageError("download-token", f"{path} holds no token")
    return DownloadToken(found[1].decode("ascii"))
