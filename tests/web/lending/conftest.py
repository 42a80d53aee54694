"""What tests of the pages on setups and loans share: two setups of the team platform, whom others ask for them."""

import pytest
from sqlalchemy import select

from patchline.releaser import persons
from patchline.releaser.compatibility.declaring import declare
from patchline.releaser.evidence import attach, read_results
from patchline.releaser.loans import asking, lending
from patchline.releaser.loans.asking import Wanted
from patchline.releaser.setups import keeping
from patchline.releaser.tables.loans import Loan, LoanHandover, LoanPart
from patchline.releaser.tables.people import Role
from patchline.releaser.tables.setups import SetupCredential
from tests import setups
from tests.browser import browser
from tests.fleets import Fleet
from tests.hotfixes import Life
from tests.lending import HOUR
from tests.pages import Clock, Visitor, make_app
from tests.registers import NOW, embedded, register_of_pages

__all__ = ["browser", "embedded", "register_of_pages"]
HOSTILE = "<script>alert(1)</script>\"'\u202e"
SENSITIVE = "lab-2"


class Lab:
    """A register with setups, pages over it, and one clock for both; Sue is support, Ann an auditor."""

    def __init__(self, register):
        self.register, self.clock = register, Clock()
        setups.site(register, "lab-1", SENSITIVE, "lab-3")
        setups.setup(register, "lab-1", setups.endpoint("db"))
        with register.change("rita", NOW) as change:
            persons.add(change, "sue", "Sue", [Role.SUPPORT])
            persons.add(change, "ann", "Ann", [Role.AUDITOR])
            facets = (("database", f"PostgreSQL {HOSTILE[:8]}"), ("ldap", "OpenLDAP"))
            wanted = keeping.NewSetup(SENSITIVE, "web", True, facets, (setups.endpoint("db"),))
            keeping.add(change, wanted)
            by_hand = setups.endpoint("ui", "https://127.0.0.1:9/", "http", "by-hand")
            keeping.add(change, keeping.NewSetup("lab-3", "platform", endpoints=(by_hand,)))
        self.app = make_app(register, self.clock)

    def visitor(self, person):
        return Visitor(self.app, self.register, self.clock.now).signed_in(person)

    def ask(self, setup="lab-1", hours=48, by="sue", starts=None, purpose="CASE-7"):
        wanted = Wanted(setup, "mobile", purpose, self.clock.now + hours * HOUR, starts)
        with self.register.change(by, self.clock()) as change:
            return asking.request(change, wanted).loan.id

    def approve(self, loan, by="ada", done=None):
        with self.register.change(by, self.clock()) as change:
            lending.approve(change, loan, done)
        return loan

    def put(self, loan, state, **columns):
        """Let a loan stand as the broker would leave it."""
        with self.register.database.write() as session:
            row = session.get_one(Loan, loan)
            if row.state == "issuing" and state not in ("on-loan", "issuing"):
                row.state = "on-loan"
                session.flush()
            if row.state == "on-loan" and state in ("quarantined", "returned"):
                row.state = "revoking"
                session.flush()
            for part in session.scalars(select(LoanPart).where(LoanPart.loan == loan)):
                part.state, part.proved = ("dead", self.clock()) if state == "returned" else ("made", None)
            session.flush()
            row.state = state
            for name, value in columns.items():
                setattr(row, name, value)
        return loan

    def lent(self, setup="lab-1", **given):
        return self.put(self.approve(self.ask(setup, **given)), "on-loan", issued=self.clock())

    def handed(self, loan):
        with self.register.database.write() as session:
            now = self.clock()
            session.add(LoanHandover(loan=loan, key="k", asked=now, asked_by="sue", accessor="a", expires=now + HOUR))

    def credential(self, setup="lab-1"):
        with self.register.database.write() as session:
            endpoint, _ = keeping.the_setup(session, setup).endpoints[0]
            place = {"mount": "patchline", "path": f"setups/{setup}/team/db", "number": 4, "username": "shop_admin"}
            row = SetupCredential(endpoint=endpoint.id, audience="team", added=NOW, added_by="ada", **place)
            session.add(row)


@pytest.fixture
def lab(register):
    return Lab(register)


@pytest.fixture
def plain(embedded):
    return Lab(embedded)


def untested(register, folder, login):
    """Let a hotfix be tested on lab-1, while a customer runs something else; return its id."""
    folder.mkdir()
    life, fleet = Life(register, folder).prepare(), Fleet(register)
    for customer in ("acme", "own"):
        fleet.customer(customer)
    for name in ("acme-1", "acme-2", "acme-3"):
        fleet.site(name, "acme")
    fleet.site("lab-1", "own", environment="test")
    tested, other = [("database", "PostgreSQL 15")], [("database", "Oracle 19"), ("ldap", f"OpenLDAP {HOSTILE[:17]}")]
    with register.change("ada", NOW) as change:
        keeping.add(change, keeping.NewSetup("lab-1", "platform", facets=tuple(tested), endpoints=(login,)))
    with register.change("rita", NOW) as change:
        declare(change, "acme-1", tested)
        declare(change, "acme-2", other)
    hotfix = life.new()
    life.build(hotfix)
    results = folder / "results.xml"
    results.write_text('<testsuite name="lab-1"><testcase name="a"/></testsuite>')
    with life.change("ada") as change:
        attach(change, hotfix, [read_results(results)], "lab-1", {"database": ["PostgreSQL 15"]})
    return hotfix
