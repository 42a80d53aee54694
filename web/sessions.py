"""The two cookies of the pages: one for the vendor's people, one for customers; neither counts as the other.

A cookie holds what keeps forms from being forged, and the token of a session that lives on the server; it is signed,
and worth nothing once that session has ended.
"""

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from patchline.releaser.tables.access import CUSTOMER, VENDOR

PORTAL = "/portal"
"""Where the customers' pages lie."""


def audience() -> str:
    """Return whose pages are asked for."""
    path = request.path
    return CUSTOMER if path == PORTAL or path.startswith(f"{PORTAL}/") else VENDOR


class Cookies(SecureCookieSessionInterface):
    """Flask's signed cookies, with a name, a path and a signature of its own for each audience."""

    def get_cookie_name(self, app: Flask) -> str:
        """Return the name; browsers let `__Host-` be set by nobody but this very server, over TLS."""
        name = f"patchline-{audience()}"
        return f"__Host-{name}" if self.get_cookie_secure(app) and audience() == VENDOR else name

    def get_cookie_path(self, app: Flask) -> str:
        """Return the path; the vendor's pages are everything else, so theirs goes everywhere."""
        return PORTAL if audience() == CUSTOMER else "/"

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Return what signs; a cookie of one audience has no valid signature for the other."""
        if not app.secret_key:
            return None
        options = {"key_derivation": self.key_derivation, "digest_method": self.digest_method}
        salt = f"{self.salt} {audience()}"
        return URLSafeTimedSerializer(app.secret_key, salt=salt, serializer=self.serializer, signer_kwargs=options)
