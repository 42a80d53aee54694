import pytest

from tests.hotfixes import Life
from tests.registers import embedded, register

__all__ = ["embedded", "register"]


@pytest.fixture
def life(embedded, tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    return Life(embedded, folder)


@pytest.fixture
def lives(register, tmp_path):
    """The same on both databases."""
    folder = tmp_path / "papers"
    folder.mkdir()
    return Life(register, folder)
