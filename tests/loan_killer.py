"""Kill whoever looks after a loan at its steps, on a real Vault and database; run as a program, which forks.

    python -m tests.loan_killer HOME ADDRESS NAMESPACE PHASE STRIDE < root token

A step is each request to Vault before it goes out, the same once it is answered, and each change of the register once it
is in. After each kill somebody else looks after the loan, and all must be as if nothing had happened. Prints the kills.
"""

import os
import signal
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from patchline.releaser.database import Database
from patchline.releaser.loans import asking, lending, looking
from patchline.releaser.loans.asking import Wanted
from patchline.releaser.loans.brokering import sweep
from patchline.releaser.loans.caring import look_after
from patchline.releaser.loans.cases import Hands
from patchline.releaser.register import opened
from patchline.releaser.setups.targets import postgresql
from patchline.vault.connection import Connection, Server
from patchline.vault.loans import LoanVault
from patchline.vault.login import OwnToken
from patchline.vault.session import Session
from patchline.vault.setups import Login
from tests.kill_driver import killed
from tests.lending import HOUR


def clock() -> datetime:
    return datetime.now(UTC)


class Trial:
    """A home whose setup is lent and taken back again and again."""

    def __init__(self, home: str, address: str, namespace: str, token: str) -> None:
        self.home, self.server, self.token = Path(home), Server(address, namespace), token

    @contextmanager
    def hands(self):
        with opened(self.home) as register:
            yield Hands(register, LoanVault(Connection(self.server, OwnToken(self.token))), clock)

    def asked(self) -> str:
        with self.hands() as hands:
            with hands.register.change("bob", clock()) as change:
                loan = asking.request(change, Wanted("lab-1", "mobile", "CASE-7", clock() + 48 * HOUR)).loan.id
            with hands.register.change("ada", clock()) as change:
                lending.approve(change, loan)
        return loan

    def given_back(self, loan: str) -> None:
        with self.hands() as hands, hands.register.change("bob", clock()) as change:
            asking.give_back(change, loan)

    def act(self, loan: str, last: int | None = None) -> None:
        if last is not None:
            deadly(last)
        with self.hands() as hands:
            look_after(hands, loan)

    def must_be_lent_once(self, loan: str) -> Login:
        with self.hands() as hands:
            with hands.register.read() as session:
                seen = looking.the_loan(session, loan)
            assert seen.loan.state == "on-loan", seen.loan.state
            assert [accessor for accessor, of in hands.vault.tokens() if of == loan] == [seen.loan.accessor]
            kept = hands.vault.read("lab-1", loan).credentials["db"]
            login = Login(kept["username"], kept["password"])
            assert postgresql.try_login(seen.parts[0][1].address, login) == "works"
            assert sweep(hands) == []
        return login

    def must_be_over(self, loan: str, login: Login) -> None:
        with self.hands() as hands:
            with hands.register.read() as session:
                seen = looking.the_loan(session, loan)
            assert (seen.loan.state, seen.parts[0][0].state) == ("returned", "dead")
            assert loan not in [of for _, of in hands.vault.tokens()]
            sweep(hands)
            assert hands.vault.read("lab-1", loan).number == 0
            assert postgresql.try_login(seen.parts[0][1].address, login) == "refused"


def deadly(last: int) -> None:
    """Let this process end at a step, as `kill -9` does."""
    left = last
    send, write = Session.send, Database.write

    def step() -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    def sending(self, request, **options):
        step()
        answer = send(self, request, **options)
        step()
        return answer

    @contextmanager
    def writing(self):
        with write(self) as session:
            yield session
        step()

    Session.send, Database.write = sending, writing


def main(home: str, address: str, namespace: str, phase: str, stride: str) -> None:
    trial = Trial(home, address, namespace, sys.stdin.readline().strip())
    kills, number = 0, 0
    while True:
        loan = trial.asked()
        if phase == "return":
            trial.act(loan)
            login = trial.must_be_lent_once(loan)
            trial.given_back(loan)
        was_killed = killed(partial(trial.act, loan, number))
        kills += was_killed
        trial.act(loan)
        if phase == "lend":
            login = trial.must_be_lent_once(loan)
            trial.given_back(loan)
            trial.act(loan)
        trial.must_be_over(loan, login)
        if not was_killed:
            break
        number += int(stride)
    print(kills)


if __name__ == "__main__":
    main(*sys.argv[1:])
