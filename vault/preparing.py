"""What Patchline needs in a server, compared with what is there, and made: engines, policies, roles, keys, approvers.

Each `Step` says how one thing stands; `prepare` makes those that are missing or different, so a second run does nothing.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

import hvac  # type: ignore[import-untyped]

from patchline.patches.errors import VaultError
from patchline.vault import names
from patchline.vault.connection import Connection
from patchline.vault.preparing_loans import DATABASE, LOAN, SSH, LentDatabase, databases, lending, loan_policy
from patchline.vault.signing import KeyName, check_fit, key_facts
from patchline.vault.steps import Standing, Step, equal, read, write

SIGNING, SETUPS, APPROLE = "signing", "setups", "approle"
ROLES = ("web", "broker", "builder", "release", "publisher")
"""Who logs in by AppRole; approvers come by their own login."""
KEYS = ("builder", "release", "publisher")
APPROVER = "approver"
LENDER = "lender"
_PATIENCE = 20
"""How often a new engine is asked until it is ready, every tenth of a second."""


@dataclass(frozen=True)
class Approver:
    """A person with a key of their own.

    Attributes:
        person: as in the policy; part of the key's name.
        mount: of the login that the person uses, such as `userpass` or `oidc`.
        login: the person's name there.
    """

    person: str
    mount: str
    login: str


def policy_name(role: str) -> str:
    """Return what a role's policy, and its AppRole, are called in Vault."""
    return f"patchline-{role}"


def policy_text(role: str) -> str:
    """Return the policy of a role as it ships."""
    return (files("patchline.vault") / "policies" / f"{role}.hcl").read_text(encoding="utf-8")


def role_options(role: str) -> dict[str, Any]:
    """Return how a role logs in: with secret ids that open once and soon, and for short sessions."""
    return {
        "bind_secret_id": True,
        "secret_id_num_uses": 1,
        "secret_id_ttl": 600,
        "token_policies": [policy_name(role)],
        "token_no_default_policy": True,
        "token_ttl": 1200,
        "token_max_ttl": 86_400,
    }


def prepare(
    connection: Connection, approvers: tuple[Approver, ...] = (), lent: tuple[LentDatabase, ...] = ()
) -> list[Step]:
    """Make what is missing or different; returns how everything stood before.

    Args:
        connection: of the server's administrator.
        approvers: who get keys of their own.
        lent: databases in which users are to be made for loans.

    Raises:
        VaultError: Vault cannot be asked, says no, or has something else under a name of ours.
    """
    seen = []
    for look in _looks(connection, approvers, lent):
        # One after the other: keys can be looked for only in an engine that is there.
        for step in look():
            seen.append(step)
            if step.make is not None and step.standing is not Standing.RIGHT:
                step.make()
    return seen


def compare(connection: Connection) -> list[Step]:
    """Tell how everything stands, and change nothing.

    Raises:
        VaultError: Vault cannot be asked, or this login may not look.
    """
    return [step for look in _looks(connection, (), ()) for step in look()]


def _looks(
    connection: Connection, approvers: tuple[Approver, ...], lent: tuple[LentDatabase, ...]
) -> list[Callable[[], Iterator[Step]]]:
    return [
        lambda: _audit(connection),
        lambda: _engines(connection),
        lambda: _policies(connection),
        lambda: _roles(connection),
        lambda: lending(connection),
        lambda: databases(connection, lent),
        lambda: _keys(connection, KEYS),
        lambda: _keys(connection, tuple(f"{APPROVER}-{approver.person}" for approver in approvers)),
        *(lambda one=one: _person(connection, one) for one in approvers),
    ]


def _audit(connection: Connection) -> Iterator[Step]:
    """Look whether somebody writes down what happens; devices belong to the root namespace and the server's settings."""
    root = replace(connection.server, namespace=None)

    def question(vault: hvac.Client) -> dict[str, Any]:
        return dict(root.client(vault.token, vault.session).adapter.get("/v1/sys/audit")["data"])

    try:
        devices = connection.ask("the audit devices", question, safe=True)
    except VaultError as error:
        if error.code not in ("vault.denied", "vault.refused"):
            raise
        yield Step("audit device (this login may not look)", Standing.UNKNOWN)
        return
    yield Step("audit device", Standing.RIGHT if devices else Standing.MISSING)


def _engines(connection: Connection) -> Iterator[Step]:
    mounts, logins = read(connection, "sys/mounts") or {}, read(connection, "sys/auth") or {}
    yield _engine(connection, mounts, SIGNING, {"type": "transit"})
    yield _engine(connection, mounts, SETUPS, {"type": "kv", "options": {"version": "2"}})
    yield _check_and_set(connection)
    yield _engine(connection, mounts, DATABASE, {"type": "database"})
    yield _engine(connection, mounts, SSH, {"type": "ssh"})
    login = {"type": "approle"}
    there = _is_there(logins, APPROLE, login)
    make = None if there else lambda: write(connection, f"sys/auth/{APPROLE}", login)
    yield Step(f"login {APPROLE}/", Standing.RIGHT if there else Standing.MISSING, make)


