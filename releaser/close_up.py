"""One revision from close: what it is, who had a part in it, who approved it, and why it may not be published yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, PatchlineError
from patchline.patches.identifiers import fingerprint
from patchline.patches.manifest import Manifest
from patchline.patches.root import Root
from patchline.patches.rules import Demand, Release, Scope
from patchline.patches.statements import time_text
from patchline.patches.wording import counted
from patchline.releaser.evidence import given_for
from patchline.releaser.fleet.adoption import Adoption, adoption
from patchline.releaser.fleet.simulations import Standing, standing
from patchline.releaser.hotfixes import find, label
from patchline.releaser.policies import vendor_trust
from patchline.releaser.publishing import obstacles
from patchline.releaser.states import Action, State, possible
from patchline.releaser.tables.hotfixes import Approval, Contributor, Hotfix, Recall, Revision, Step

_REVIEWED = (State.IN_REVIEW, State.APPROVED)


@dataclass(frozen=True)
class CloseUp:
    """A revision and all that belongs to it.

    Attributes:
        needed: persons who must approve, None where no policy tells.
        missing: in words, what stands against publishing it.
        simulated: how it was tried against the sites; None where nothing was built.
        adoption: how far it has come, once it was published and the product has sites.
    """

    hotfix: Hotfix
    revision: Revision
    manifest: Manifest | None
    revisions: tuple[tuple[int, str], ...]
    contributors: tuple[tuple[str, str], ...]
    approvals: tuple[Approval, ...]
    recalls: tuple[Recall, ...]
    steps: tuple[Step, ...]
    evidence: dict[str, dict[str, Any]]
    needed: int | None
    missing: tuple[str, ...]
    simulated: Standing | None
    adoption: Adoption | None

    @property
    def label(self) -> str:
        """Its name."""
        return label(self.revision)

    @property
    def voters(self) -> tuple[str, ...]:
        """Who approved, each once."""
        return tuple(dict.fromkeys(one.person for one in self.approvals))

    @property
    def may(self) -> tuple[Action, ...]:
        """What may be done with it now."""
        return possible(State(self.revision.state))

    @property
    def headline(self) -> str:
        """The one sentence that says how it stands."""
        start = f"{self.label} for {self.hotfix.product} {self.hotfix.baseline}: {self.revision.state}"
        if self.revision.legacy:
            return f"{start}, shipped before Patchline"
        votes = ""
        if self.needed is not None and State(self.revision.state) in _REVIEWED:
            votes = f", {len(self.voters)} of {counted(self.needed, 'approval')}"
        against = "; ".join(one.removeprefix(f"{self.label}: ") for one in self.missing)
        return start + votes + (f", not publishable because {against}" if against else "")


def close_up(session: Session, identifier: str, root: Root | None, now: datetime) -> CloseUp:
    """Look at a revision, or at the last one of a hotfix.

    Args:
        session: to read from.
        identifier: of the hotfix or revision.
        root: the channel's newest, None before there is one.
        now: the time.

    Raises:
        NotFoundError: there is none.
    """
    revision = find(session, identifier)
    hotfix = session.get_one(Hotfix, revision.hotfix)
    manifest = Manifest.parse(revision.manifest) if revision.manifest else None
    numbers = select(Revision.number, Revision.state).where(Revision.hotfix == hotfix.id).order_by(Revision.number)
    parts = select(Contributor.person, Contributor.part).where(Contributor.revision == revision.id)
    return CloseUp(
        hotfix=hotfix,
        revision=revision,
        manifest=manifest,
        revisions=tuple((row.number, row.state) for row in session.execute(numbers)),
        contributors=tuple(sorted((row.person, row.part) for row in session.execute(parts))),
        approvals=tuple(
            session.scalars(select(Approval).where(Approval.revision == revision.id).order_by(Approval.id))
        ),
        recalls=tuple(session.scalars(select(Recall).where(Recall.revision == revision.id).order_by(Recall.id))),
        steps=tuple(session.scalars(select(Step).where(Step.revision == revision.id).order_by(Step.number))),
        evidence=given_for(session, revision),
        needed=_needed(session, hotfix, manifest, root),
        missing=tuple(_missing(session, revision, root, now)),
        simulated=standing(session, revision) if manifest is not None else None,
        adoption=_adoption(session, identifier, revision),
    )


def _adoption(session: Session, identifier: str, revision: Revision) -> Adoption | None:
    if revision.published is None:
        return None
    found = adoption(session, identifier)
    return found if found.totals.sites else None


def _needed(session: Session, hotfix: Hotfix, manifest: Manifest | None, root: Root | None) -> int | None:
    if manifest is None or root is None:
        return None
    try:
        policy = vendor_trust(session, hotfix.product, root).policy
    except PatchlineError:
        return None
    scope = Scope.ALL if hotfix.customers is None else Scope.CUSTOMERS
    demand: Demand = policy.demand(Release.of(manifest, scope))
    return demand.threshold


def _missing(session: Session, revision: Revision, root: Root | None, now: datetime) -> Iterator[str]:
    if revision.legacy:
        return
    if root is None:
        yield NotFoundError("channel-root", "the channel has no root yet").message
        return
    try:
        yield from obstacles(session, revision, root, now, None)
    except PatchlineError as error:
        # What cannot be judged is not publishable.
        yield error.message


def document(found: CloseUp) -> dict[str, Any]:
    """Return everything for `--json`."""
    revision, hotfix = found.revision, found.hotfix
    return {
        "hotfix": hotfix.id,
        "revision": revision.number,
        "state": revision.state,
        "headline": found.headline,
        "not_publishable": list(found.missing),
        "may": [str(action) for action in found.may],
        "product": hotfix.product,
        "baseline": hotfix.baseline,
        "kind": hotfix.kind,
        "severity": hotfix.severity,
        "title": hotfix.title,
        "asked_for": hotfix.fixes,
        "customers": hotfix.customers,
        "campaign": hotfix.campaign,
        "legacy": hotfix.legacy,
        "version": hotfix.version,
        "revisions": [{"revision": number, "state": state} for number, state in found.revisions],
        "manifest": revision.manifest_sha256,
        "fingerprint": fingerprint(revision.manifest_sha256) if revision.manifest_sha256 else None,
        "container": revision.container_sha256,
        "size": revision.size,
        "fixes": [one.id for one in found.manifest.fixes] if found.manifest else [],
        "paths": len(found.manifest.files) if found.manifest else None,
        "contributors": [{"person": person, "part": part} for person, part in found.contributors],
        "approvals_needed": found.needed,
        "approvals": [_approval(one) for one in found.approvals],
        "evidence": list(found.evidence.values()),
        "simulation": found.simulated.as_document() if found.simulated else None,
        "embargo_until": _time(revision.embargo_until),
        "published": _time(revision.published),
        "zip": revision.zip_sha256,
        "emergency_hours": revision.emergency_hours,
        "ratified": _time(revision.ratified),
        "recalls": [
            {"kind": one.kind, "person": one.person, "reason": one.reason, "statement": one.statement_sha256}
            for one in found.recalls
        ],
        "adoption": found.adoption.as_document() if found.adoption else None,
        "steps": [_step(one) for one in found.steps],
    }


def _approval(one: Approval) -> dict[str, Any]:
    return {
        "person": one.person,
        "kind": one.kind,
        "keyid": one.keyid,
        "reproduced": one.reproduced,
        "scope": one.scope if one.scope is not None else "all",
        "taken": time_text(one.taken),
    }


def _step(one: Step) -> dict[str, Any]:
    return {
        "action": one.action,
        "state": one.state,
        "at": time_text(one.at),
        "person": one.person,
        "reason": one.reason,
    }


def _time(moment: datetime | None) -> str | None:
    return time_text(moment) if moment is not None else None


def text(found: CloseUp) -> str:
    """Return it for people."""
    return "\n".join([found.headline, *_facts(found), *_lists(found)])


def _facts(found: CloseUp) -> Iterator[str]:
    revision, hotfix = found.revision, found.hotfix
    yield f"  {hotfix.title}  ({hotfix.kind}, {hotfix.severity})"
    yield f"  for         {', '.join(hotfix.customers) if hotfix.customers else 'all customers'}"
    if revision.manifest_sha256:
        yield f"  manifest    {revision.manifest_sha256}"
        yield f"  fingerprint {fingerprint(revision.manifest_sha256)}"
    if found.manifest is not None:
        yield f"  fixes       {', '.join(one.id for one in found.manifest.fixes) or 'none'}"
        yield f"  changes     {counted(len(found.manifest.files), 'path')}"
    elif hotfix.fixes:
        yield f"  to mend     {', '.join(hotfix.fixes)}"
    if revision.emergency_hours is not None:
        told = f"ratified {time_text(revision.ratified)}" if revision.ratified else "not ratified yet"
        yield f"  emergency   for {counted(revision.emergency_hours, 'hour')} at a site, {told}"
    if found.adoption is not None:
        yield f"  at          {found.adoption.in_words}"
    if found.may:
        yield f"  next        {', '.join(found.may)}"


def _lists(found: CloseUp) -> Iterator[str]:
    for person, part in found.contributors:
        yield f"  {part:11} {person}"
    for one in found.approvals:
        more = " (rebuilt it)" if one.reproduced else ""
        yield f"  approved by {one.person}{more}, key {one.keyid[:16]}, taken {time_text(one.taken)}"
    for facts in found.evidence.values():
        where = f" on {facts['setup']}" if facts["setup"] else ""
        yield f"  tests       {facts['name']}{where}: {facts['passed']} of {counted(facts['tests'], 'test')} passed"
    if found.simulated is not None and found.simulated.words:
        yield f"  simulated   {found.simulated.words}"
    for recall in found.recalls:
        yield f"  {recall.kind:11} signed by {recall.person}: {recall.reason}"
    for step in found.steps:
        why = f": {step.reason}" if step.reason else ""
        yield f"  {time_text(step.at)}  {step.action} by {step.person}, {step.state}{why}"
