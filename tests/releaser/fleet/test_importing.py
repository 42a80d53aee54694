"""The table of the first day: everything from one file, all errors at once, and the same again changes nothing."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from patchline.patches.errors import PatchlineError, ProblemsError, UsageError
from patchline.releaser.fleet import contacts, customers, entitlements, importing, sites
from patchline.releaser.fleet.csv_rows import read_rows
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.tables.customers import Contact, Customer, Entitlement, Site
from patchline.releaser.tables.fleet import EvidenceGrade, SiteState
from patchline.releaser.tables.people import Person, PersonRole
from tests.fleets import Fleet
from tests.registers import NOW
from tests.releaser.fleet.facts import check_caches, revisions, state

HEADER = "customer,customer_title,tier,contacts,site,product,site_title,connectivity,window,part_of,baseline,hotfixes,told_at,entitled,entitled_until"
GOOD = f"""{HEADER}
acme,Acme Ltd,gold,Eve Ops <eve@acme.example>; ops@acme.example,acme-main,demo,Main plant,air-gapped,Sat 22:00-04:00 Europe/Berlin,,1.0,HF-2026-0001,2026-03-03,1.*,2027-12-31
acme,,,,acme-node,demo,,,,acme-main,,,,,
bär,"Bär, Söhne",,,,,,,,,,,,,
beta,Beta,silver,,beta-main,demo,,,,,,,,,
""".replace("bär,", "baer,")


@pytest.fixture
def fleet(register):
    with register.database.write() as session:
        session.add(Person(id="sue", name="Sue", added=NOW, roles=[PersonRole(role="support")]))
    made = Fleet(register).product("demo", "1.0")
    revisions(register, "HF-2026-0001-r1", "HF-2026-0002-r1")
    return made


def take(fleet, text, *, by="rita", now=NOW, **more):
    with fleet.register.attempt("customer.import", "table", by, now) as change:
        return importing.import_table(change, text.encode(), **more)


def counts(fleet):
    with fleet.register.read() as session:
        tables = (Customer, Site, SiteState, Contact, Entitlement)
        return [session.scalar(select(func.count()).select_from(table)) for table in tables]


def problems(fleet, text, **more):
    before = counts(fleet)
    with pytest.raises(PatchlineError) as refusal:
        take(fleet, text, **more)
    assert counts(fleet) == before, "nothing is half done"
    found = refusal.value
    return [one.message for one in (found.problems if isinstance(found, ProblemsError) else [found])]


def test_table_of_the_first_day_is_taken_in_and_the_same_again_changes_nothing(fleet):
    taken = take(fleet, GOOD)
    assert (taken.customers_added, taken.sites_added, taken.contacts, taken.entitlements) == (3, 3, 2, 1)
    known = state(fleet.register)
    assert (known.label, known.evidence) == ("1.0+HF-2026-0001-r1", EvidenceGrade.TOLD)
    assert known.as_of.isoformat() == "2026-03-03T00:00:00+00:00"
    check_caches(fleet.register)
    assert counts(fleet) == [3, 3, 3, 2, 1]
    with fleet.register.read() as session:
        main, node = sites.the_site(session, "acme-main"), sites.the_site(session, "acme-node")
        assert (main.connectivity, node.part_of, node.title) == ("air-gapped", main.id, "acme-node")
        assert customers.the_customer(session, "baer").title == "Bär, Söhne"
        assert entitlements.rights(session, "acme").entitlements[0].until.isoformat() == "2028-01-01T00:00:00+00:00"
        events = session.scalar(select(func.count()).select_from(AuditEvent))
    again = take(fleet, GOOD, now=NOW + timedelta(days=400))
    assert not again and counts(fleet) == [3, 3, 3, 2, 1]
    with fleet.register.read() as session:
        assert session.scalar(select(func.count()).select_from(AuditEvent)) == events


def test_changed_cell_changes_what_it_says_and_an_empty_one_nothing(fleet):
    take(fleet, GOOD)
    text = GOOD.replace("Main plant", "Plant 1").replace("gold", "bronze").replace("Eve Ops <eve@acme.example>; ", "")
    taken = take(fleet, text.replace("2027-12-31", "2028-12-31").replace("beta,Beta,silver", "beta,,"))
    assert vars(taken) == {
        "customers_added": 0,
        "customers_changed": 1,
        "sites_added": 0,
        "sites_changed": 1,
        "contacts": 1,
        "entitlements": 1,
        "levels": 0,
    }
    with fleet.register.read() as session:
        main = sites.the_site(session, "acme-main")
        assert (main.title, main.connectivity) == ("Plant 1", "air-gapped")
        assert customers.the_customer(session, "beta").title == "Beta"
        assert [one.address for one in contacts.of(session, "acme")] == ["ops@acme.example"]
        old, new = entitlements.rights(session, "acme").entitlements
        assert (old.ended, new.until.year) == (NOW, 2029)
    assert not take(fleet, "customer,site\nacme,acme-node\n"), "a node stays a node"


SMALL = 'customer,customer_title,contacts\nacme,"Bär, Söhne",a@x.y; b@x.y\nbeta,,\n'
PLAIN = [
    {"customer": "acme", "customer_title": "Bär, Söhne", "contacts": "a@x.y; b@x.y"},
    {"customer": "beta"},
]
SEMICOLONS = 'customer;customer_title;contacts\nacme;Bär, Söhne;"a@x.y; b@x.y"\nbeta;;\n'


@pytest.mark.parametrize(
    "data",
    [
        SMALL.encode(),
        ("\ufeff" + SMALL).encode(),
        ("\ufeff" + SEMICOLONS).encode(),
        SMALL.replace("\n", "\r\n").encode(),
        SEMICOLONS.encode("utf-16"),
        "customer\tcustomer_title\tcontacts\nacme\tBär, Söhne\ta@x.y; b@x.y\nbeta".encode(),
        ("sep=;\n" + SEMICOLONS).encode(),
        (SMALL.replace("customer_title", " Customer Title ") + "\n,,,,,\n").encode(),
    ],
    ids=["plain", "bom", "semicolons", "crlf", "utf-16", "tabs", "sep", "blanks"],
)
def test_what_spreadsheets_write_is_read(data):
    rows, problems = read_rows(data, importing.COLUMNS, ("customer",))
    assert [row.cells for row in rows] == PLAIN and problems == []


def test_all_that_is_wrong_is_told_at_once_with_its_row(fleet):
    fleet.customer("other")
    fleet.site("other-main", "other")
    text = f"""{HEADER}
