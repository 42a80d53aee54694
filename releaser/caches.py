"""What the register keeps although it follows from facts, computed anew and compared: `patchline database rebuild`.

Caches: a revision's state (from its steps), the fixes, CVE and paths by which it is found (from its manifest); what a
site has, whose a report is and whether it counts (from all reports).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Table, select, update
from sqlalchemy.orm import Session

from patchline.patches.manifest import Manifest
from patchline.releaser.fleet.comparing import SITE, mend_sites, site_differences
from patchline.releaser.hotfixes import find
from patchline.releaser.intake import index
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.states import State
from patchline.releaser.table_copy import unguarded
from patchline.releaser.tables.hotfixes import Revision, RevisionCve, RevisionFile, RevisionFix, Step
from patchline.releaser.tables.people import Role

_BATCH = 200


@dataclass(frozen=True)
class Difference:
    """A cache that is not what follows from the facts.

    Attributes:
        about: of which revision, site or report.
        what: `state`, `fixes`, `cve` or `paths`; of a site what `releaser.fleet.comparing` names.
        cached: what stands there.
        computed: what should.
    """

    about: str
    what: str
    cached: str
    computed: str


def differences(session: Session) -> Iterator[Difference]:
    """Yield every cache that is not what follows from the facts."""
    for batch in _batches(session):
        ids = [revision.id for revision in batch]
        states = _states(session, ids)
        cached = _cached(session, ids)
        for revision in batch:
            label = f"{revision.hotfix}-r{revision.number}"
            if (computed := states.get(revision.id, State.DRAFT)) != revision.state:
                yield Difference(label, "state", revision.state, computed)
            if revision.manifest is not None:
                yield from _of_manifest(label, Manifest.parse(revision.manifest), cached.get(revision.id, _Cached()))
    for about, what, there, wanted in site_differences(session):
        yield Difference(about, what, there, wanted)


def rebuild(change: Change) -> list[Difference]:
    """Make every cache what follows from the facts; return what was different.

    Raises:
        RefusedError: who acts does not manage releases.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    found = list(differences(change.session))
    if not found:
        return []
    guarded = [cast(Table, table.__table__) for table in (Revision, RevisionFix, RevisionCve, RevisionFile)]
    mend_sites(change.session)
    with unguarded(change.session.connection(), guarded):
        for label, whats in _by_revision(one for one in found if not one.about.startswith(SITE)).items():
            revision = find(change.session, label)
            if "state" in whats:
                state = whats["state"].computed
                change.session.execute(update(Revision).where(Revision.id == revision.id).values(state=state))
            if whats.keys() - {"state"}:
                index(change.session, revision, Manifest.parse(revision.manifest or b""))
    change.record("database.rebuild", "caches", {"different": [f"{one.about} {one.what}" for one in found]})
    return found


def _by_revision(found: Iterable[Difference]) -> dict[str, dict[str, Difference]]:
    by_label: dict[str, dict[str, Difference]] = {}
    for one in found:
        by_label.setdefault(one.about, {})[one.what] = one
    return by_label


def _batches(session: Session) -> Iterator[list[Revision]]:
    """Yield all revisions, some at a time, so that no number of them fills the memory."""
    last = 0
    while True:
        query = select(Revision).where(Revision.id > last).order_by(Revision.id).limit(_BATCH)
        batch = list(session.scalars(query))
        if not batch:
            return
        yield batch
        last = batch[-1].id
        session.expunge_all()


def _states(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """Return the state after the last step of each revision."""
    query = select(Step.revision, Step.state).where(Step.revision.in_(list(ids))).order_by(Step.revision, Step.number)
    return {row.revision: row.state for row in session.execute(query)}


class _Cached:
    """The fixes, CVE and paths under which a revision is found."""

    def __init__(self) -> None:
        self.fixes: set[tuple[str, str]] = set()
        self.cve: set[tuple[str, str]] = set()
        self.paths: set[tuple[str, str]] = set()


def _cached(session: Session, ids: list[int]) -> dict[int, _Cached]:
    found: dict[int, _Cached] = {}
    for fix in session.scalars(select(RevisionFix).where(RevisionFix.revision.in_(ids))):
        found.setdefault(fix.revision, _Cached()).fixes.add((fix.fix, fix.coverage))
    for cve in session.scalars(select(RevisionCve).where(RevisionCve.revision.in_(ids))):
        found.setdefault(cve.revision, _Cached()).cve.add((cve.fix, cve.cve))
    for file in session.scalars(select(RevisionFile).where(RevisionFile.revision.in_(ids))):
        found.setdefault(file.revision, _Cached()).paths.add((file.root, file.path))
    return found


def _of_manifest(label: str, manifest: Manifest, cached: _Cached) -> Iterator[Difference]:
    computed = _Cached()
    computed.fixes = {(fix.id, fix.coverage) for fix in manifest.fixes}
    computed.cve = {(fix.id, cve) for fix in manifest.fixes for cve in fix.cve}
    computed.paths = set(manifest.entries)
    for what in ("fixes", "cve", "paths"):
        there, wanted = getattr(cached, what), getattr(computed, what)
        if there != wanted:
            yield Difference(label, what, _words(there - wanted), _words(wanted - there))


def _words(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join("/".join(pair) for pair in sorted(pairs)) or "nothing"
