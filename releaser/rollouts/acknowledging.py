"""What customers say about a recalled revision, and where it is still in force.

A site counts as still running it until a report says otherwise, whatever anybody says; a word for all of a customer's
sites counts for each. Downloaded is told apart: it may be in force by now.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import RefusedError, StateError, UsageError
from patchline.patches.statements import time_text
from patchline.releaser.fleet.customers import the_customer
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.fleet.words import as_of
from patchline.releaser.hotfixes import find, label
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.rollouts.targets import DONE
from patchline.releaser.states import State
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Applied, Download, SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from patchline.releaser.tables.people import Role
from patchline.releaser.tables.rollouts import ACTIONS, Acknowledgement


@dataclass(frozen=True)
class Said:
    """What somebody of a customer said.

    Attributes:
        customer: whose all sites it is about, or
        site: the one by name.
        person: who said it, as they call themselves.
        action: `rolled-back`, `patched` or `accepted-risk`.
        evidence: by what we know.
        at: when it was said; None for now.
    """

    person: str
    action: str
    evidence: str
    customer: str | None = None
    site: str | None = None
    at: datetime | None = None

    def check(self) -> None:
        """Raise UsageError for what cannot be written so."""
        if (self.customer is None) == (self.site is None):
            raise UsageError("options", "name a customer or a site")
        if self.action not in ACTIONS:
            raise UsageError("acknowledgement", f"{self.action!r} is none of {', '.join(ACTIONS)}")
        for what, text, most in (("person", self.person, 200), ("evidence", self.evidence, 1000)):
            if not 0 < len(text.strip()) <= len(text) <= most or not text.isprintable():
                raise UsageError("acknowledgement", f"the {what} has 1 to {most} printable characters")


def acknowledge(change: Change, identifier: str, said: Said) -> Acknowledgement:
    """Write down what a customer says about a recalled revision.

    Raises:
        StateError: it is not recalled.
        NotFoundError: revision, customer or site is unknown.
        RefusedError: who acts is neither support nor manages releases; or it was said of a time to come, or of a site of
            another product.
        UsageError: a field is wrong.
    """
    require_role(change.session, change.by, Role.SUPPORT, Role.RELEASE_MANAGER)
    return note(change, identifier, said)


def note(change: Change, identifier: str, said: Said) -> Acknowledgement:
    """Write down what a customer says, for whoever was let in by another rule.

    Raises:
        StateError, NotFoundError, RefusedError, UsageError: as `acknowledge` says of what is said.
    """
    said.check()
    session = change.session
    revision = find(session, identifier)
    if State(revision.state) is not State.RECALLED:
        raise StateError("hotfix-state", f"{label(revision)} is {revision.state}, not recalled")
    if said.at is not None and said.at > change.now:
        raise RefusedError("acknowledgement", f"{said.at:%Y-%m-%d %H:%M} is still to come")
    site = the_site(session, said.site) if said.site is not None else None
    if site is not None and site.product != session.get_one(Hotfix, revision.hotfix).product:
        raise RefusedError("acknowledgement", f"{site.name} is a site of {site.product}")
    customer = site.customer if site is not None else the_customer(session, str(said.customer)).id
    made = Acknowledgement(
        revision=revision.id,
        customer=customer,
        site=site.id if site is not None else None,
        person=said.person,
        action=said.action,
        evidence=said.evidence,
        at=said.at or change.now,
        added=change.now,
        added_by=change.by,
    )
    session.add(made)
    session.flush()
    facts = {"customer": customer, "site": said.site, "action": said.action, "person": said.person}
    change.record("recall.acknowledge", label(revision), {**facts, "evidence": said.evidence})
    return made


@dataclass(frozen=True)
class There:
    """A site that has a recalled revision, or somebody said something of it.

    Attributes:
        stand: `applied`, `downloaded`, or `gone` where it is not in force any more as far as is known.
        said: the newest word, None for none.
    """

    site: str
    customer: str
    stand: str
    evidence: str
    as_of: datetime | None
    said: Acknowledgement | None

    def words(self) -> str:
        """Return it as a line for people."""
        said = self.said
        told = f"{said.action} says {said.person}, {said.at:%Y-%m-%d} ({said.evidence})" if said else "not acknowledged"
        return f"{self.site}  {self.customer}  {self.stand}, {as_of(self.evidence, self.as_of)}  {told}"

    def as_document(self) -> dict[str, Any]:
        """Return it for `--json`."""
        said = self.said
        return {
            "site": self.site,
            "customer": self.customer,
            "stand": self.stand,
            "evidence": self.evidence,
            "as_of": time_text(self.as_of) if self.as_of else None,
            "acknowledged": None
            if said is None
            else {
                "person": said.person,
                "action": said.action,
                "evidence": said.evidence,
                "at": time_text(said.at),
                "whole_customer": said.site is None,
            },
        }


def still_there(session: Session, revision: Revision) -> list[There]:
    """Return the sites that run or have downloaded a revision, or said something of it; those that run it first."""
    query = select(Acknowledgement).where(Acknowledgement.revision == revision.id).order_by(Acknowledgement.id)
    said = session.scalars(query).all()
    by_site = {one.site: one for one in said if one.site is not None}
    by_customer = {one.customer: one for one in said if one.site is None}
    loaded = select(Download.site).where(
        Download.revision == revision.id, Download.outcome == DONE, Download.site.is_not(None)
    )
    told = select(Acknowledgement.site).where(
        Acknowledgement.revision == revision.id, Acknowledgement.site.is_not(None)
    )
    rows = (
        select(Site, SiteState, Applied.site.is_not(None).label("runs"), Site.id.in_(loaded).label("loaded"))
        .join(SiteState, SiteState.site == Site.id)
        .outerjoin(Applied, (Applied.site == Site.id) & (Applied.revision == revision.id))
        .where(Applied.site.is_not(None) | Site.id.in_(loaded) | Site.id.in_(told))
        .order_by(Site.name)
    )
    found = [
        There(
            row.Site.name,
            row.Site.customer,
            "applied" if row.runs else "downloaded" if row.loaded else "gone",
            row.SiteState.evidence,
            row.SiteState.as_of,
            _newest(by_site.get(row.Site.id), by_customer.get(row.Site.customer)),
        )
        for row in session.execute(rows)
    ]
    return sorted(found, key=lambda one: ("applied", "downloaded", "gone").index(one.stand))


def _newest(one: Acknowledgement | None, other: Acknowledgement | None) -> Acknowledgement | None:
    return max((said for said in (one, other) if said is not None), key=lambda said: (said.at, said.id), default=None)
