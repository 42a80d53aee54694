"""One message to one address: signed, bounded, and never to a machine of the vendor's own network.

The name is looked up once, every address that it has is judged, and the connection goes to one of those: whoever owns
the name cannot point it elsewhere in between. No redirect is followed; no more of the answer is read than its status.
"""

import hashlib
import hmac
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry, Timeout
from urllib3.exceptions import HTTPError

from patchline.patches.errors import UsageError

_TIMEOUT = Timeout(connect=5, read=10)
_LONGEST = 2000


@dataclass(frozen=True)
class Message:
    """What is sent.

    Attributes:
        id: the same for every attempt, by which a receiver knows what it has already.
        action: of the event.
        body: JSON.
        at: seconds since 1970, when it is sent.
    """

    id: str
    action: str
    body: bytes
    at: int

    def signature(self, secret: bytes) -> str:
        """Return the header by which a receiver knows that it comes from here, and when."""
        signed = f"{self.at}.{self.id}.".encode() + self.body
        return f"t={self.at},v1={hmac.new(secret, signed, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True)
class Result:
    """How it ended: the status, None when there was no answer, and words for people."""

    status: int | None
    told: str

    @property
    def taken(self) -> bool:
        """Tell whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def final(self) -> bool:
        """Tell whether another try makes no sense."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in (408, 425, 429)


def check_url(url: str, *, private: bool) -> None:
    """Refuse what is no address for messages.

    Raises:
        UsageError: so it is.
    """
    parts = urlsplit(url)
    schemes = ("https", "http") if private else ("https",)
    if len(url) > _LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError("webhook-url", "the address has characters that no address has, or too many")
    if parts.scheme not in schemes or not parts.hostname or parts.username or parts.password or parts.fragment:
        raise UsageError("webhook-url", f"{url[:200]!r} is no address that messages may go to")


def send(url: str, message: Message, secret: bytes, *, private: bool) -> Result:
    """Send a message; whatever goes wrong is the result.

    Args:
        url: where to.
        message: what.
        secret: of the hook.
        private: whether addresses of private networks are good.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _address(host, port, private=private)
    if address is None:
        return Result(None, f"{host} has no address that messages may go to")
    headers = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "User-Agent": "patchline-webhook",
        "Patchline-Id": message.id,
        "Patchline-Event": message.action,
        "Patchline-Signature": message.signature(secret),
    }
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    pool = _pool(parts.scheme, address, port, host)
    try:
        response = pool.urlopen(
            "POST",
            path,
            body=message.body,
            headers=headers,
            timeout=_TIMEOUT,
            redirect=False,
            retries=Retry(0, redirect=0),
            preload_content=False,
        )
        response.close()
        return Result(response.status, f"answered {response.status}")
    except (HTTPError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return Result(None, f"no answer: {type(reason).__name__}")
    finally:
        pool.close()


def _address(host: str, port: int, *, private: bool) -> str | None:
    """Return an address of a name; None when it has none, or one of them is private."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    addresses = [str(one[4][0]) for one in found]
    if not private and not all(_public(one) for one in addresses):
        return None
    return addresses[0] if addresses else None


def _public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return bool(mapped.is_global) and not mapped.is_multicast


def _pool(scheme: str, address: str, port: int, host: str) -> HTTPConnectionPool:
    if scheme == "https":
        return HTTPSConnectionPool(address, port, maxsize=1, server_hostname=host, assert_hostname=host)
    return HTTPConnectionPool(address, port, maxsize=1)
