"""Signing in at an identity provider of the company, by OpenID Connect: code flow with PKCE, state and nonce.

- Who somebody is here says what the provider calls them for ever (`sub`), bound to a person by a one-time link or by an
  administrator. An e-mail address or a name never decides.
- The provider's answer counts only with its signature by an asymmetric key, for this client, from this issuer, for the
  very request that this browser began, and before it expires.
"""

import hmac
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
from authlib.common.security import generate_token  # type: ignore[import-untyped]
from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from requests.exceptions import RequestException

from patchline.patches.errors import OutsideError, ProviderError, SettingsError
from patchline.patches.files import read_file
from patchline.patches.passphrases import credential
from patchline.releaser.access.binding import Somebody
from patchline.releaser.settings import Settings

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "Ed25519", "EdDSA"]
_PATIENCE_S = 10
_KEPT_S = 600
_LEEWAY_S = 60
_LONGEST_SECRET = 4096
_LONGEST_SUBJECT = 255
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Begun:
    """A request to the provider, as the browser that began it keeps it.

    Attributes:
        url: where the browser goes.
        state, nonce, verifier: by which the answer is known as the one to this request.
    """

    url: str
    state: str
    nonce: str
    verifier: str

    def kept(self) -> dict[str, str]:
        """Return what the browser's cookie keeps."""
        return {name: value for name, value in asdict(self).items() if name != "url"}


class Provider:
    """The identity provider that the settings name."""

    def __init__(self, issuer: str, client: str, secret: str) -> None:
        self.issuer, self.client, self._secret = issuer, client, secret
        self._known: tuple[float, dict[str, Any]] | None = None
        self._keys: KeySet | None = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: Settings) -> "Provider | None":
        """Return the provider of the settings, None where they name none.

        Raises:
            SettingsError: they name it in part, or the secret cannot be used.
        """
        if settings.oidc_issuer is None:
            return None
        parts = urlsplit(settings.oidc_issuer)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise SettingsError("oidc", "the identity provider's address begins with https://")
        if settings.oidc_client is None:
            raise SettingsError("oidc", "the settings name an identity provider, and not by what it knows Patchline")
        return cls(settings.oidc_issuer, settings.oidc_client, _secret(settings))

    @property
    def origin(self) -> str:
        """Where its pages are."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    def begin(self, back: str) -> Begun:
        """Begin to sign somebody in.

        Args:
            back: address of ours to which the provider sends the browser back.

        Raises:
            ProviderError: it does not answer.
        """
        nonce, verifier = generate_token(32), generate_token(64)
        with self._session(back) as session:
            endpoint = self._metadata()["authorization_endpoint"]
            url, state = session.create_authorization_url(endpoint, nonce=nonce, code_verifier=verifier)
        return Begun(url, state, nonce, verifier)

    def finish(self, kept: Mapping[str, str], back: str, given: Mapping[str, str], now: datetime) -> Somebody:
        """Return for whom the provider vouches.

        Args:
            kept: what the browser's cookie kept of the request.
            back: as it was begun.
            given: with what the provider sent the browser back.
            now: the time.

        Raises:
            OutsideError: it vouches for nobody, or not in a way that counts.
            ProviderError: it does not answer.
        """
        if not kept.get("state") or not hmac.compare_digest(kept["state"].encode(), given.get("state", "").encode()):
            raise OutsideError("answer", "this browser did not begin to sign in, or began anew meanwhile")
        if given.get("error") or not given.get("code"):
            raise OutsideError("answer", "the identity provider let nobody in")
        with self._session(back) as session:
            endpoint = self._metadata()["token_endpoint"]
            with _told("token"):
                answer = session.fetch_token(
                    endpoint, code=given["code"], code_verifier=kept["verifier"], timeout=_PATIENCE_S
                )
        return self._read(answer, kept["nonce"], now)

    def _session(self, back: str) -> Any:
        return OAuth2Session(
            self.client,
            self._secret,
            scope="openid",
            redirect_uri=back,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic",  # noqa: S106 (the name of a method)
        )

    def _read(self, answer: Mapping[str, Any], nonce: str, now: datetime) -> Somebody:
        with _told("token"):
            token = self._decode(str(answer.get("id_token") or ""))
            options = {
                "iss": {"essential": True, "value": self.issuer},
                "sub": {"essential": True},
                "nonce": {"essential": True, "value": nonce},
            }
            params = {"nonce": nonce, "client_id": self.client, "access_token": answer.get("access_token")}
            claims = CodeIDToken(token.claims, token.header, options, params)
            claims.validate(now=int(now.timestamp()), leeway=_LEEWAY_S)
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
            raise OutsideError("token", "the identity provider names nobody in a way that can be kept")
        return Somebody(self.issuer, subject)

    def _decode(self, encoded: str) -> Any:
        registry = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        for anew in (False, True):  # Its keys may have been replaced since they were read.
            try:
                return jwt.decode(encoded, self._key_set(anew=anew), registry=registry)
            except (JoseError, ValueError):
                if anew:
                    raise
        raise AssertionError  # pragma: no cover

    def _metadata(self) -> dict[str, Any]:
        with self._lock:
            if self._known is None or time.monotonic() - self._known[0] > _KEPT_S:
                found = self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
                if found.get("issuer") != self.issuer:
                    raise ProviderError("other", "the identity provider calls itself otherwise than the settings do")
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    self._check_endpoint(found.get(name))
                self._known = (time.monotonic(), found)
            return self._known[1]

    def _check_endpoint(self, address: object) -> None:
        parts = urlsplit(address if isinstance(address, str) else "")
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise ProviderError("other", "the identity provider names addresses that are not https://")

    def _key_set(self, *, anew: bool) -> KeySet:
        if self._keys is None or anew:
            self._keys = KeySet.import_key_set(self._get(self._metadata()["jwks_uri"]))  # type: ignore[arg-type]
        return self._keys

    def _get(self, address: str) -> dict[str, Any]:
        with OAuth2Session() as session, _told("down"):
            answer = session.request("GET", address, withhold_token=True, timeout=_PATIENCE_S)
            answer.raise_for_status()
            found = answer.json()
        if not isinstance(found, dict):
            raise ProviderError("other", "the identity provider's documents are none")
        return found


class _told:
    """Turn the libraries' errors into ours; what they say may hold tokens, so only their kind is told."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RequestException):
            raise ProviderError("down", "the identity provider does not answer") from None
        if isinstance(error, AuthlibBaseError | JoseError | ValueError | KeyError | TypeError):
            if self.code == "down":
                raise ProviderError("other", "the identity provider's documents are none") from None
            raise OutsideError(
                "token", f"what the identity provider says does not count: {type(error).__name__}"
            ) from None


def _secret(settings: Settings) -> str:
    if settings.oidc_secret_file is not None:
        path = Path(settings.oidc_secret_file)
        data = read_file(path, limit=_LONGEST_SECRET)
        if path.stat().st_mode & 0o077:
            raise SettingsError("oidc", f"others than its owner may read {path}")
    else:
        data = credential("oidc") or b""
    secret = data.decode("utf-8", "replace").strip()
    if not secret:
        raise SettingsError("oidc", "there is no secret for the identity provider")
    return secret
