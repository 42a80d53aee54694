import pytest

from patchline.releaser.register import opened
from patchline.vault.setups import TeamSecrets
from tests.bao import space
from tests.registers import make_home
from tests.setups import endpoint, setup, site, target_address

__all__ = ["space"]


@pytest.fixture
def vault(space):
    adapter = space.root.adapter
    adapter.post("/v1/sys/mounts/setups", json={"type": "kv", "options": {"version": "2"}})
    space.bao.until(lambda: adapter.post("/v1/setups/config", json={"cas_required": True}))
    return TeamSecrets(space.admin)


@pytest.fixture
def home(tmp_path, space):
    made = make_home("sqlite", tmp_path / "home")
    with opened(made) as register:
        site(register, "lab-1", "lab-2")
        setup(register, "lab-1", endpoint("db", target_address()), endpoint("ui", "https://127.0.0.1:9/", "http"))
    settings = made / "settings.toml"
    address = f'vault_address = "{space.bao.address}"\nvault_namespace = "{space.name}"\n'
    settings.write_text(settings.read_text() + address)
    return made


@pytest.fixture
def registry(home):
    with opened(home) as found:
        yield found