def _engine(connection: Connection, mounts: Mapping[str, Any], name: str, wish: dict[str, Any]) -> Step:
    if _is_there(mounts, name, wish):
        return Step(f"engine {name}/", Standing.RIGHT)
    return Step(f"engine {name}/", Standing.MISSING, lambda: write(connection, f"sys/mounts/{name}", wish))


def _is_there(mounts: Mapping[str, Any], name: str, wish: Mapping[str, Any]) -> bool:
    found = mounts.get(f"{name}/")
    if found is None:
        return False
    version = (found.get("options") or {}).get("version")
    if found["type"] != wish["type"] or version != wish.get("options", {}).get("version"):
        raise VaultError("prepare", f"{name}/ in Vault is of another type: {found['type']}")
    return True


def _check_and_set(connection: Connection) -> Step:
    """Look whether secrets can be overwritten by somebody who has not seen the newest."""
    path, wish = f"{SETUPS}/config", {"cas_required": True}
    try:
        config = read(connection, path) or {}
    except VaultError as error:
        # A new engine needs a moment; when only comparing, it may not be there at all.
        if error.code not in ("vault.refused", "vault.denied"):
            raise
        config = {}
    right = config.get("cas_required") is True
    standing = Standing.RIGHT if right else Standing.DIFFERENT
    return Step(f"{SETUPS}/ changes only what was seen", standing, lambda: _patiently(connection, path, wish))


def _patiently(connection: Connection, path: str, document: Mapping[str, Any]) -> None:
    for _ in range(_PATIENCE):
        try:
            write(connection, path, document)
            return
        except VaultError as error:
            if error.code not in ("vault.refused", "vault.missing"):
                raise
        time.sleep(0.1)
    write(connection, path, document)


def _policies(connection: Connection) -> Iterator[Step]:
    for role in (*ROLES, APPROVER, LENDER, LOAN):
        path, text = f"sys/policies/acl/{policy_name(role)}", policy_text(role)
        text = loan_policy(text, connection) if role == LOAN else text
        found = read(connection, path)
        yield Step(
            f"policy {policy_name(role)}",
            Standing.MISSING if found is None else equal(str(found["policy"]), text),
            lambda path=path, text=text: write(connection, path, {"policy": text}),  # type: ignore[misc]
        )


def _roles(connection: Connection) -> Iterator[Step]:
    for role in ROLES:
        path, wish = f"auth/{APPROLE}/role/{policy_name(role)}", role_options(role)
        found = read(connection, path)
        yield Step(
            f"role {policy_name(role)}",
            Standing.MISSING if found is None else equal({name: found.get(name) for name in wish}, wish),
            lambda path=path, wish=wish: write(connection, path, wish),  # type: ignore[misc]
        )


def role_ids(connection: Connection) -> dict[str, str]:
    """Return the role id of each role; it is no secret."""
    found = {role: read(connection, f"auth/{APPROLE}/role/{policy_name(role)}/role-id") for role in ROLES}
    return {role: str(answer["role_id"]) for role, answer in found.items() if answer}


def _keys(connection: Connection, keys: tuple[str, ...]) -> Iterator[Step]:
    for key in keys:
        name = KeyName(SIGNING, names.name(key))
        facts = key_facts(connection, name)
        if facts is not None:
            check_fit(facts, name)
            yield Step(f"key {name}", Standing.RIGHT)
            continue
        path, wish = f"{SIGNING}/keys/{name.key}", {"type": "ecdsa-p256"}
        yield Step(
            f"key {name}",
            Standing.MISSING,
            lambda path=path, wish=wish: write(connection, path, wish),  # type: ignore[misc]
        )


def _person(connection: Connection, approver: Approver) -> Iterator[Step]:
    """Look at the entity that a person's login leads to; its metadata says whose key it may use."""
    subject = f"approver {approver.person}, by {approver.login} at {approver.mount}/"
    logins = read(connection, "sys/auth") or {}
    if f"{approver.mount}/" not in logins:
        raise VaultError(
            "prepare", f"Vault has no login {approver.mount}/", hint="bao auth list shows those there are."
        )
    accessor = str(logins[f"{approver.mount}/"]["accessor"])
    path = f"identity/entity/name/{policy_name(names.name(approver.person))}"
    wish = {"metadata": {"person": approver.person}, "policies": [policy_name(APPROVER)]}
    found = read(connection, path)
    aliases = {(alias["mount_accessor"], alias["name"]) for alias in (found or {}).get("aliases") or ()}
    same = found is not None and all(found.get(name) == value for name, value in wish.items())
    right = same and (accessor, approver.login) in aliases

    def make() -> None:
        write(connection, path, wish)
        entity = str((read(connection, path) or {})["id"])
        alias = {"name": approver.login, "canonical_id": entity, "mount_accessor": accessor}
        write(connection, "identity/entity-alias", alias)

    if right:
        yield Step(subject, Standing.RIGHT)
    else:
        yield Step(subject, Standing.MISSING if found is None else Standing.DIFFERENT, make)
