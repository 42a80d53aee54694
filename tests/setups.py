"""Setups in a test's register: sites of the vendor's own, for tests."""

from patchline.releaser.register import Register
from patchline.releaser.setups import keeping
from patchline.releaser.setups.endpoints import Endpoint, read_endpoint
from tests.fleets import Fleet
from tests.registers import NOW

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
