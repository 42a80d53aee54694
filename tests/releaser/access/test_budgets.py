from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from patchline.patches.errors import BudgetError
from patchline.releaser.access.budgets import Budgets
from tests.api import Program
from tests.pages import Clock, make_app
from tests.registers import NOW, statements


def spend(budgets, now=NOW, key="plt_aaaaaaaa"):
    try:
        budgets.spend(key, now)
    except BudgetError as error:
        return error.wait
    return 0


def test_all_processes_together_give_out_no_more_than_the_budget(register):
    processes = [Budgets(register, 100, 30) for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        waits = list(pool.map(lambda number: spend(processes[number % 3]), range(180)))
    assert waits.count(0) == 100
    assert {wait for wait in waits if wait} == {60}


def test_next_minute_has_a_budget_of_its_own_and_so_has_everybody_else(register):
    budgets = Budgets(register, 2, 2)
    assert [spend(budgets, NOW + timedelta(seconds=40)) for _ in range(3)] == [0, 0, 20]
    assert spend(budgets, key="plt_bbbbbbbb") == 0
    assert spend(budgets, NOW + timedelta(seconds=60)) == 0


def test_most_requests_ask_no_database(register):
    budgets = Budgets(register)
    with statements(register) as said:
        for _ in range(120):
            assert spend(budgets) == 0
    assert len(said) == 2


def test_program_that_asks_too_much_is_told_when_to_come_again(embedded, monkeypatch):
    monkeypatch.setattr("patchline.web.api.bearer.Budgets", lambda register: Budgets(register, 3, 1))
    clock = Clock()
    rita = Program(make_app(embedded, clock), embedded)
    for _ in range(3):
        rita.get("/customers")
    refused = rita.ask("GET", "/customers", 429)
    assert refused.headers["Retry-After"] == "60" and refused.json["code"] == "budget.spent"
    clock.now += timedelta(seconds=60)
    rita.get("/customers")
    with pytest.raises(BudgetError):
        for _ in range(4):
            Budgets(embedded, 3, 1).spend("key", NOW)
