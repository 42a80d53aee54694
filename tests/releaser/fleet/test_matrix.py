"""The matrix says of all sites together what is said of each alone."""

from collections import Counter

import pytest
from sqlalchemy import update

from bench import fleet_rows
from bench.fleet_rows import NOW, Extent
from patchline.releaser.database import Database
from patchline.releaser.fleet import questions
from patchline.releaser.fleet.exposure import Stand, shelf, stands
from patchline.releaser.fleet.matrix import Kind, kinds_of, listed, matrix
from patchline.releaser.fleet.subjects import Answer, of_cve, of_fix, of_hotfix
from patchline.releaser.table_copy import unguarded
from patchline.releaser.tables.customers import Customer, Entitlement
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from tests.registers import BACKENDS, migrated_database

EXTENT = Extent(sites=600, customers=60, products=3, hotfixes=6, applied=3)
KINDS = {
    Stand.APPLIED: Kind.APPLIED,
    Stand.PENDING: Kind.PENDING,
    Stand.IN_BASELINE: Kind.NOT_NEEDED,
    Stand.NOT_APPLICABLE: Kind.NOT_NEEDED,
    Stand.UNKNOWN: Kind.UNKNOWN,
    Stand.DOWNLOADED: Kind.DOWNLOADED,
    Stand.AVAILABLE: Kind.AVAILABLE,
    Stand.WAITING: Kind.WAITING,
    Stand.EMBARGO: Kind.WAITING,
    Stand.NOT_ENTITLED: Kind.NOT_ENTITLED,
}
"""All others need it and have nothing to take."""


@pytest.fixture(scope="module", params=BACKENDS)
def session(request, tmp_path_factory):
    database = Database(migrated_database(request.param, tmp_path_factory.mktemp("matrix")))
    fleet_rows.fill(database, EXTENT)
    with database.write() as writing:
        writing.execute(update(Entitlement).where(Entitlement.id % 4 == 1).values(line="1.*"))
        writing.execute(update(Entitlement).where(Entitlement.id % 7 == 1).values(ended=NOW))
        some = [f"c-{number:05}" for number in range(0, 60, 2)]
        with unguarded(writing.connection(), [Hotfix.__table__, Revision.__table__]):
            writing.execute(update(Hotfix).where(Hotfix.id == "HF-2026-0002").values(customers=some))
            writing.execute(update(Revision).where(Revision.id == 3).values(state="held"))
    with database.read() as reading:
        yield reading
    database.close()


def one_by_one(session, subject):
    tiers = {row.id: row.tier for row in session.query(Customer)}
    found = Counter()
    for answer in Answer:
        rows = questions.listed(session, subject, answer, limit=None).rows
        kept = shelf(session, subject, rows, NOW)
        for row in rows:
            kind = KINDS.get(stands(subject, row, kept, NOW).stand, Kind.NO_FIX)
            found[tiers[row.customer], kind] += 1
    return found


@pytest.mark.parametrize("asked", ["HF-2026-0001", "HF-2026-0002", "HF-2026-0003", "BUG-00001", "BUG-00002", "cve"])
def test_all_together_are_as_each_alone(session, asked):
    if asked == "cve":
        subject = of_cve(session, "CVE-2026-03001")
    else:
        subject = of_hotfix(session, asked) if asked.startswith("HF") else of_fix(session, asked)
    kinds = kinds_of(session, subject, NOW)
    counted = matrix(session, subject, kinds)
    alone = one_by_one(session, subject)
    assert Counter(dict(counted.counts)) == alone and len(alone) > 5
    for kind in Kind:
        rows, after = listed(session, subject, kinds.condition([kind], "gold"), NOW, limit=None)
        assert len(rows) == counted.of(kind, "gold") and after is None
