"""The life of a rollout: planned → running ⇄ paused → stopped or finished. People plan, start, promote, pause and stop.

Whoever promotes or lets a paused one go on has seen the counts; they go into the audit log with it. What goes on by itself
says `releaser.rollouts.advancing`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, RefusedError, StateError, UsageError
from patchline.releaser.hotfixes import find, label, locked
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.rollouts.freezes import of_product
from patchline.releaser.rollouts.rings import named_sites
from patchline.releaser.rollouts.targets import Aim, Measured, Stand, aim, measure, see, sites_by_ring
from patchline.releaser.states import State
from patchline.releaser.tables.customers import Ring
from patchline.releaser.tables.hotfixes import Revision
from patchline.releaser.tables.people import Role
from patchline.releaser.tables.rollouts import Rollout, RolloutProblem, RolloutSite, RolloutStage

PLANNED, RUNNING, PAUSED, STOPPED, FINISHED = "planned", "running", "paused", "stopped", "finished"
OPEN = (PLANNED, RUNNING, PAUSED)
_LONGEST_REASON = 1000
_MOST_HOURS, _MOST_SITES = 10_000, 1_000_000


@dataclass(frozen=True)
class Settings:
    """How a rollout goes on; the fields are those of `Rollout`."""

    automatic: bool = False
    soak_hours: int = 24
    success_percent: int = 90
    error_limit: int = 0
    silence_hours: int = 168
    silence_limit: int = 0

    def check(self) -> None:
        """Raise UsageError for a number that makes no sense."""
        bounds = {
            "soak_hours": (0, _MOST_HOURS),
            "success_percent": (1, 100),
            "error_limit": (0, _MOST_SITES),
            "silence_hours": (1, _MOST_HOURS),
            "silence_limit": (0, _MOST_SITES),
        }
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise UsageError("rollout-setting", f"{name.replace('_', ' ')} is a number from {least} to {most:,}")


@dataclass(frozen=True)
class Planned:
    """A rollout that was just planned.

    Attributes:
        left_out: rings none of whose sites the hotfix is for.
    """

    rollout: Rollout
    revision: Revision
    left_out: tuple[str, ...]


def plan(change: Change, identifier: str, settings: Settings, sites: Sequence[str] = ()) -> Planned:
    """Plan the rollout of a revision: named sites first, then the rings of its product, then everyone.

    Args:
        change: under way.
        identifier: of the hotfix or revision.
        settings: how it goes on.
        sites: names of the sites of the first stage.

    Raises:
        RefusedError: who acts does not manage releases; a named site is outside of what the approvals allow; or there is
            no site at all that it is for.
        StateError: the revision is not approved or published, or has an open rollout.
        NotFoundError: the revision or a site is unknown.
        UsageError: a setting makes no sense.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    settings.check()
    revision = locked(change, identifier)
    if State(revision.state) not in (State.APPROVED, State.PUBLISHED):
        raise StateError("hotfix-state", f"{label(revision)} is {revision.state}")
    there = newest(change.session, [revision.id]).get(revision.id)
    if there is not None and there.state in OPEN:
        raise StateError("rollout-exists", f"{label(revision)} has a rollout, which is {there.state}")
    aimed = aim(change.session, revision)
    named = [site.id for site in named_sites(change.session, aimed.product, sites)]
    rollout = Rollout(
        revision=revision.id,
        state=PLANNED,
        stage=0,
        **asdict(settings),
        errors_borne=0,
        silence_borne=0,
        planned=change.now,
        planned_by=change.by,
        changed=change.now,
    )
    left_out = _lay_out(change.session, rollout, revision, aimed, named)
    facts = {"sites": list(sites), "settings": asdict(settings), "left_out": list(left_out)}
    change.record("rollout.plan", label(revision), facts)
    return Planned(rollout, revision, left_out)


