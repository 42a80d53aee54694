"""Lending in tests: a Vault that is prepared for it, accounts by which others are made, and who looks after loans."""

import itertools
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

import hvac
import psycopg
from psycopg import sql

from patchline.releaser.loans import asking, lending, looking
from patchline.releaser.loans.asking import Wanted
from patchline.releaser.loans.brokering import tend
from patchline.releaser.loans.caring import look_after
from patchline.releaser.loans.cases import Hands
from patchline.releaser.register import Register
from patchline.releaser.setups.targets import postgresql
from patchline.vault.connection import Connection
from patchline.vault.loans import LoanVault
from patchline.vault.login import AppRole, OwnToken
from patchline.vault.preparing import prepare
from patchline.vault.preparing_loans import LentDatabase
from patchline.vault.setups import Login
from tests.bao import Space
from tests.setups import _administrator, _asks_passwords, target_address

HOUR = timedelta(hours=1)
MAKERS_PASSWORD = "canary-maker-of-loans"


@cache
def maker() -> tuple[str, str]:
    """An account of the embedded PostgreSQL that makes others, and the group that those may be of."""
    group, name = f"borrowers_{uuid.uuid4().hex[:6]}", f"maker_{uuid.uuid4().hex[:6]}"
    asked = _asks_passwords()
    with psycopg.connect(_administrator(), autocommit=True) as connection:
        for statement in (
            sql.SQL("CREATE ROLE {group}"),
            sql.SQL("GRANT {asked} TO {group}"),
            sql.SQL("CREATE ROLE {name} LOGIN CREATEROLE PASSWORD {password}"),
            sql.SQL("GRANT {group} TO {name} WITH ADMIN OPTION"),
        ):
            parts = {"group": sql.Identifier(group), "name": sql.Identifier(name), "asked": sql.Identifier(asked)}
            connection.execute(statement.format(**parts, password=sql.Literal(MAKERS_PASSWORD)))
    return name, group


def roles_like(text: str) -> list[str]:
    """The accounts of the embedded PostgreSQL whose names hold a text."""
    with psycopg.connect(_administrator(), autocommit=True) as connection:
        rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", [f"%{text}%"])
        return [name for (name,) in rows]


def opens(login: Login) -> bool:
    return postgresql.try_login(target_address(), login) == "works"


@dataclass
class Clock:
    """A clock that a test moves; it begins with the day's, since targets have clocks of their own."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    ticks: "itertools.count[int]" = field(default_factory=itertools.count)

    def __call__(self) -> datetime:
        return self.now + timedelta(milliseconds=next(self.ticks))


@dataclass
class Lending:
    """Loans of a register with a real Vault."""

    register: Register
    space: Space
    clock: Clock = field(default_factory=Clock)

    def put(self, path: str, **secret: str) -> None:
        """Let an owner put a secret into Vault, over whatever is there."""
        adapter = self.space.root.adapter
        try:
            seen = adapter.get(f"/v1/setups/metadata/{path}")["data"]["current_version"]
        except hvac.exceptions.InvalidPath:
            seen = 0
        adapter.post(f"/v1/setups/data/{path}", json={"data": secret, "options": {"cas": seen}})

    def put_maker(self, setup: str = "lab-1", endpoint: str = "db") -> None:
        name, group = maker()
        self.put(f"{setup}/lending/{endpoint}", username=name, password=MAKERS_PASSWORD, group=group)

    def lend_users(self, setup: str = "lab-1", endpoint: str = "db", address: str | None = None) -> None:
        """Let Vault make users of a database."""
        self.put_maker(setup, endpoint)
        prepare(self.space.admin, (), (LentDatabase(setup, endpoint, address or target_address()),))

    def broker(self) -> Hands:
        """The broker, by its own role."""
        role = self.space.role_id("patchline-broker")
        login = AppRole(role, lambda: self.space.wrapped("patchline-broker"))
        return Hands(self.register, LoanVault(Connection(self.space.server, login)), self.clock)

    def lender(self, *policies: str) -> Hands:
        """A lender by their own login, with the lender's policy and their team's."""
        token = self.space.root.adapter.post(
            "/v1/auth/token/create", json={"policies": ["patchline-lender", *policies], "ttl": "1h"}
        )["auth"]["client_token"]
        return Hands(self.register, LoanVault(Connection(self.space.server, OwnToken(token))), self.clock, own=True)

    def ask(self, setup: str = "lab-1", hours: float = 48, by: str = "bob", **given) -> str:
        wanted = Wanted(setup, given.pop("team", "mobile"), "CASE-7", self.clock.now + hours * HOUR, **given)
        with self.register.change(by, self.clock()) as change:
            return asking.request(change, wanted).loan.id

    def approve(self, loan: str, by: str = "ada", done=None) -> str:
        with self.register.change(by, self.clock()) as change:
            lending.approve(change, loan, done)
        return loan

    def give_back(self, loan: str, by: str = "bob", done=None) -> None:
        with self.register.change(by, self.clock()) as change:
            asking.give_back(change, loan, done)

    def lent(self, hands: Hands | None = None, **given) -> str:
        """A loan whose credentials were made."""
        loan = self.approve(self.ask(**given))
        look_after(hands or self.broker(), loan)
        return loan

    def seen(self, loan: str) -> looking.Seen:
        with self.register.read() as session:
            return looking.the_loan(session, loan)

    def state(self, loan: str) -> str:
        return self.seen(loan).stands(self.clock.now).value

    def login(self, loan: str, endpoint: str = "db", setup: str = "lab-1") -> Login:
        """What the borrower would be given."""
        found = LoanVault(self.space.admin).read(setup, loan).credentials[endpoint]
        return Login(found["username"], found["password"])

    def later(self, hours: float, hands: Hands | None = None):
        """Let time pass, and the broker make its round."""
        self.clock.now += hours * HOUR
        return tend(hands or self.broker())


def prepared(register: Register, space: Space) -> Lending:
    prepare(space.admin)
    return Lending(register, space)
