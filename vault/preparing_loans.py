"""What lending needs in a server: the token role of loans, the authority of SSH certificates, quotas, users of databases."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import hvac  # type: ignore[import-untyped]

from patchline.patches.errors import VaultError
from patchline.vault import names
from patchline.vault.connection import Connection
from patchline.vault.steps import Standing, Step, equal, read, write

DATABASE, SSH = "database", "ssh"
TOKEN_ROLE = SSH_ROLE = "loan"  # noqa: S105 (a name)
LOAN = "loan"
LONGEST = 31 * 86_400
"""Seconds that a loan can last, however often it is extended; Vault itself ends it then."""
CERTIFICATE = 8 * 3600
"""Seconds that an SSH certificate is good for."""
_LEASE = 3600
_AUTHORITY = {"generate_signing_key": True, "key_type": "ed25519"}
_QUOTAS = {f"auth/token/create/{TOKEN_ROLE}": 20, f"{DATABASE}/": 50}
"""Requests a second: what a broker gone wild could do at most."""

_CREATION = "CREATE ROLE \"{{{{name}}}}\" LOGIN PASSWORD '{{{{password}}}}' VALID UNTIL '{{{{expiration}}}}' IN ROLE \"{group}\""
# Sessions end too, and what the user made goes: else the user could not go. First of all nobody new comes in.
_REVOCATION = [
    'ALTER ROLE "{{name}}" NOLOGIN',
    'GRANT "{{name}}" TO CURRENT_USER',
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}'",
    'DROP OWNED BY "{{name}}"',
    'DROP ROLE IF EXISTS "{{name}}"',
]


@dataclass(frozen=True)
class LentDatabase:
    """An endpoint at which Vault is to make users.

    Attributes:
        address: without a login.
    """

    setup: str
    endpoint: str
    address: str


def database_role(setup: str, endpoint: str) -> str:
    """Return what connection and role of an endpoint are called; a dot is in no name, so no setup begins like another."""
    return f"{setup}.{endpoint}"


def loan_policy(text: str, connection: Connection) -> str:
    """Return the policy of loans' tokens for this server: it goes by the name that the token's alias has."""
    return text.replace("TOKEN_ACCESSOR", str((read(connection, "sys/auth") or {})["token/"]["accessor"]))


def token_role() -> dict[str, Any]:
    """Return how tokens of loans are made: orphans with one policy, for no longer than the longest loan."""
    return {
        "allowed_policies": ["patchline-loan"],
        "allowed_entity_aliases": ["*"],
        "orphan": True,
        "renewable": True,
        "token_explicit_max_ttl": LONGEST,
        "token_no_default_policy": True,
        "token_type": "service",
    }


def _ssh_role() -> dict[str, Any]:
    return {
        "key_type": "ca",
        "allow_user_certificates": True,
        "allowed_users": "*",
        "allow_user_key_ids": False,
        "default_extensions": {"permit-pty": ""},
        "ttl": CERTIFICATE,
        "max_ttl": CERTIFICATE,
    }


def lending(connection: Connection) -> Iterator[Step]:
    """Look at what all loans need."""
    yield from _role(connection, f"auth/token/roles/{TOKEN_ROLE}", "token role loan", token_role())
    authority = None if (found := _found(connection, f"{SSH}/config/ca")) is None else found.get("public_key")
    make = None if authority else (lambda: write(connection, f"{SSH}/config/ca", _AUTHORITY))
    yield Step("authority of SSH certificates", Standing.RIGHT if authority else Standing.MISSING, make)
    yield from _role(connection, f"{SSH}/roles/{SSH_ROLE}", "SSH role loan", _ssh_role())
    yield from _quotas(connection)


def _role(connection: Connection, path: str, subject: str, wish: Mapping[str, Any]) -> Iterator[Step]:
    found = _found(connection, path)
    standing = Standing.MISSING
    if found is not None:
        standing = equal({name: found.get(name) for name in wish}, dict(wish))
    yield Step(subject, standing, lambda: write(connection, path, wish))


def _found(connection: Connection, path: str) -> dict[str, Any] | None:
    """Return what lies at a path of an engine; None where nothing does, or where there is no engine yet."""
    try:
        return read(connection, path)
    except VaultError as error:
        if error.code in ("vault.refused", "vault.denied", "vault.unsupported"):
            return None
        raise


def _quotas(connection: Connection) -> Iterator[Step]:
    """Look at the quotas; they belong to the root namespace, whose administrator alone can make them."""
    root = replace(connection.server, namespace=None)
    inside = f"{connection.server.namespace}/" if connection.server.namespace else ""
    for path, rate in _QUOTAS.items():
        name = f"patchline-{inside}{path}".strip("/").replace("/", "-")
        wish = {"path": f"{inside}{path}", "rate": rate, "interval": 1}
        place = f"/v1/sys/quotas/rate-limit/{name}"

        def look(vault: hvac.Client, place: str = place) -> dict[str, Any]:
            return dict(root.client(vault.token, vault.session).adapter.get(place)["data"])

        def make(place: str = place, wish: dict[str, Any] = wish) -> None:
            connection.ask(
                "the quotas", lambda vault: root.client(vault.token, vault.session).adapter.post(place, json=wish)
            )

        subject = f"quota of {path}"
        try:
            found = connection.ask("the quotas", look, safe=True)
        except VaultError as error:
            if error.code == "vault.missing":
                yield Step(subject, Standing.MISSING, make)
            elif error.code in ("vault.denied", "vault.refused"):
                yield Step(f"{subject} (this login may not look)", Standing.UNKNOWN)
            else:
                raise
            continue
        yield Step(subject, equal({key: found.get(key) for key in wish}, wish), make)


def databases(connection: Connection, lent: tuple[LentDatabase, ...]) -> Iterator[Step]:
    """Look at the roles by which users of databases are made, each by the account that its owner put into Vault.

    Raises:
        VaultError: an owner put none there, or it lacks what is needed.
    """
    for one in lent:
        role = database_role(names.name(one.setup), names.name(one.endpoint))
        maker = _maker(connection, one)
        wish = {
            "db_name": role,
            "creation_statements": [_CREATION.format(group=_identifier(maker["group"], one))],
            "revocation_statements": _REVOCATION,
            "default_ttl": _LEASE,
            "max_ttl": LONGEST,
        }
        found = _found(connection, f"{DATABASE}/roles/{role}")
        standing = Standing.MISSING
        if found is not None:
            standing = equal({name: found.get(name) for name in wish}, wish)

        def make(role: str = role, one: LentDatabase = one, maker: Any = maker, wish: Any = wish) -> None:
            write(connection, f"{DATABASE}/config/{role}", _connection_document(one, maker, role))
            write(connection, f"{DATABASE}/roles/{role}", wish)

        yield Step(f"users of {one.setup} {one.endpoint}", standing, make)


def _maker(connection: Connection, one: LentDatabase) -> dict[str, str]:
    found = read(connection, f"setups/data/{one.setup}/lending/{one.endpoint}")
    maker = {str(key): str(value) for key, value in (found or {}).get("data", {}).items()}
    if missing := [key for key in ("username", "password", "group") if not maker.get(key)]:
        raise VaultError("maker", f"setups/{one.setup}/lending/{one.endpoint} lacks {', '.join(missing)}")
    return maker


def _identifier(group: str, one: LentDatabase) -> str:
    if not group.replace("_", "").replace("-", "").isalnum() or not group.isascii():
        raise VaultError("maker", f"the group at setups/{one.setup}/lending/{one.endpoint} is no name of a role")
    return group


def _connection_document(one: LentDatabase, maker: Mapping[str, str], role: str) -> dict[str, Any]:
    parts = urlsplit(one.address)
    if parts.scheme != "postgresql":
        raise VaultError("maker", f"{one.setup} {one.endpoint} is no PostgreSQL; Vault makes users there alone")
    query = f"?{parts.query}" if parse_qs(parts.query) else ""
    return {
        "plugin_name": "postgresql-database-plugin",
        "allowed_roles": [role],
        "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@{parts.netloc}{parts.path}{query}",
        "username": maker["username"],
        "password": maker["password"],
        "password_authentication": "scram-sha-256",
        "verify_connection": True,
    }
