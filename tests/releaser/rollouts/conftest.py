"""What tests of rollouts share."""

import pytest

from patchline.releaser.register import Register
from tests.registers import register
from tests.rings import Ground

__all__ = ["register"]


@pytest.fixture
def bare(register: Register) -> Ground:
    """A product without sites."""
    return Ground(register).prepare()


@pytest.fixture
def ground(bare: Ground) -> Ground:
    """Rings early (a, b) and late (c, d); e and f are in none; one revision is published."""
    for name in "abcdef":
        bare.site(name)
    bare.ring("early", "a", "b")
    bare.ring("late", "c", "d")
    bare.hotfix()
    return bare
