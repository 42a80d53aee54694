"""What a table says of customers: themselves, their contacts, and what they may have."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from patchline.patches.errors import NotFoundError, StateError, UsageError
from patchline.releaser.fleet import customers, entitlements
from patchline.releaser.fleet.contacts import Person, read_person
from patchline.releaser.fleet.csv_rows import Row, read_day
from patchline.releaser.fleet.customers import DEFAULT_TIER, NewCustomer
from patchline.releaser.fleet.entitlements import NewEntitlement, end_of, end_of_day
from patchline.releaser.fleet.import_work import Work
from patchline.releaser.persons import require_role
from patchline.releaser.tables.customers import Contact, Customer, Entitlement
from patchline.releaser.tables.people import Role

CUSTOMER_COLUMNS = {"customer_title": "title", "tier": "tier", "customer_alias": "alias"}


def take_customers(work: Work) -> None:
    """Add and change customers; several rows on one may each say a part."""
    work.customers = {one.id: one for one in work.found(Customer.id, work.values("customer"), Customer)}
    aliases = {one.alias: one.id for one in work.found(Customer.alias, work.values("customer_alias"), Customer)}
    by_customer: dict[str, list[Row]] = {}
    for row in work.rows:
        by_customer.setdefault(row.cells["customer"], []).append(row)
    for id_, rows in by_customer.items():
        cells = _agreed(work, rows)
        with work.about(rows[0]):
            _take_customer(work, id_, cells, aliases)
    work.change.session.flush()


def _agreed(work: Work, rows: Sequence[Row]) -> dict[str, str]:
    """Return what rows on one customer say together; they may not contradict each other."""
    said: dict[str, tuple[str, int]] = {}
    for row in rows:
        for column, name in CUSTOMER_COLUMNS.items():
            value = row.get(column)
            if value is None:
                continue
            before, number = said.setdefault(name, (value, row.number))
            if value != before:
                with work.about(row):
                    raise UsageError("import-file", f"{column} is {value!r} here and {before!r} in row {number}")
    return {name: value for name, (value, _) in said.items()}


def _take_customer(work: Work, id_: str, cells: Mapping[str, str], aliases: dict[str, str]) -> None:
    change, known = work.change, work.customers.get(id_)
    before = NewCustomer(id_, id_, DEFAULT_TIER)
    if known is not None:
        before = NewCustomer(id_, known.title, known.tier, known.alias)
    wanted = replace(before, **cells)
    wanted.check()
    claim(aliases, cells.get("alias"), id_)
    if known is None:
        work.customers[id_] = customer = customers.make(change, wanted)
        change.session.add(customer)
        change.record("customer.add", id_, {"tier": customer.tier, "alias": customer.alias})
        work.taken.customers_added += 1
    elif wanted != before:
        known.title, known.tier, known.alias = wanted.title, wanted.tier, wanted.alias or known.alias
        change.record("customer.change", id_, {"tier": known.tier, "alias": known.alias})
        work.taken.customers_changed += 1


def claim(aliases: dict[str, str], alias: str | None, owner: str) -> None:
    """Refuse an alias that is another one's.

    Raises:
        StateError: it is.
    """
    if alias is not None and aliases.setdefault(alias, owner) != owner:
        raise StateError("alias-exists", f"{alias!r} is the alias of {aliases[alias]}")


def take_contacts(work: Work) -> None:
    """Let those be the contacts of a customer whom its cells name, where one of them does."""
    wanted: dict[str, dict[str, Person]] = {}
    for row in work.rows:
        if row.get("contacts") and row.cells["customer"] in work.customers:
            with work.about(row):
                people = [read_person(part.strip()) for part in row.cells["contacts"].split(";") if part.strip()]
                wanted.setdefault(row.cells["customer"], {}).update({one.address: one for one in people})
    there: dict[str, dict[str, Contact]] = {}
    for contact in work.found(Contact.customer, wanted, Contact):
        there.setdefault(contact.customer, {})[contact.address] = contact
    for customer, named in wanted.items():
        changed = _contacts(work, customer, named, there.get(customer, {}))
        work.taken.contacts += changed
        if changed:
            work.change.record("customer.contacts", customer, {"changed": changed})
    work.change.session.flush()


def _contacts(work: Work, customer: str, named: Mapping[str, Person], there: Mapping[str, Contact]) -> int:
    """Add, rename and end contacts of a customer; return how many."""
    changed = 0
    for address in sorted(named.keys() | there):
        person, known = named.get(address), there.get(address)
        if known is None and person is not None:
            row = Contact(customer=customer, name=person.name, address=address, added=work.change.now)
            work.change.session.add(row)
        elif known is not None and person is not None and (known.name, known.ended) != (person.name, None):
            known.name, known.ended = person.name, None
        elif known is not None and person is None and known.ended is None:
            known.ended = work.change.now
        else:
            continue
        changed += 1
    return changed


def take_entitlements(work: Work) -> None:
    """Let customers have what their rows say; one whose end is another ends now, and a new one begins."""
    rows = [row for row in work.rows if row.get("entitled") or row.get("entitled_until")]
    rows = [row for row in rows if row.cells["customer"] in work.customers]
    there: dict[tuple[str, str, str], list[Entitlement]] = {}
    for one in work.found(Entitlement.customer, {row.cells["customer"] for row in rows}, Entitlement):
        there.setdefault((one.customer, one.product, one.line), []).append(one)
    added: list[Entitlement] = []
    for row in rows:
        with work.about(row):
            wanted = _wanted(work, row)
            before = there.setdefault((wanted.customer, wanted.product, wanted.line), [])
            if not any(one.until == wanted.until and one.ended is None for one in before):
                made = entitlements.make(work.change, wanted)
                _end(work, before)
                before.append(made)
                added.append(made)
    if not added:
        return
    require_role(work.change.session, work.change.by, Role.RELEASE_MANAGER)
    work.change.session.add_all(added)
    work.change.session.flush()
    for one in added:
        entitlements.record(work.change, one)
    work.taken.entitlements += len(added)


def _end(work: Work, before: Sequence[Entitlement]) -> None:
    for one in before:
        end = end_of(one)
        if end is None or end > work.change.now:
            one.ended = work.change.now
            work.change.record("entitlement.end", one.customer, {"number": one.id})


def _wanted(work: Work, row: Row) -> NewEntitlement:
    site = work.sites.get(row.get("site") or "")
    product = row.get("product") or (site.product if site is not None else "")
    if product not in work.products:
        raise NotFoundError("product", f"the register knows no product {product!r} to be entitled to")
    until = row.get("entitled_until")
    line = row.get("entitled") or entitlements.EVERY_LINE
    day = end_of_day(read_day("entitled_until", until)) if until is not None else None
    wanted = NewEntitlement(row.cells["customer"], product, line, until=day)
    wanted.check()
    return wanted
