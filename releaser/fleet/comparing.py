"""What is cached of sites, compared with what follows from their reports: the part of sites in `releaser.caches`."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.releaser.fleet.folding import Outcome, Rows, cached, computed, fold_all, judge_anew, values
from patchline.releaser.fleet.sites import never_reported
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import SiteState

SITE = "site "
"""With which the name of what is compared begins."""
_BATCH = 200
_ROW = tuple[str, str, str, str]


def site_differences(session: Session) -> Iterator[_ROW]:
    """Yield what of each site is not what follows from the facts: about, what, cached, computed."""
    for ids in _batches(session):
        outcomes: dict[int, Outcome] = {}
        names: dict[int, str] = {}
        for site, judged in judge_anew(session, ids):
            names[site.id] = f"{SITE}{site.name}"
            outcomes[site.id] = judged.outcome
            for row, wanted in judged.different:
                there = f"{row.verdict}, {row.evidence}"
                yield names[site.id], f"report {row.id}", there, f"{wanted[1]}, {wanted[2]}"
        yield from _of_states(session, outcomes, names)
        yield from _of_hotfixes(session, outcomes, names)


def _of_states(session: Session, outcomes: Mapping[int, Outcome], names: Mapping[int, str]) -> Iterator[_ROW]:
    table = SiteState.__table__
    there = {row.site: row for row in session.execute(select(table).where(table.c.site.in_(list(outcomes))))}
    unknown: dict[int, int] = dict.fromkeys(outcomes, 0)
    for site, _ in computed(session, outcomes)[1]:
        unknown[site] += 1
    of = {site.id: site for site in session.scalars(select(Site).where(Site.id.in_(list(outcomes))))}
    for site, outcome in outcomes.items():
        if site not in there:
            yield names[site], "state", "nothing", outcome.evidence
            continue
        wanted: dict[str, Any] = {name[2:]: value for name, value in values(site, outcome).items()}
        wanted |= {"unknown": unknown[site], "customer": of[site].customer, "product": of[site].product}
        for what, value in wanted.items():
            if (now := getattr(there[site], what)) != value:
                yield names[site], what, str(now), str(value)


def _of_hotfixes(session: Session, outcomes: Mapping[int, Outcome], names: Mapping[int, str]) -> Iterator[_ROW]:
    parts = zip(
        ("applied", "unknown hotfixes"), cached(session, list(outcomes)), computed(session, outcomes), strict=True
    )
    for what, there, wanted in parts:
        for site in sorted({key[0] for key in there.keys() | wanted.keys() if there.get(key) != wanted.get(key)}):
            yield names[site], what, _words(site, there), _words(site, wanted)


def _words(site: int, rows: Rows) -> str:
    found = sorted(f"{key[1]} {' '.join(str(part) for part in rows[key])}" for key in rows if key[0] == site)
    return ", ".join(found) or "nothing"


def mend_sites(session: Session) -> None:
    """Write of every site what follows from the facts."""
    for ids in _batches(session):
        there = set(session.scalars(select(SiteState.site).where(SiteState.site.in_(ids))))
        for site in session.scalars(select(Site).where(Site.id.in_(set(ids) - there))):
            session.add(never_reported(site))
        session.flush()
        for site in session.scalars(select(Site).where(Site.id.in_(ids))):
            state = session.get_one(SiteState, site.id)
            state.customer, state.product = site.customer, site.product
        session.flush()
        fold_all(session, ids)


def _batches(session: Session) -> Iterator[list[int]]:
    last = 0
    query = select(Site.id).order_by(Site.id).limit(_BATCH)
    while ids := list(session.scalars(query.where(Site.id > last))):
        yield ids
        last = ids[-1]
        session.expunge_all()
