"""Setups in a test's register: sites of the vendor's own, for tests."""

import time
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from patchline.releaser.register import Register
from patchline.releaser.setups import keeping
from patchline.releaser.setups.endpoints import Endpoint, read_endpoint
from tests.fleets import Fleet
from tests.registers import NOW, postgresql_server

DATABASE = "postgresql://lab-1.example:5432/shop"


def site(register: Register, *names: str) -> None:
    """Add sites of a test environment."""
    fleet = Fleet(register).product("demo", "1.0")
    fleet.customer("own")
    for name in names:
        fleet.site(name, "own", environment="test")


def endpoint(
    name: str = "db", address: str = DATABASE, kind: str = "database", strategy: str | None = None
) -> Endpoint:
    return read_endpoint(name, kind, address, strategy)


def setup(register: Register, name: str = "lab-1", *endpoints: Endpoint, team: str = "platform") -> str:
    """Make a setup of a site that is there."""
    with register.change("ada", NOW) as change:
        keeping.add(change, keeping.NewSetup(name, team, endpoints=endpoints))
    return name


@cache
def _asks_passwords() -> str:
    """Let the embedded PostgreSQL ask the members of a role for passwords; returns the role."""
    with psycopg.connect(_administrator(), autocommit=True) as connection:
        connection.execute("CREATE ROLE asked_for_passwords")
        (file,) = connection.execute("SHOW hba_file").fetchone()
        rules = Path(file)
        rules.write_text("local all +asked_for_passwords scram-sha-256\n" + rules.read_text())
        connection.execute("SELECT pg_reload_conf()")
    return "asked_for_passwords"


def _administrator() -> str:
    return postgresql_server().replace("postgresql+psycopg:", "postgresql:")


def target_address() -> str:
    """The embedded PostgreSQL as a setup's endpoint names it."""
    return f"postgresql:///postgres?{urlsplit(_administrator()).query}"


@dataclass(frozen=True)
class Account:
    """An account in a real PostgreSQL."""

    name: str
    password: str

    @classmethod
    def made(cls, password: str, group: str | None = None) -> "Account":
        name = f"team_{uuid.uuid4().hex[:10]}"
        statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password))
        with psycopg.connect(_administrator(), autocommit=True) as connection:
            connection.execute(statement)
            for role in filter(None, [_asks_passwords() if group is None else group]):
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(name)))
        made = cls(name, password)
        while group is None and made.opens(f"not {password}"):
            time.sleep(0.02)  # Until the server has read its rules again.
        return made

    def opens(self, password: str) -> bool:
        try:
            psycopg.connect(target_address(), user=self.name, password=password).close()
        except psycopg.OperationalError:
            return False
        return True
