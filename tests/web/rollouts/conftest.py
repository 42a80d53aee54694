"""What tests of the pages on rollouts and recalls share: a product with rings, and one hotfix that is out."""

import pytest

from patchline.releaser import persons, recalls
from patchline.releaser.fleet import contacts
from patchline.releaser.tables.people import Role
from tests.browser import browser
from tests.hotfixes import Life
from tests.pages import Clock, Visitor, make_app
from tests.registers import embedded, register_of_pages
from tests.rings import HOTFIX, Ground
from tests.samples import fix

__all__ = ["browser", "embedded", "register_of_pages"]
HOSTILE = "<script>alert(1)</script>"


class Office:
    """The ground of rollouts with pages over it, and one clock for both."""

    def __init__(self, register, folder):
        folder.mkdir()
        self.clock = Clock()
        self.life = Life(register, folder).prepare()
        assert self.life.published(fixes=[fix("BUG-1")]) == HOTFIX
        self.ground = Ground(register)
        with self.ground.change() as change:
            persons.add(change, "sue", "Sue", [Role.SUPPORT])
        self.ground.ring("canary", "acme-test", "acme-lab")
        self.ground.ring("early", "globex-one", "globex-two")
        self.ground.site("initech-main", customer="initech")
        with self.ground.change() as change:
            contacts.add(change, "acme", contacts.read_person("Eve Ops <eve@acme.example>"))
        self.app = make_app(register, self.clock)

    def visitor(self, person):
        return Visitor(self.app, self.ground.register, self.ground.now).signed_in(person)

    def recall(self):
        """Take the hotfix back, as two people signed it."""
        file = self.life.recall_file(HOTFIX, "ada", "ben")
        with self.ground.change("cleo") as change:
            recalls.take(change, HOTFIX, [file], self.life.root)

    def later(self, **passed):
        self.ground.later(**passed)
        self.clock.now = self.ground.now


@pytest.fixture
def office(register, tmp_path):
    return Office(register, tmp_path / "life")


@pytest.fixture
def plain(embedded, tmp_path):
    return Office(embedded, tmp_path / "life")