def _lay_out(
    session: Session, rollout: Rollout, revision: Revision, aimed: Aim, named: Sequence[int]
) -> tuple[str, ...]:
    """Add a rollout with its stages; return the rings that are left out."""
    first, others = sites_by_ring(session, aimed, named)
    if first < len(named):
        raise RefusedError(
            "rollout-scope", f"{label(revision)} is for {first} of the {len(named)} named sites alone: {_whom(aimed)}"
        )
    if not first and not others:
        raise RefusedError("rollout-empty", f"there is no site for {label(revision)}: {_whom(aimed)}")
    rings = list(session.scalars(select(Ring.name).where(Ring.product == aimed.product).order_by(Ring.ordinal)))
    kinds: list[tuple[str, str | None]] = [("named", None)] if named else []
    kinds += [("ring", ring) for ring in rings if others.get(ring)]
    session.add(rollout)
    session.flush()
    for number, (kind, ring) in enumerate([*kinds, ("everyone", None)], 1):
        session.add(RolloutStage(rollout=rollout.id, number=number, kind=kind, ring=ring))
    session.add_all(RolloutSite(rollout=rollout.id, site=site) for site in named)
    session.flush()
    return tuple(ring for ring in rings if not others.get(ring))


def _whom(aimed: Aim) -> str:
    whom = "all customers" if aimed.customers is None else ", ".join(sorted(aimed.customers)) or "nobody"
    return f"it is approved for {whom}, on {aimed.product} {aimed.baseline}"


def start(change: Change, identifier: str) -> Measured:
    """Open the first stage of a planned rollout, or let a paused one go on, with what errors and silence there are.

    Raises:
        StateError: it is neither, its revision is not published, or its product is frozen.
        RefusedError: who acts does not manage releases, or nobody is left whom it is for.
    """
    found = _taken(change, identifier, (PLANNED, PAUSED), "start")
    _check_published(found.revision)
    _check_thawed(change.session, found.aimed, change.now)
    counts = found.measured(change)
    if counts.sites() == 0:
        raise RefusedError("rollout-empty", f"there is no site left for {found.label}: {_whom(found.aimed)}")
    rollout = found.rollout
    rollout.errors_borne, rollout.silence_borne = counts.errors, counts.all_silent
    if rollout.stage == 0:
        open_next(rollout, counts.stages, change.now)
    set_state(rollout, RUNNING, None, change.now)
    return _done(change, found, "rollout.start")


def promote(change: Change, identifier: str) -> Measured:
    """Open the next stage.

    Raises:
        StateError: it does not run, is in its last stage, has more errors than its limit, or its product is frozen.
        RefusedError: who acts does not manage releases.
    """
    found = _taken(change, identifier, (RUNNING,), "promote")
    _check_published(found.revision)
    _check_thawed(change.session, found.aimed, change.now)
    counts = found.measured(change)
    if counts.last:
        raise StateError("rollout-last", f"{found.label} has reached everyone whom it is for")
    if too_many_errors(counts):
        raise StateError("rollout-errors", f"{found.label} has errors at {counts.errors} sites")
    open_next(found.rollout, counts.stages, change.now)
    found.rollout.changed = change.now
    return _done(change, found, "rollout.promote")


def pause(change: Change, identifier: str, reason: str) -> Measured:
    """Let nobody new be reached for the time being.

    Raises:
        StateError: it does not run.
        RefusedError: who acts does not manage releases.
        UsageError: there is no reason.
    """
    found = _taken(change, identifier, (RUNNING,), "pause")
    set_state(found.rollout, PAUSED, _reason(reason), change.now)
    return _done(change, found, "rollout.pause", reason)


def stop(change: Change, identifier: str, reason: str) -> Measured:
    """Let nobody new be reached for good. Another rollout of the same revision can be planned.

    Raises:
        StateError: it is stopped already.
        RefusedError: who acts does not manage releases.
        UsageError: there is no reason.
    """
    found = _taken(change, identifier, (*OPEN, FINISHED), "stop")
    set_state(found.rollout, STOPPED, _reason(reason), change.now)
    return _done(change, found, "rollout.stop", reason)


def tell_problem(change: Change, identifier: str, site: str, told: str) -> Measured:
    """Write down that the hotfix does harm at a site or does not go in; it counts as an error.

    Raises:
        StateError: the rollout is over.
        NotFoundError: there is no such site.
        RefusedError: who acts is neither support nor manages releases.
        UsageError: nothing is told.
    """
    found = _taken(change, identifier, (*OPEN, FINISHED), "problem", Role.SUPPORT, Role.RELEASE_MANAGER)
    [where] = named_sites(change.session, found.aimed.product, [site])
    change.session.add(
        RolloutProblem(
            rollout=found.rollout.id, site=where.id, told=_reason(told), added=change.now, added_by=change.by
        )
    )
    return _done(change, found, "rollout.problem", told, {"site": site})


