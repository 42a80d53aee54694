"""Taking customers, sites, contacts, entitlements and told levels in from one table, on the first day and again later.

- A row tells of a customer, and of a site of it if it names one; of several rows on one customer each may tell a part.
- What a cell says counts; an empty cell changes nothing. The same table taken in again changes nothing.
- All that is wrong with any row is told at once, and then nothing is taken in.
"""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select

from patchline.patches.errors import PatchlineError, UsageError, refuse
from patchline.patches.limits import MIB
from patchline.releaser.fleet.csv_rows import read_rows
from patchline.releaser.fleet.customers import KEEPERS
from patchline.releaser.fleet.import_customers import (
    CUSTOMER_COLUMNS,
    take_contacts,
    take_customers,
    take_entitlements,
)
from patchline.releaser.fleet.import_sites import LEVEL_COLUMNS, SITE_COLUMNS, take_sites, told_levels
from patchline.releaser.fleet.import_work import Taken, Work
from patchline.releaser.fleet.telling import tell_all
from patchline.releaser.fleet.verdicts import Verdict
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.tables.catalogue import Product

MOST_BYTES = 64 * MIB
COLUMNS = (
    "customer",
    *CUSTOMER_COLUMNS,
    "contacts",
    "site",
    "product",
    *SITE_COLUMNS,
    *LEVEL_COLUMNS,
    "entitled",
    "entitled_until",
)


def import_table(change: Change, data: bytes, told_at: datetime | None = None) -> Taken:
    """Take a table in: all of it, or nothing.

    Args:
        change: under way.
        data: the file.
        told_at: when the levels were so of rows that do not say it.

    Raises:
        PatchlineError: what is wrong, of all rows at once.
    """
    require_role(change.session, change.by, *KEEPERS)
    rows, problems = read_rows(data, COLUMNS, ("customer",))
    problems += [(row.number, _nameless()) for row in rows if row.get("customer") is None]
    named = [row for row in rows if row.get("customer") is not None]
    work = Work(change, named, problems, frozenset(change.session.scalars(select(Product.id))))
    take_customers(work)
    fine = take_sites(work)
    take_contacts(work)
    take_entitlements(work)
    levels = list(told_levels(work, fine, told_at))
    for level, outcome in zip(levels, tell_all(change, [(one.site, one.wanted) for one in levels]), strict=True):
        if isinstance(outcome, PatchlineError):
            problems.append((level.row.number, outcome))
        else:
            work.taken.levels += outcome is not Verdict.REPEATED
    problems.sort(key=lambda problem: problem[0])
    refuse([error.about(f"row {number}") for number, error in problems])
    if work.taken:
        change.record("customer.import", "table", asdict(work.taken))
    return work.taken


def _nameless() -> UsageError:
    return UsageError("import-file", "it names no customer")
