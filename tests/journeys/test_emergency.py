"""An emergency from the vendor's register to one customer: shipped by one person for some hours, ratified by two."""

import pytest

from patchline.patches.trust import Trust, trust_document
from patchline.releaser import approvals, policies, publishing
from tests import vendor
from tests.channel_worlds import clock_at
from tests.hotfixes import Life
from tests.programs import run
from tests.registers import register
from tests.samples import NEW, OLD
from tests.worlds import World

__all__ = ["register"]
RULE = {"role": "security", "max_hours": 24, "threshold": 1}
US = frozenset({"c-1"})


class Hurry(Life):
    """The vendor, and sites of customers that fetch from its channel."""

    def ship(self):
        """One person, who holds the role, brings it out."""
        identifier = self.reviewed(wanted={"customers": ("c-1",)})
        self.approve(identifier, "ben", scope=US, emergency=12)
        self.publish(identifier)
        return identifier

    def ratify(self, identifier):
        for key in ("ada", "ben"):
            sidecar = self.approval(identifier, key, scope=US)
            with self.change() as change:
                approvals.ratify(change, identifier, sidecar, self.root)
        publishing.put_again(self.register, self.channel, "rita", self.now, f"{identifier}-r1")

    def customer(self, name):
        with self.register.read() as session:
            trust = policies.vendor_trust(session, "demo", self.root)
        data = trust_document(product="demo", root=self.root, policy=trust.policy_envelope, customer=name)
        return Site(self, World(self.folder / name, {"a.txt": OLD}, now=self.now, trust=Trust.parse(data)))


class Site:
    def __init__(self, vendor_, world):
        self.vendor, self.world = vendor_, world

    def run(self, *arguments, expect=0):
        place = ("--root", self.world.root, "--state", self.world.state)
        with clock_at(self.vendor.now):
            return run("patchline-site", *arguments, *place, "--json", expect=expect).document

    def fetch(self):
        return self.run("fetch", "--from", self.vendor.register.channel)

    def unratified(self):
        return [one["unratified"] for one in self.run("inventory")["hotfixes"]]


@pytest.fixture
def hurry(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Hurry(register, tmp_path / "files").prepare(vendor.policy_document(emergency=RULE))


def test_emergency_reaches_its_customer_alone_and_is_ratified_where_it_is_applied(hurry):
    identifier, us, others = hurry.ship(), hurry.customer("c-1"), hurry.customer("c-2")
    [offer] = others.fetch()["offers"]
    assert (offer["standing"], offer["path"]) == ("elsewhere", None)
    [offer] = us.fetch()["offers"]
    assert (offer["standing"], offer["emergency"]) == ("new", 12)
    assert us.run("apply", offer["path"], expect=12)["error"] == "refused.emergency"
    us.run("apply", offer["path"], "--accept-emergency")
    assert (us.world.root / "a.txt").read_bytes() == NEW and us.unratified() == [True]
    hurry.later(hours=30)
    assert us.fetch()["ratified"] == [] and us.unratified() == [True]
    hurry.ratify(identifier)
    assert us.fetch()["ratified"] == [f"{identifier}-r1"]
    assert us.unratified() == [False]


def test_emergency_that_nobody_ratified_is_applied_no_more(hurry):
    identifier, early, late = hurry.ship(), hurry.customer("c-1"), hurry.customer("c-1b")
    path = early.fetch()["offers"][0]["path"]
    hurry.later(hours=13)
    assert early.run("apply", path, "--accept-emergency", expect=26)["error"] == "expired.emergency"
    assert early.fetch()["offers"][0]["standing"] == "unratified"
    assert late.fetch()["offers"][0]["standing"] == "elsewhere"
    hurry.ratify(identifier)
    assert early.fetch()["offers"][0]["standing"] == "new"
    early.run("apply", early.fetch()["offers"][0]["path"])
    assert early.unratified() == [False]
