"""What a rollout does by itself: it stops, pauses, opens its next stage or ends, as its settings say.

Whoever calls this, a worker or a person's command, decides nothing. It can be called as often as anybody likes.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from patchline.patches.wording import counted
from patchline.releaser.hotfixes import label
from patchline.releaser.register import Change
from patchline.releaser.rollouts.freezes import of_product
from patchline.releaser.rollouts.life import (
    FINISHED,
    OPEN,
    PAUSED,
    RUNNING,
    STOPPED,
    Found,
    open_next,
    set_state,
    too_many_errors,
    too_silent,
)
from patchline.releaser.rollouts.targets import HAVE, Measured, aim
from patchline.releaser.states import State
from patchline.releaser.tables.hotfixes import Revision
from patchline.releaser.tables.rollouts import Rollout


@dataclass(frozen=True)
class Moved:
    """What became of a rollout."""

    label: str
    state: str
    stage: int
    why: str


def advance(change: Change, now: datetime) -> list[Moved]:
    """Look after every open rollout; return what was done.

    Args:
        change: under way.
        now: the time.
    """
    query = (
        select(Rollout, Revision)
        .join(Revision, Revision.id == Rollout.revision)
        .where(Rollout.state.in_(OPEN))
        .order_by(Rollout.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    moved = []
    for rollout, revision in change.session.execute(query).all():
        found = Found(rollout, revision, aim(change.session, revision))
        if (why := _step(change, found, now)) is not None:
            change.session.flush()
            facts = {"state": rollout.state, "stage": rollout.stage, "why": why}
            change.record("rollout.advance", label(revision), facts)
            moved.append(Moved(label(revision), rollout.state, rollout.stage, why))
    return moved


def _step(change: Change, found: Found, now: datetime) -> str | None:
    """Do what follows for one rollout; return why, None when there is nothing to do."""
    rollout, state = found.rollout, State(found.revision.state)
    if state is State.RECALLED:
        return _to(rollout, STOPPED, f"{found.label} is recalled", now)
    if rollout.state != RUNNING:
        return None
    if state is not State.PUBLISHED:
        return _to(rollout, PAUSED, f"{found.label} is {state}", now)
    counts = found.measured(change)
    if problem := _problem(counts):
        return _to(rollout, PAUSED, problem, now)
    if counts.last:
        done = counts.sites(stands=HAVE) == counts.sites()
        return _to(rollout, FINISHED, "every site has it", now) if done else None
    if not rollout.automatic or not counts.succeeded(rollout.stage):
        return None
    if of_product(change.session, found.aimed.product, now) is not None:
        return None
    have, of = counts.soaked(rollout.stage)
    open_next(rollout, counts.stages, now)
    rollout.changed = now
    return f"{have} of {counted(of, 'site')} had it for {counted(rollout.soak_hours, 'hour')}"


def _problem(counts: Measured) -> str | None:
    if counts.sites() == 0:
        return "nobody is left whom it is for"
    if too_many_errors(counts):
        return f"errors at {counted(counts.errors, 'site')}"
    if too_silent(counts):
        return f"silence at {counted(counts.all_silent, 'site')}"
    if counts.rollout.automatic and not counts.last and not counts.sites(counts.rollout.stage):
        return "its stage has no site left: promote it, or stop it"
    return None


def _to(rollout: Rollout, state: str, why: str, now: datetime) -> str:
    set_state(rollout, state, why, now)
    return why


def stop_recalled(change: Change, revision: Revision) -> None:
    """Stop the rollout of a revision that was just recalled."""
    query = select(Rollout).where(Rollout.revision == revision.id, Rollout.state != STOPPED).with_for_update()
    for rollout in change.session.scalars(query):
        why = _to(rollout, STOPPED, f"{label(revision)} is recalled", change.now)
        facts = {"state": STOPPED, "stage": rollout.stage, "why": why}
        change.record("rollout.advance", label(revision), facts)
    change.session.flush()
