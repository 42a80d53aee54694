"""A fleet lives for a while, and after every event the register says of it what is true."""

import base64
import json

import pytest

from patchline.releaser.register import opened
from tests import fleet_vendor
from tests.conftest import EXHAUSTIVE
from tests.registers import BACKENDS, make_home

SITES, STEPS = (8, 400) if EXHAUSTIVE else (4, 60)
SEEDS = {"sqlite": 7, "postgresql": 11}


@pytest.mark.parametrize("backend", BACKENDS)
def test_register_knows_of_every_site_what_is_true(backend, tmp_path, shared_memory):
    with opened(make_home(backend, tmp_path / "home")) as register:
        ground = fleet_vendor.prepared(register, tmp_path / "life")
        fleet = ground.fleet(shared_memory, SITES, SEEDS[backend])
        desk = fleet_vendor.Desk(ground)
        desk.expect(fleet)
        lived = []
        with ground.channel() as channel:
            for told in fleet.live(desk, channel, STEPS):
                lived.append(told)
                for place in fleet.places:
                    check_machine(place, lived)
                    assert desk.known(place.name) == place.known, "\n".join(lived)
                for offer in ground.offers:
                    assert desk.answers(offer.fix) == fleet.answers(offer), "\n".join(lived)


def check_machine(place, lived):
    """The simulator's truth is that of the disks."""
    assert place.machine.level().label == place.level, "\n".join(lived)
    for said in place.sent[-1:]:
        document = json.loads(base64.b64decode(json.loads(said.data)["payload"]))
        assert (document["counter"], document["level"]["label"]) == (said.count, said.level), "\n".join(lived)
        assert len(document["drift"]) == said.edited, "\n".join(lived)
