"""A fleet lives for a while, and the register says of it what is true."""

import base64
import json

from patchline.releaser.register import opened
from tests import fleet_vendor
from tests.registers import make_home

STEPS = 80


class Deaf:
    """A vendor who hears nothing."""

    def take(self, data, *, online, now):
        pass

    def tell(self, site, label, now):
        pass

    def accept_restored(self, site, now):
        pass


def test_what_the_simulator_holds_true_lies_on_the_disks(tmp_path, shared_memory):
    with opened(make_home("sqlite", tmp_path / "home")) as register:
        ground = fleet_vendor.prepared(register, tmp_path / "life")
        fleet = ground.fleet(shared_memory, 3, seed=7)
        with ground.channel() as channel:
            for told in fleet.live(Deaf(), channel, STEPS):
                for place in fleet.places:
                    assert place.machine.level().label == place.level, told
                    for said in place.sent[-1:]:
                        document = json.loads(base64.b64decode(json.loads(said.data)["payload"]))
                        assert (document["counter"], document["level"]["label"]) == (said.count, said.level), told
                        assert len(document["drift"]) == said.edited, told