acme,Acme,platinum,,,,,,,,,,,,
a b,,,,,,,,,,,,,,
,,,,nameless,demo,,,,,,,,,
beta,Beta,gold,nobody,beta-main,demo,,wifi,,,,,,,
beta,Other,,,beta-main,demo,,,,,,,,,
beta,,,,other-main,demo,,,,,,,,,
beta,,,,beta-2,shop,,,,,,,,,
beta,,,,beta-3,demo,,,at night,,,,,,
beta,,,,beta-4,demo,,,,nowhere,,,,,
beta,,,,beta-5,demo,,,,,1.0,,,,
beta,,,,beta-6,demo,,,,,1.0,,03.03.2026,,
beta,,,,beta-7,demo,,,,,,HF-2026-0001,2026-03-03,,
beta,,,,,,Title alone,,,,,,,,
beta,,,,,,,,,,,,,*,
beta,,,,,demo,,,,,,,,*,soon
beta,,,,,demo,,,,,,,,*,2020-01-01
beta,,,,,,,,,,,,,,,,too many
"""
    found = problems(fleet, text)
    for number in range(2, 19):
        assert any(message.startswith(f"row {number}: ") for message in found), f"nothing is said of row {number}"
    assert len(found) == 19, "rows 5 and 6 have two each"


def test_levels_that_cannot_be_told_are_errors_of_their_rows_like_others(fleet):
    text = "customer,site,product,baseline,tier,hotfixes,told_at\n"
    text += "acme,s1,demo,9,tin,,2026-01-01\nbeta,s2,demo,9,,,2026-01-01\nbeta,s3,demo,1.0,,HF-2026-9999,2026-01-01\n"
    text += "beta,s4,demo,1.0,,,2031-01-01\n"
    said = problems(fleet, text)
    assert sorted(message[:6] for message in said) == ["row 2:", "row 3:", "row 4:", "row 5:"]
    assert any("9 of demo" in message for message in said) and any("HF-2026-9999" in message for message in said)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no column customer"),
        (b"name,city\nacme,Bonn\n", "no column customer"),
        (b"customer,city\nacme,Bonn\n", "'city' means nothing"),
        (b"customer,tier,tier\n", "two columns tier"),
        (b'customer,tier\nacme,"gold\n', "no table"),
        ("customer,customer_title\nacme,Bär\n".encode("cp1252"), "row 2 has a character that is not UTF-8"),
        (b"PK\x03\x04\x00\x00customer", "no"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_what_is_no_such_table_is_refused(data, said):
    with pytest.raises(UsageError, match=said):
        read_rows(data, importing.COLUMNS, ("customer",))


def test_support_imports_all_but_entitlements_and_others_nothing(fleet):
    assert "sue is no release-manager" in problems(fleet, GOOD, by="sue")[0]
    with pytest.raises(PatchlineError):
        take(fleet, GOOD, by="ada")
    without = "\n".join(line.rsplit(",", 2)[0] for line in GOOD.splitlines())
    assert take(fleet, without, by="sue").sites_added == 3


def test_levels_without_a_day_take_that_of_the_whole_table(fleet):
    text = "customer,site,product,baseline,hotfixes,told_by\nacme,acme-main,demo,1.0,HF-2026-0001-r1+HF-2026-0002,Eve\n"
    with pytest.raises(UsageError, match="--told-at"):
        take(fleet, text)
    assert take(fleet, text, told_at=NOW).levels == 1 and not take(fleet, text, told_at=NOW)
    assert (state(fleet.register).label, state(fleet.register).as_of) == ("1.0+HF-2026-0001-r1+HF-2026-0002-r1", NOW)
    assert take(fleet, text.replace("+HF-2026-0002", ""), told_at=NOW + timedelta(minutes=1)).levels == 1
    check_caches(fleet.register)
