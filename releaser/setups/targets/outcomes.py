"""What becomes of a login that is tried. Only one of them proves that it works, and only one that it is dead."""

from enum import StrEnum

SECONDS = 5
"""To connect, and for each answer."""
HERE = ("127.0.0.1", "::1", "localhost")
"""Names of this machine: nobody stands between, so a connection to them needs no protection."""


class Outcome(StrEnum):
    """What became of a login."""

    WORKS = "works"
    REFUSED = "refused"
    OPEN = "no password is asked for"
    UNREACHABLE = "not reached"
    UNPROVED = "not tried, since who answers there is not proved"
    UNCLEAR = "neither taken nor refused"
    UNTRIED = "cannot be tried here"
