"""The basic login of HTTP. Forms and tokens differ from product to product: those are for the owner's script."""

from base64 import b64encode
from urllib.parse import urlsplit

import requests

from patchline.releaser.setups.targets.outcomes import HERE, SECONDS, Outcome
from patchline.vault.setups import Login

_UNAUTHORISED, _FORBIDDEN = 401, 403


def try_login(address: str, login: Login) -> Outcome:
    """Ask without a login first: only where that is refused, and the basic login asked for, a login proves something."""
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname not in HERE:
        return Outcome.UNPROVED
    try:
        with requests.Session() as session:
            session.trust_env = False
            if not _asks(session, address):
                return Outcome.UNTRIED
            status, _ = _answer(session, address, login)
    except requests.exceptions.SSLError:
        return Outcome.UNPROVED
    except requests.RequestException:
        return Outcome.UNREACHABLE
    if status in (_UNAUTHORISED, _FORBIDDEN):
        return Outcome.REFUSED
    return Outcome.WORKS if status < 400 else Outcome.UNCLEAR


def _asks(session: requests.Session, address: str) -> bool:
    status, challenge = _answer(session, address, None)
    return status == _UNAUTHORISED and "basic" in challenge.lower()


def _answer(session: requests.Session, address: str, login: Login | None) -> tuple[int, str]:
    headers = {}
    if login is not None:
        headers["Authorization"] = f"Basic {b64encode(f'{login.username}:{login.password}'.encode()).decode()}"
    with session.get(address, headers=headers, timeout=SECONDS, allow_redirects=False, stream=True) as answer:
        return answer.status_code, answer.headers.get("WWW-Authenticate", "")
