"""Simulations as they are kept with their revision, whether they still hold, and how they read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches import documents
from patchline.patches.errors import RefusedError, StateError
from patchline.patches.statements import time_text
from patchline.patches.wording import counted
from patchline.releaser.bundles import release_set
from patchline.releaser.fitting import Shelf
from patchline.releaser.fleet.simulating import Simulated, Verdict, against, levels_for, simulate
from patchline.releaser.hotfixes import find, label, locked
from patchline.releaser.register import Change, Register
from patchline.releaser.states import State
from patchline.releaser.tables.catalogue import Product
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from patchline.releaser.tables.work import Simulation

_LIMIT = 1 << 28
_WORDS = {
    Verdict.TAKES: "can take it",
    Verdict.HAS: "have it already",
    Verdict.NEEDS: "need something first",
    Verdict.LOSES: "would lose a fix",
    Verdict.REFUSES: "cannot take it",
    Verdict.UNKNOWN: "are not known well enough",
    Verdict.ELSEWHERE: "have another baseline",
}
_BEFORE = (State.BUILT, State.IN_REVIEW, State.APPROVED)
_NAMED = 5


class Holds(StrEnum):
    """How the last simulation of a revision stands to what is known now; once it is out, that is of no matter."""

    NO_SITES = "no-sites"
    MISSING = "missing"
    STALE = "stale"
    CURRENT = "current"
    PAST = "past"


@dataclass(frozen=True)
class Standing:
    """The last simulation of a revision's very bundle, and whether it still holds."""

    holds: Holds
    last: Simulation | None

    @property
    def words(self) -> str:
        """In one sentence; empty where nothing is to be said."""
        if self.last is None:
            return "not simulated against sites" if self.holds is Holds.MISSING else ""
        counts = {Verdict(name): count["sites"] for name, count in self.last.counts.items()}
        told = ", ".join(f"{counted(sites, 'site')} {_WORDS[verdict]}" for verdict, sites in counts.items())
        old = "; out of date, since levels or hotfixes have changed" if self.holds is Holds.STALE else ""
        return f"as of {time_text(self.last.made)}: {told or 'no sites were known'}{old}"

    def as_document(self) -> dict[str, Any]:
        """Return it for `--json`."""
        last = self.last
        made = {"made": time_text(last.made), "by": last.made_by, "counts": last.counts} if last else {}
        return {"holds": str(self.holds), **made, "levels": levels_of(last) if last else []}


def standing(session: Session, revision: Revision) -> Standing:
    """Tell whether a revision was tried against the levels that are known now."""
    query = (
        select(Simulation)
        .where(Simulation.revision == revision.id, Simulation.manifest_sha256 == revision.manifest_sha256)
        .order_by(Simulation.id.desc())
        .limit(1)
    )
    last = session.scalar(query)
    if State(revision.state) not in _BEFORE:
        return Standing(Holds.PAST, last)
    hotfix = session.get_one(Hotfix, revision.hotfix)
    levels = levels_for(session, hotfix)
    if not levels:
        return Standing(Holds.NO_SITES, last)
    if last is None:
        return Standing(Holds.MISSING, None)
    current = last.against == against(session, hotfix, levels)
    return Standing(Holds.CURRENT if current else Holds.STALE, last)


def check_simulated(session: Session, revision: Revision) -> Standing:
    """Return how the simulation of a revision stands.

    Raises:
        RefusedError: the product asks for one that holds, and there are sites.
    """
    found = standing(session, revision)
    product = session.get_one(Product, session.get_one(Hotfix, revision.hotfix).product)
    if product.simulation_required and found.holds in (Holds.MISSING, Holds.STALE):
        raise RefusedError("not-simulated", f"{label(revision)} is {found.words}")
    return found


def levels_of(simulation: Simulation) -> list[dict[str, Any]]:
    """Return the levels of a kept simulation, as they stand in its document."""
    found = documents.decode(simulation.document, what="simulation", limit=_LIMIT)
    levels: list[dict[str, Any]] = found["levels"]
    return levels


def run(register: Register, identifier: str, by: str, now: datetime) -> Simulation:
    """Try a built revision against all known levels, and keep the result with it.

    Raises:
        StoreError: nothing was built.
        StateError: it was built anew meanwhile.
    """
    with register.snapshot() as session:
        revision = find(session, identifier)
        named = label(revision)
        manifest = release_set(session, revision).manifest
        found = simulate(Shelf(session, revision, manifest, now))
    with register.attempt("hotfix.simulate", named, by, now) as change:
        return _keep(change, named, found)


def _keep(change: Change, named: str, found: Simulated) -> Simulation:
    revision = locked(change, named)
    if revision.manifest_sha256 != found.manifest:
        raise StateError("edited", f"{named} was built anew meanwhile")
    counts = found.counts()
    made = Simulation(
        revision=revision.id,
        manifest_sha256=found.manifest,
        against=found.against,
        counts=counts,
        document=found.document(),
        made=change.now,
        made_by=change.by,
    )
    change.session.add(made)
    change.session.flush()
    told = {verdict: count["sites"] for verdict, count in counts.items()}
    change.record("hotfix.simulate", named, {"manifest": found.manifest, "sites": told})
    return made


# For people


def lines(simulation: Simulation) -> Iterator[str]:
    """Yield what a simulation says, the answers that ask for work with their sites."""
    levels = levels_of(simulation)
    for name, count in simulation.counts.items():
        tiers = ", ".join(f"{sites} {tier}" for tier, sites in count["tiers"].items())
        who = f"{counted(count['sites'], 'site')} of {counted(count['customers'], 'customer')} ({tiers})"
        yield f"  {who} {_WORDS[Verdict(name)]}"
        for level in levels:
            if level["verdict"] == name and (why := _why(level)):
                yield f"    {why}: {_names(level['sites'])}"
    drifting = [site for level in levels if level["verdict"] != Verdict.ELSEWHERE for site in level["drifting"]]
    if drifting:
        yield f"  files were changed by others at {_names(drifting)}: let them plan first"


def _why(level: dict[str, Any]) -> str:
    told = [*level["reasons"]]
    if level["first"]:
        told.append(f"first {', then '.join(level['first'])}")
    told += [f"loses {one['fix']} of {one['hotfix']}" for one in level["loses"]]
    return "; ".join(told)


def _names(sites: list[str]) -> str:
    more = f" and {len(sites) - _NAMED} more" if len(sites) > _NAMED else ""
    return ", ".join(sites[:_NAMED]) + more
