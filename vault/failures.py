"""What hvac and requests raise, told in our words.

The server's own words are read to tell failures apart and never repeated: an answer may hold what was asked for.
"""

import requests
import urllib3.exceptions
from hvac import exceptions  # type: ignore[import-untyped]

from patchline.patches.errors import PatchlineError, VaultError

_KINDS: tuple[tuple[type[Exception], str, str], ...] = (
    (exceptions.VaultNotInitialized, "uninitialised", "Vault has not been set up yet"),
    (exceptions.VaultDown, "sealed", "Vault is sealed"),
    (exceptions.RateLimitExceeded, "busy", "Vault takes no more requests for now"),
    (exceptions.BadGateway, "gateway", "the proxy before Vault gets no answer"),
    (exceptions.PreconditionFailed, "behind", "this server of Vault is behind the others"),
    (exceptions.Unauthorized, "denied", "Vault does not permit it"),
    (exceptions.Forbidden, "denied", "Vault does not permit it"),
    (exceptions.InvalidPath, "missing", "Vault has nothing there"),
    (exceptions.UnsupportedOperation, "unsupported", "Vault cannot do it"),
    (exceptions.ParamValidationError, "parameter", "the request is malformed"),
    (exceptions.InvalidRequest, "refused", "Vault refuses the request"),
    (exceptions.InternalServerError, "failed", "Vault failed"),
    (exceptions.UnexpectedError, "unexpected", "Vault answers with an unexpected status"),
    (exceptions.VaultError, "unexpected", "Vault answers unexpectedly"),
    (requests.exceptions.SSLError, "tls", "Vault's certificate is not accepted"),
    (requests.exceptions.ConnectTimeout, "unreachable", "Vault cannot be reached"),
    (requests.exceptions.ReadTimeout, "frozen", "Vault takes the connection and does not answer"),
    (requests.exceptions.ConnectionError, "unreachable", "Vault cannot be reached"),
    (urllib3.exceptions.ReadTimeoutError, "slow", "Vault stops in the middle of its answer"),
    (requests.exceptions.RequestException, "answer", "something else than Vault answers"),
    (urllib3.exceptions.HTTPError, "answer", "Vault's answer breaks off"),
    (ValueError, "answer", "something else than Vault answers"),
    (LookupError, "answer", "Vault's answer lacks what was asked for"),
    (TypeError, "answer", "Vault's answer is not of the form that was asked for"),
)
"""The particular before the general."""

FAILURES: tuple[type[Exception], ...] = (PatchlineError, *(kind for kind, _, _ in _KINDS))
"""What may come while Vault is asked; anything else is a bug."""

_SAID = (
    ("namespace not found", "namespace", "Vault has no such namespace"),
    ("check-and-set parameter", "conflict", "it was changed in Vault meanwhile"),
    ("request body too large", "too-large", "it is too large for Vault"),
    ("put failed due to value being too large", "too-large", "it is too large for Vault"),
    ("exceeds", "too-large", "it is too large for Vault"),
    (
        "wrapping token is not valid or does not exist",
        "wrapping-used",
        "the wrapped secret was opened already, or is too old",
    ),
    ("invalid role or secret id", "login", "Vault does not take this role id with this secret id"),
    ("invalid role_id", "login", "Vault does not take this role id"),
    ("invalid secret id", "login", "Vault does not take this secret id"),
    ("node is not active", "standby", "this server of Vault is not the active one"),
    ("node not active", "standby", "this server of Vault is not the active one"),
    ("vault is in standby", "standby", "this server of Vault is not the active one"),
    ("unsupported path", "unsupported", "Vault cannot do it"),
    ("unsupported operation", "unsupported", "Vault cannot do it"),
    ("plugin not found in the catalog", "unsupported", "this server lacks the engine"),
    ("less than the minimum encryption key version", "key-version", "this version of the key signs no more"),
    ("signing key not found", "key-missing", "Vault has no such key"),
    ("missing client token", "token", "Vault was asked without a login"),
    ("invalid accessor", "missing", "Vault has nothing there"),
    ("invalid lease", "missing", "Vault has nothing there"),
    ("lease not found", "missing", "Vault has nothing there"),
)
"""What Vault says, in lower case, where its status alone does not tell."""


def failure(error: Exception, doing: str) -> PatchlineError:
    """Return the error of ours.

    Args:
        error: whatever came while Vault was asked.
        doing: what was tried, for people; without secrets.
    """
    if isinstance(error, PatchlineError):
        return error if error.message.startswith(doing) else error.about(doing)
    code, words = _told(error)
    return VaultError(code, f"{doing}: {words}")


def _told(error: Exception) -> tuple[str, str]:
    if isinstance(error, exceptions.VaultError):
        said = " ".join(str(part) for part in (error.errors or [error.args[0] if error.args else ""])).lower()
        for words, code, message in _SAID:
            if words in said:
                return code, message
    for kind, code, message in _KINDS:
        if isinstance(error, kind):
            return code, message
    raise error
