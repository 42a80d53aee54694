"""Recalled hotfixes that a customer's sites still have or took, and what the customer says about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError
from patchline.releaser.portal.acting import Visitor, own_site
from patchline.releaser.register import Change
from patchline.releaser.rollouts.acknowledging import Said, note
from patchline.releaser.rollouts.targets import DONE
from patchline.releaser.states import State
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Applied, Download
from patchline.releaser.tables.hotfixes import Hotfix, Recall, Revision
from patchline.releaser.tables.rollouts import Acknowledgement


@dataclass(frozen=True)
class OwnRecall:
    """A recalled revision at a site of the customer.

    Attributes:
        applied: it is in force there, as far as is known; else it was fetched.
        reason: why it was recalled, None where nobody says.
        said: the newest word of the customer about it.
    """

    label: str
    title: str
    site: str
    applied: bool
    reason: str | None
    recalled: datetime | None
    said: Acknowledgement | None


def listed(session: Session, customer: str) -> list[OwnRecall]:
    """Return the recalls that concern a customer, those in force and unanswered first; in four statements."""
    there = select(Applied.site, Applied.revision).join(Site, Site.id == Applied.site).where(Site.customer == customer)
    applied = {(row.site, row.revision) for row in session.execute(there)}
    loaded = select(Download.site, Download.revision).where(
        Download.customer == customer, Download.outcome == DONE, Download.site.is_not(None)
    )
    pairs = applied | {(row.site, row.revision) for row in session.execute(loaded.distinct())}
    rows = session.execute(
        select(Revision, Hotfix.title)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .where(Revision.state == State.RECALLED, Revision.id.in_(sorted({revision for _, revision in pairs})))
    ).all()
    recalled = {row.Revision.id: row for row in rows}
    sites = dict(session.execute(select(Site.id, Site.name).where(Site.customer == customer)).all())
    why, said = _reasons(session, list(recalled)), _words(session, customer, list(recalled))
    found = []
    for site, revision in sorted(pairs):
        if revision in recalled:
            row = recalled[revision]
            label = f"{row.Revision.hotfix}-r{row.Revision.number}"
            word = said.get((revision, site)) or said.get((revision, None))
            reason, at = why.get(revision, (None, None))
            found.append(OwnRecall(label, row.title, sites[site], (site, revision) in applied, reason, at, word))
    return sorted(found, key=lambda one: (one.said is not None, not one.applied, one.label, one.site))


def _reasons(session: Session, revisions: Sequence[int]) -> dict[int, tuple[str, datetime]]:
    query = select(Recall.revision, Recall.reason, Recall.taken)
    query = query.where(Recall.revision.in_(revisions), Recall.kind == "recall").order_by(Recall.id)
    return {row.revision: (row.reason, row.taken) for row in session.execute(query)}


def _words(session: Session, customer: str, revisions: Sequence[int]) -> dict[tuple[int, int | None], Acknowledgement]:
    query = select(Acknowledgement).where(Acknowledgement.revision.in_(revisions), Acknowledgement.customer == customer)
    return {(one.revision, one.site): one for one in session.scalars(query.order_by(Acknowledgement.id))}


def acknowledge(change: Change, who: Visitor, label: str, site: str, action: str) -> None:
    """Write down what a customer's person says of a recalled hotfix at one of their sites.

    Raises:
        NotFoundError: the customer has no such site, or nothing of that name was recalled for it.
        StateError: it is not recalled.
        UsageError: there is no such answer.
    """
    own = own_site(change.session, who, site)
    if all((one.label, one.site) != (label, own.name) for one in listed(change.session, who.customer)):
        raise NotFoundError("own-recall", f"nothing called {label[:80]!r} was recalled at {own.name}")
    note(change, label, Said(who.name, action, f"said in the portal by {who.id}", site=own.name))
