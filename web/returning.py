"""Where somebody goes on after signing in: to a page of ours, and nowhere else."""

from urllib.parse import urlsplit

_LONGEST = 2000


def local(to: str | None) -> str:
    """Return a path of ours that somebody wanted; what could lead elsewhere, or back to signing in, is the first page.

    Browsers drop control characters and take a backslash for a slash, so neither is let through.
    """
    if not to or len(to) > _LONGEST or not to.startswith("/") or to.startswith("//") or "\\" in to:
        return "/"
    if not to.isprintable() or " " in to:
        return "/"
    try:
        parts = urlsplit(to)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path.startswith(("/sign-in", "/sign-out", "//")):
        return "/"
    return to
