import pytest

from tests.fleets import Fleet
from tests.hotfixes import Life
from tests.registers import register

__all__ = ["register"]


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Life(register, tmp_path / "files").prepare()


@pytest.fixture
def fleet(life):
    """Sites of customers: nothing was heard of their baselines, so the hotfix is for all of them."""
    found = Fleet(life.register)
    for customer in ("acme", "beta", "own"):
        found.customer(customer)
    return found
