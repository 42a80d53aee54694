"""What is to be told to whom about a hotfix: one message per contact of a customer with sites that it matters to.

A published one matters to sites that it has reached, that may have it and that lack it as far as is known; a recalled
one to those that run it or have downloaded it. Nothing in a message is about another customer.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from patchline.patches.documents import digest, encode
from patchline.patches.envelopes import read_sidecar
from patchline.patches.errors import RefusedError, StateError
from patchline.patches.manifest import Manifest
from patchline.patches.recall_statements import Recall
from patchline.patches.wording import counted
from patchline.releaser.fleet.entitlements import Rights
from patchline.releaser.fleet.words import as_of
from patchline.releaser.hotfixes import find, label
from patchline.releaser.rollouts.reaching import sites_reached
from patchline.releaser.rollouts.targets import DONE, aim, targeted
from patchline.releaser.states import State
from patchline.releaser.tables.catalogue import Product
from patchline.releaser.tables.customers import Contact, Customer, Entitlement, Site
from patchline.releaser.tables.fleet import Applied, Download, SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from patchline.releaser.tables.hotfixes import Recall as RecallRow

HOTFIX, RECALL, WAITING = "hotfix", "recall", "waiting"
_FETCH = "Your patchline-site finds it: patchline-site fetch; or ask us for a kit."


@dataclass(frozen=True)
class Draft:
    """A message that nobody has got yet, to a contact or to a person of ours.

    Attributes:
        sites: ids of the contact's sites that it is about.
        key: what makes it this message, beside what stands in it.
    """

    purpose: str
    revision: int | None
    name: str
    address: str
    subject: str
    body: str
    contact: int | None = None
    person: str | None = None
    customer: str | None = None
    sites: tuple[int, ...] = ()
    key: str = ""

    def identity(self, attempt: int = 0) -> str:
        """Return what names the message; one that is sent again on purpose has another."""
        whom = self.contact if self.contact is not None else self.person
        return digest(encode([self.purpose, self.revision, whom, list(self.sites), self.key, self.body, attempt]))


@dataclass(frozen=True)
class Drafts:
    """All messages about a revision.

    Attributes:
        label: of the revision.
        left_out: why sites that lack it are not told: names by reason.
        unreachable: customers without a contact.
    """

    label: str
    purpose: str
    drafts: tuple[Draft, ...]
    left_out: Mapping[str, tuple[str, ...]]
    unreachable: tuple[str, ...]


@dataclass(frozen=True)
class _About:
    """What all messages about a revision have in common."""

    revision: Revision
    hotfix: Hotfix
    product: str
    guidance: tuple[str, ...]
    reason: str | None
    instead: str | None


def draft(session: Session, identifier: str, now: datetime) -> Drafts:
    """Draft the messages about a published or recalled revision.

    Raises:
        NotFoundError: there is no such revision.
        StateError: it is neither published nor recalled.
        RefusedError: what customers would read names another customer.
    """
    revision = find(session, identifier)
    state = State(revision.state)
    if state not in (State.PUBLISHED, State.RECALLED):
        raise StateError("hotfix-state", f"{label(revision)} is {state}; customers are told of what is out or recalled")
    hotfix = session.get_one(Hotfix, revision.hotfix)
    purpose = HOTFIX if state is State.PUBLISHED else RECALL
    about = _about(session, revision, hotfix)
    query = _lacking(session, revision, now) if purpose == HOTFIX else _having(revision)
    rows = session.execute(query.order_by(Site.customer, Site.name)).all()
    left_out: dict[str, list[str]] = {}
    kept: dict[str, list[Any]] = {}
    refusal = _refusals(session, about, now) if purpose == HOTFIX else {}
    for row in rows:
        reason = refusal.get(row.Site.customer) if purpose == HOTFIX else None
        if purpose == HOTFIX and row.SiteState.baseline is None:
            reason = "nobody knows its level"
        elif purpose == HOTFIX and not row.reached:
            reason = reason or "not reached yet"
        if reason is not None:
            left_out.setdefault(reason, []).append(row.Site.name)
        else:
            kept.setdefault(row.Site.customer, []).append(row)
    _check_names(session, about, set(kept))
    contacts = _contacts(session)
    made = [_draft(about, purpose, contact, kept[contact.customer]) for contact in contacts if contact.customer in kept]
    without = sorted(set(kept) - {contact.customer for contact in contacts})
    return Drafts(
        label(revision),
        purpose,
        tuple(made),
        {reason: tuple(names) for reason, names in sorted(left_out.items())},
        tuple(without),
    )


def _about(session: Session, revision: Revision, hotfix: Hotfix) -> _About:
    guidance = Manifest.parse(revision.manifest).guidance if revision.manifest else ()
    product = session.get_one(Product, hotfix.product).name
    return _About(revision, hotfix, product, guidance, *said_of_recall(session, revision))


def said_of_recall(session: Session, revision: Revision) -> tuple[str | None, str | None]:
    """Return why a revision was recalled, and what to apply instead; None where nobody said."""
    query = select(RecallRow).where(RecallRow.revision == revision.id, RecallRow.kind == "recall")
    row = session.scalar(query.order_by(RecallRow.id.desc()).limit(1))
    if row is None:
        return None, None
    [envelope] = read_sidecar(row.envelope, "the recall")
    replacement = Recall.parse(envelope.payload, "recall").replacement
    return row.reason, replacement.label if replacement else None


def _lacking(session: Session, revision: Revision, now: datetime) -> Select[Site, SiteState, bool]:
    """Return sites that lack a revision, or of which nobody knows, each with whether it is reached."""
    aimed = aim(session, revision)
    have = select(Applied.site).where(Applied.revision.in_([revision.id, *aimed.newer]))
    reached = Site.id.in_(sites_reached(session, revision, now))
    return (
        select(Site, SiteState, reached.label("reached"))
        .join(SiteState, SiteState.site == Site.id)
        .where(targeted(aimed), Site.id.not_in(have))
    )


def _having(revision: Revision) -> Select[Site, SiteState, bool]:
    """Return sites that run a revision or have downloaded it."""
    loaded = select(Download.site).where(
        Download.revision == revision.id, Download.outcome == DONE, Download.site.is_not(None)
    )
    return (
        select(Site, SiteState, Applied.site.is_not(None).label("runs"))
        .join(SiteState, SiteState.site == Site.id)
        .outerjoin(Applied, (Applied.site == Site.id) & (Applied.revision == revision.id))
        .where(Site.retired.is_(None), or_(Applied.site.is_not(None), Site.id.in_(loaded)))
    )


def _refusals(session: Session, about: _About, now: datetime) -> dict[str, str]:
    """Return by customer why it may not have the revision."""
    query = select(Entitlement).where(Entitlement.product == about.hotfix.product).order_by(Entitlement.id)
    held: dict[str, list[Entitlement]] = {}
    for one in session.scalars(query):
        held.setdefault(one.customer, []).append(one)
    found: dict[str, str] = {}
    for customer in session.scalars(select(Site.customer).where(Site.product == about.hotfix.product).distinct()):
        why = Rights(customer, held.get(customer, [])).why_not(about.hotfix, about.revision, now)
        if why is not None:
            found[customer] = str(why.reason)
    return found


def _contacts(session: Session) -> list[Contact]:
    query = select(Contact).where(Contact.ended.is_(None)).order_by(Contact.customer, Contact.id)
    return list(session.scalars(query))


def _check_names(session: Session, about: _About, told: set[str]) -> None:
    """Refuse a text by people that names a customer other than the one who reads it."""
    free = " ".join([about.hotfix.title, about.reason or "", *about.guidance]).casefold()
    for identifier, title, alias in session.execute(select(Customer.id, Customer.title, Customer.alias)):
        names = {name.casefold() for name in (identifier, title, alias)} - {about.hotfix.product.casefold()}
        if told - {identifier} and any(name in free and _as_word(name, free) for name in names):
            raise RefusedError("notice-names", f"what {label(about.revision)} says of itself names {title}")


def _as_word(name: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _draft(about: _About, purpose: str, contact: Contact, rows: Sequence[Any]) -> Draft:
    name, sites = label(about.revision), counted(len(rows), "site")
    if purpose == RECALL:
        subject = f"{about.product}: {name} is recalled, act on {sites}"
        lines = [f"{name} for {about.product} is recalled{f': {about.reason}' if about.reason else ''}.", ""]
        lines += [_has(about, row) for row in rows]
        lines += ["", "Please tell us what you did: rolled back, patched, or accepted the risk."]
    else:
        subject = f"{about.product}: {sites} {'needs' if len(rows) == 1 else 'need'} {name}"
        lines = [f"{name} for {about.product} {about.hotfix.baseline}: {about.hotfix.title}", ""]
        lines += [_needs(about, row) for row in rows]
        lines += ["", f"Severity: {about.hotfix.severity}. {_FETCH}"]
    return Draft(
        purpose=purpose,
        revision=about.revision.id,
        name=contact.name,
        address=contact.address,
        subject=subject,
        body="\n".join([f"Dear {contact.name},", "", *lines, ""]),
        contact=contact.id,
        customer=contact.customer,
        sites=tuple(sorted(row.Site.id for row in rows)),
    )


def _needs(about: _About, row: Any) -> str:
    state = row.SiteState
    how = as_of(state.evidence, state.as_of)
    after = [part for part in map(_guided, about.guidance) if part]
    if about.guidance and not after:
        after = ["no restart needed"]
    told = "; ".join([f"you need {label(about.revision)}", *after])
    return f"- {row.Site.title}: you run {state.label or state.baseline} ({how}); {told}."


def _has(about: _About, row: Any) -> str:
    how = as_of(row.SiteState.evidence, row.SiteState.as_of)
    has = f"you run it ({how})" if row.runs else "you downloaded it; do not apply it"
    instead = f"apply {about.instead} instead" if about.instead else "roll it back" if row.runs else "delete it"
    return f"- {row.Site.title}: {has}; {instead}."


def _guided(text: str) -> str | None:
    """Return what is to be done after applying, in words."""
    kind, _, more = text.partition(":")
    return {
        "none": None,
        "reload": "reload needed",
        "restart-node": "restart needed",
        "restart-service": f"restart of {more} needed",
    }.get(kind, more)
