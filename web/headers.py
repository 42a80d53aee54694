"""Headers of every answer: nothing runs in a page that does not come from this server as a file of its own."""

from flask import Flask, Response, request

_SOURCES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}


def _policy(**others: str) -> str:
    return "; ".join(f"{what} {whence}" for what, whence in (_SOURCES | others).items())


_HEADERS = {
    "Content-Security-Policy": _policy(),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Forms over TLS are checked against it, so it goes to ourselves; tokens never stand in addresses.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_YEAR_S = 31_536_000


def let_forms_lead_to(response: Response, origin: str) -> None:
    """Let the forms of one page lead to another server too."""
    response.headers["Content-Security-Policy"] = _policy(**{"form-action": f"'self' {origin}"})


def guard(app: Flask) -> None:
    """Set them on every answer, errors and files included."""

    @app.after_request
    def set_headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        if request.is_secure:
            response.headers.setdefault("Strict-Transport-Security", f"max-age={_YEAR_S}")
        return response
