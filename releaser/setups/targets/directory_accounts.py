"""Accounts in LDAP directories, made and removed by an account that may."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from patchline.releaser.setups.targets.directory import connected
from patchline.vault.setups import Login

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # The library asks pyasn1 by names of yesterday.
    import ldap3  # type: ignore[import-untyped]
    from ldap3.core.exceptions import LDAPException  # type: ignore[import-untyped]
    from ldap3.utils.dn import parse_dn  # type: ignore[import-untyped]

_SUCCESS, _MISSING, _NO_MEMBER, _MEMBER_ALREADY = 0, 32, 16, 20


@contextlib.contextmanager
def _bound(address: str, maker: Login) -> Iterator[Any]:
    with connected(address, maker) as connection:
        if not connection.bind(read_server_info=False):
            raise LDAPException("the account by which others are made does not come in")
        yield connection


def create(address: str, maker: Login, login: Login, group: str | None) -> bool:
    """Make an account; the directory itself hashes its password. `group` is one of which it becomes a member."""
    try:
        uid = parse_dn(login.username)[0][1]
        with _bound(address, maker) as connection:
            fields = {"uid": uid, "cn": uid, "sn": "loan"}
            connection.add(login.username, ["inetOrgPerson"], fields)
            if connection.result["result"] != _SUCCESS:
                return False
            connection.extend.standard.modify_password(user=login.username, new_password=login.password)
            if connection.result["result"] != _SUCCESS:
                return False
            return group is None or _member(connection, group, login.username, ldap3.MODIFY_ADD)
    except (LDAPException, OSError, ValueError):
        return False


def _member(connection: Any, group: str, name: str, change: Any) -> bool:
    connection.modify(group, {"member": [(change, [name])]})
    return connection.result["result"] in (_SUCCESS, _NO_MEMBER, _MEMBER_ALREADY)


def delete(address: str, maker: Login, name: str, group: str | None) -> bool:
    """Remove an account; one that is not there is fine."""
    try:
        with _bound(address, maker) as connection:
            if group is not None and not _member(connection, group, name, ldap3.MODIFY_DELETE):
                return False
            connection.delete(name)
            return connection.result["result"] in (_SUCCESS, _MISSING)
    except (LDAPException, OSError, ValueError):
        return False
