import pytest

from patchline.releaser.register import opened
from tests import lending, setups
from tests.bao import space
from tests.registers import make_home
from tests.setups import endpoint, target_address

__all__ = ["space"]


@pytest.fixture
def lab(tmp_path, space):
    """A register with two setups of the team platform, and a Vault that is ready to lend."""
    home = make_home("sqlite", tmp_path / "home")
    settings = home / "settings.toml"
    address = f'vault_address = "{space.bao.address}"\nvault_namespace = "{space.name}"\n'
    settings.write_text(settings.read_text() + address)
    with opened(home) as register:
        setups.site(register, "lab-1", "lab-2")
        setups.setup(register, "lab-1", endpoint("db", target_address()))
        yield lending.prepared(register, space)
