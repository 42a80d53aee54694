"""What comes next in a rollout, and what it waits for: one sentence, from how it stands.

It says what `advancing` will do and what people may do; it does nothing itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.wording import counted
from patchline.releaser.rollouts.life import FINISHED, PAUSED, PLANNED, STOPPED, too_many_errors, too_silent
from patchline.releaser.rollouts.targets import Aim, Measured, soaking
from patchline.releaser.states import State
from patchline.releaser.tables.customers import Freeze


@dataclass(frozen=True)
class Outlook:
    """What comes next.

    Attributes:
        tone: `good`, `busy`, `warn` or `bad`.
        enough_at: when the last opened stage has been long enough at enough sites, if none reports otherwise; None as
            long as too few have applied it.
    """

    tone: str
    words: str
    enough_at: datetime | None = None


def enough_at(session: Session, counts: Measured, aimed: Aim, now: datetime) -> datetime | None:
    """Return when enough sites of the last opened stage will have had it for the soak time; None if too few have it."""
    rollout = counts.rollout
    if rollout.stage == 0:
        return None
    _, of = counts.soaked(rollout.stage)
    needed = -(-of * rollout.success_percent // 100)
    if needed == 0:
        return None
    rows = soaking(rollout, counts.stages, aimed, now).subquery()
    query = select(rows.c.applied).order_by(rows.c.applied).offset(needed - 1).limit(1)
    last = session.scalar(query)
    return last + timedelta(hours=rollout.soak_hours) if last is not None else None


def outlook(counts: Measured, state: State, freeze: Freeze | None, enough: datetime | None, now: datetime) -> Outlook:
    """Tell what comes next.

    Args:
        counts: how it stands.
        state: of its revision.
        freeze: that lasts for the whole product, if any.
        enough: what `enough_at` says.
        now: the time.
    """
    rollout = counts.rollout
    over = {
        STOPPED: Outlook("bad", f"Stopped: {rollout.reason}. Nobody new is reached; plan another one to go on"),
        FINISHED: Outlook("good", "Finished: every site has it"),
    }
    if rollout.state in over:
        return over[rollout.state]
    if state is not State.PUBLISHED:
        return Outlook("warn", f"Its revision is {state}: nothing goes out until it is published")
    if rollout.state == PAUSED:
        return Outlook("warn", f"Paused: {rollout.reason}. Start it again when you have looked, or stop it")
    if freeze is not None:
        return Outlook("warn", f"No stage opens before {freeze.ends:%Y-%m-%d %H:%M} UTC: frozen, {freeze.reason}")
    if rollout.state == PLANNED:
        return Outlook("busy", "Planned: it reaches nobody until you start it")
    return _running(counts, enough, now)


def _running(counts: Measured, enough: datetime | None, now: datetime) -> Outlook:
    rollout = counts.rollout
    if too_many_errors(counts):
        return Outlook("bad", f"Errors at {counted(counts.errors, 'site')}: it pauses with the next look")
    if too_silent(counts):
        return Outlook("warn", f"Silence at {counted(counts.all_silent, 'site')}: it pauses with the next look")
    if counts.last:
        return Outlook("busy", "Its last stage is open: it is finished when every site has it")
    if not counts.succeeded(rollout.stage):
        return Outlook("busy", _waits(counts, enough, now), enough)
    if rollout.automatic:
        return Outlook("good", "Enough sites have had it long enough: the next stage opens with the next look", enough)
    return Outlook("good", "Enough sites have had it long enough: open the next stage", enough)


def _waits(counts: Measured, enough: datetime | None, now: datetime) -> str:
    rollout = counts.rollout
    have, of = counts.soaked(rollout.stage)
    if of == 0:
        return "Its stage has no site left: open the next one, or stop it"
    needed = -(-of * rollout.success_percent // 100)
    told = f"{have} of {counted(of, 'site')} had it for {counted(rollout.soak_hours, 'hour')}, {needed} are needed"
    if enough is None or enough <= now:
        return f"{told}; too few have applied it yet"
    left = -(-int((enough - now).total_seconds()) // 3600)
    return f"{told}; {counted(left, 'hour')} of soak time left"
