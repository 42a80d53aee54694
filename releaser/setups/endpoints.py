"""What may be written of an endpoint: its kind, its address, and how loans get credentials there."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from patchline.patches.errors import UsageError
from patchline.releaser.tables.setups import KINDS, STRATEGIES

_SCHEMES = {
    "ssh": ("ssh",),
    "database": ("postgresql", "mysql", "mariadb", "oracle", "sqlserver", "db2"),
    "ldap": ("ldap", "ldaps"),
    "http": ("http", "https"),
}
_FITTING = {
    "ssh": ("ssh-certificate", "second-account", "shared-account", "by-hand"),
    "database": ("database-user", "second-account", "shared-account", "by-hand"),
    "ldap": ("second-account", "shared-account", "by-hand"),
    "http": ("second-account", "shared-account", "by-hand"),
}
"""Strategies of each kind; the first is taken where none is named."""
_OPTIONS = {"database": frozenset({"host", "sslmode", "sslrootcert"}), "ldap": frozenset({"sslrootcert"})}
"""What may follow the address; an option of another name may hold a password."""
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_LONGEST = 300


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as somebody tells of it."""

    name: str
    kind: str
    address: str
    strategy: str
    host_fingerprint: str | None = None


def read_endpoint(name: str, kind: str, address: str, strategy: str | None = None) -> Endpoint:
    """Return an endpoint.

    Raises:
        UsageError: a part cannot be written so, or the address holds a person's name or a password.
    """
    if kind not in KINDS:
        raise UsageError("setup-field", f"endpoint {name}: {kind[:80]!r} is no kind: {', '.join(KINDS)}")
    chosen = _FITTING[kind][0] if strategy is None else strategy
    if chosen not in STRATEGIES or chosen not in _FITTING[kind]:
        fitting = ", ".join(_FITTING[kind])
        raise UsageError("setup-field", f"endpoint {name}: {chosen[:80]!r} is no strategy for {kind}: {fitting}")
    _check_address(name, kind, address)
    return Endpoint(name, kind, address, chosen)


def pinned(endpoints: Iterable[Endpoint], pins: Mapping[str, str]) -> list[Endpoint]:
    """Return endpoints with the fingerprints of their hosts.

    Args:
        endpoints: as somebody tells of them.
        pins: fingerprints by the names of endpoints.

    Raises:
        UsageError: a name is of no endpoint of SSH among them, or something is no fingerprint.
    """
    found = list(endpoints)
    kinds = {one.name: one.kind for one in found}
    for name, fingerprint in pins.items():
        check_pin(name, kinds.get(name), fingerprint)
    return [replace(one, host_fingerprint=pins.get(one.name)) for one in found]


def check_pin(name: str, kind: str | None, fingerprint: str) -> None:
    """Refuse what is no fingerprint of a host of SSH.

    Raises:
        UsageError: the endpoint is of another kind, or of none, or it is no fingerprint.
    """
    if kind != "ssh":
        raise UsageError("setup-field", f"{name[:80]!r} is no endpoint of SSH, which alone shows a host key")
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise UsageError(
            "setup-field", f"endpoint {name}: what is pinned is no fingerprint such as ssh-keygen -l prints"
        )


def _check_address(name: str, kind: str, address: str) -> None:
    """Refuse what is no address; it is not repeated, since people paste passwords into addresses."""
    said = f"endpoint {name}: the address is no URL such as {_SCHEMES[kind][0]}://HOST:PORT"
    if len(address) > _LONGEST or not address.isprintable() or " " in address:
        raise UsageError("setup-field", said)
    try:
        parts = urlsplit(address)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        there = parts.hostname or options.get("host")
        _ = parts.port
    except ValueError:
        raise UsageError("setup-field", said) from None
    if parts.scheme not in _SCHEMES[kind] or not there or parts.fragment:
        raise UsageError("setup-field", said)
    if "@" in parts.netloc or (kind in _OPTIONS and not _OPTIONS[kind].issuperset(options)):
        raise UsageError("setup-secret", f"endpoint {name}: the address has a login, or options that may hold one")
