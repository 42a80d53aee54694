"""An identity provider on loopback: Authlib's authorization server with real keys and tokens, and faults on demand.

Everybody is signed in there as `subject` at once. `fault` names what it does wrong from then on.
"""

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc6749.models import AuthorizationCodeMixin
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from flask import Flask, jsonify
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

NO_SIGNATURE = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
CLIENT, SECRET = "patchline", "a secret between the two"


class Code(AuthorizationCodeMixin):
    def __init__(self, **given: Any) -> None:
        self.__dict__.update(given)

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return int(time.time())

    def get_acr(self):
        return None

    def get_amr(self):
        return None


class Client(ClientMixin):
    def __init__(self, back: str) -> None:
        self.back = back

    def get_client_id(self):
        return CLIENT

    def get_default_redirect_uri(self):
        return self.back

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri == self.back

    def check_client_secret(self, client_secret):
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type == "authorization_code"


class IdentityProvider:
    def __init__(self, back: str) -> None:
        self.back, self.subject, self.fault = back, "248289761001", ""
        self.keys = [RSAKey.generate_key(2048, {"kid": "one"})]
        self.codes: dict[str, Code] = {}
        self.challenged: list[bool] = []
        self.app = Flask("provider")
        self.http = make_server("127.0.0.1", 0, self.app, threaded=True)
        self.issuer = f"http://127.0.0.1:{self.http.port}"
        self._serve()

    def _serve(self) -> None:
        server = AuthorizationServer(self.app, query_client=lambda _: Client(self.back), save_token=lambda *_: None)
        tokens = self._tokens()(require_nonce=True)
        server.register_grant(self._grant(), [tokens, CodeChallenge(required=True)])

        def authorize():
            grant = server.get_consent_grant(end_user=self.subject)
            return server.create_authorization_response(grant_user=self.subject, grant=grant)

        self.app.add_url_rule("/authorize", "authorize", authorize)
        self.app.add_url_rule("/favicon.ico", "icon", lambda: "")
        self.app.add_url_rule("/token", "token", server.create_token_response, methods=["POST"])
        self.app.add_url_rule("/jwks", "jwks", lambda: jsonify(keys=[key.as_dict(private=False) for key in self.keys]))
        self.app.add_url_rule("/.well-known/openid-configuration", "metadata", self._metadata)

    def _grant(self):
        provider = self

        class CodeGrant(grants.AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

            def save_authorization_code(self, code, request):
                data = request.payload.data
                provider.challenged.append(data.get("code_challenge_method") == "S256")
                provider.codes[code] = Code(
                    redirect_uri=request.payload.redirect_uri,
                    scope=request.payload.scope,
                    nonce=data.get("nonce"),
                    code_challenge=data.get("code_challenge"),
                    code_challenge_method=data.get("code_challenge_method"),
                )

            def query_authorization_code(self, code, client):
                return provider.codes.get(code)

            def delete_authorization_code(self, authorization_code):
                provider.codes = {key: one for key, one in provider.codes.items() if one is not authorization_code}

            def authenticate_user(self, authorization_code):
                return provider.subject

        return CodeGrant

    def _tokens(self):
        provider = self

        class Tokens(OpenIDCode):
            def exists_nonce(self, nonce, request):
                return False

            def resolve_client_private_key(self, client):
                return provider.keys[-1].as_dict(private=True)

            def get_client_algorithm(self, client):
                return "RS256"

            def get_client_claims(self, client):
                issuer = "https://evil.example" if provider.fault == "issuer" else provider.issuer
                now = int(time.time())
                return {"iss": issuer, "aud": [CLIENT], "iat": now, "exp": now + 3600}

            def generate_user_info(self, user, scope):
                return UserInfo(sub=user, email="rita@vendor.example", name="Rita")

            def encode_id_token(self, token, request):
                return provider.forge(super().encode_id_token(token, request))

        return Tokens

    def _metadata(self):
        return jsonify(
            issuer="https://other.example" if self.fault == "metadata" else self.issuer,
            authorization_endpoint=f"{self.issuer}/authorize",
            token_endpoint=f"{self.issuer}/token",
            jwks_uri=f"{self.issuer}/jwks",
        )

    def forge(self, encoded: str) -> str:
        """Return an ID token as the fault has it; signed by the provider's key where it does not say otherwise."""
        claims = jwt.decode(encoded, self.keys[-1]).claims
        header: dict[str, Any] = {"alg": "RS256", "kid": self.keys[-1].as_dict().get("kid")}
        key: Any = self.keys[-1]
        changes = {
            "expired": {"exp": int(time.time()) - 7200, "iat": int(time.time()) - 9000},
            "nonce": {"nonce": "another"},
            "audience": {"aud": ["somebody-else"]},
            "nobody": {"sub": ""},
        }
        if self.fault == "key":
            key = RSAKey.generate_key(2048, {"kid": "one"})
        if self.fault == "none":
            return ".".join((NO_SIGNATURE, encoded.split(".")[1], ""))
        return jwt.encode(header, {**claims, **changes.get(self.fault, {})}, key)


@contextmanager
def provided(back: str) -> Iterator[IdentityProvider]:
    """Serve a provider that sends browsers back there."""
    provider = IdentityProvider(back)
    thread = threading.Thread(target=provider.http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        provider.http.shutdown()
        thread.join()
        provider.http.server_close()