@dataclass(frozen=True)
class Found:
    """A rollout with what it is about."""

    rollout: Rollout
    revision: Revision
    aimed: Aim

    @property
    def label(self) -> str:
        """The name of its revision."""
        return label(self.revision)

    def measured(self, change: Change) -> Measured:
        """Return how it stands, having looked where it is in force."""
        see(change.session, self.rollout, change.now)
        return measure(change.session, self.rollout, self.aimed, change.now)


def the_rollout(session: Session, identifier: str, *, lock: bool = False) -> Found:
    """Return the newest rollout of a revision, or of any revision of a hotfix.

    Raises:
        NotFoundError: there is none.
    """
    named = find(session, identifier)
    query = select(Rollout, Revision).join(Revision, Revision.id == Rollout.revision)
    query = query.where(Revision.hotfix == named.hotfix)
    if identifier != named.hotfix:
        query = query.where(Revision.id == named.id)
    query = query.order_by(Revision.number.desc(), Rollout.id.desc()).limit(1)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFoundError("rollout", f"there is no rollout of {identifier}")
    return Found(row.Rollout, row.Revision, aim(session, row.Revision))


def newest(session: Session, revisions: Sequence[int]) -> Mapping[int, Rollout]:
    """Return the newest rollout of each revision that has one."""
    query = select(Rollout).where(Rollout.revision.in_(revisions)).order_by(Rollout.id)
    return {rollout.revision: rollout for rollout in session.scalars(query)}


def open_next(rollout: Rollout, stages: Sequence[RolloutStage], now: datetime) -> None:
    """Open the next stage."""
    rollout.stage += 1
    stages[rollout.stage - 1].opened = now


def set_state(rollout: Rollout, state: str, reason: str | None, now: datetime) -> None:
    """Change the state of a rollout."""
    rollout.state, rollout.reason, rollout.changed = state, reason, now


def too_many_errors(counts: Measured) -> bool:
    """Tell whether there are more errors than the limit, or than somebody has let it go on with."""
    return counts.errors > max(counts.rollout.error_limit, counts.rollout.errors_borne)


def too_silent(counts: Measured) -> bool:
    """Tell whether more sites are silent than the limit; where no stage is left to open that stops nothing."""
    limit = max(counts.rollout.silence_limit, counts.rollout.silence_borne)
    return not counts.last and counts.all_silent > limit


def _taken(change: Change, identifier: str, states: Sequence[str], action: str, *roles: Role) -> Found:
    require_role(change.session, change.by, *(roles or (Role.RELEASE_MANAGER,)))
    found = the_rollout(change.session, identifier, lock=True)
    if found.rollout.state not in states:
        wanted = " or ".join(states)
        raise StateError(
            "rollout-state",
            f"the rollout of {found.label} is {found.rollout.state}; {action} takes one that is {wanted}",
        )
    return found


def _done(
    change: Change, found: Found, action: str, reason: str | None = None, more: Mapping[str, Any] | None = None
) -> Measured:
    """Write down what was done, with the counts that there are now."""
    change.session.flush()
    counts = found.measured(change)
    stands = {str(stand): counts.sites(stands=[stand]) for stand in Stand}
    facts = {"stage": found.rollout.stage, "counts": {name: sites for name, sites in stands.items() if sites}}
    told = {} if reason is None else {"reason": reason}
    change.record(action, found.label, {**facts, **told, **(more or {})})
    return counts


def _check_published(revision: Revision) -> None:
    if State(revision.state) is not State.PUBLISHED:
        raise StateError("hotfix-state", f"{label(revision)} is {revision.state}; only what is published goes out")


def _check_thawed(session: Session, aimed: Aim, now: datetime) -> None:
    freeze = of_product(session, aimed.product, now)
    if freeze is not None:
        raise StateError("frozen", f"{aimed.product} is frozen until {freeze.ends:%Y-%m-%d %H:%M} UTC: {freeze.reason}")


def _reason(text: str) -> str:
    if not 0 < len(text.strip()) <= len(text) <= _LONGEST_REASON or not text.isprintable():
        raise UsageError("rollout-reason", f"the reason has 1 to {_LONGEST_REASON} printable characters")
    return text
