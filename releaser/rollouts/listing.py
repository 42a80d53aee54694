"""Lists of rollouts and of recalled revisions, the newest first, in a constant number of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from patchline.patches.errors import UsageError
from patchline.releaser.states import Action, State
from patchline.releaser.tables.fleet import Applied
from patchline.releaser.tables.hotfixes import Hotfix, Revision, Step
from patchline.releaser.tables.rollouts import (
    STATES,
    Acknowledgement,
    Rollout,
    RolloutProblem,
    RolloutSeen,
    RolloutStage,
)


@dataclass(frozen=True)
class Row:
    """A rollout in a list.

    Attributes:
        stages: how many it has.
        seen: sites where it was seen in force.
        problems: sites of which somebody told harm.
    """

    number: int
    label: str
    title: str
    product: str
    state: str
    reason: str | None
    stage: int
    stages: int
    automatic: bool
    planned: datetime
    changed: datetime
    seen: int
    problems: int


def rollouts(session: Session, state: str | None, limit: int, after: str | None = None) -> Sequence[Row]:
    """Return rollouts, older than the one of the number `after`.

    Raises:
        UsageError: there is no such state, or `after` is no number.
    """
    if state is not None and state not in STATES:
        raise UsageError("page", f"{state[:40]!r} is none of {', '.join(STATES)}")
    stages = select(func.count()).where(RolloutStage.rollout == Rollout.id).scalar_subquery()
    seen = select(func.count()).where(RolloutSeen.rollout == Rollout.id).scalar_subquery()
    problems = select(func.count(RolloutProblem.site.distinct())).where(RolloutProblem.rollout == Rollout.id)
    query = (
        select(
            Rollout, Revision.number, Hotfix.id, Hotfix.title, Hotfix.product, stages, seen, problems.scalar_subquery()
        )
        .join(Revision, Revision.id == Rollout.revision)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .order_by(Rollout.id.desc())
        .limit(limit)
    )
    query = query.where(Rollout.state == state) if state is not None else query
    query = query.where(Rollout.id < _number(after)) if after is not None else query
    return [
        Row(
            one.id,
            f"{hotfix}-r{number}",
            title,
            product,
            one.state,
            one.reason,
            one.stage,
            of,
            one.automatic,
            one.planned,
            one.changed,
            *counted,
        )
        for one, number, hotfix, title, product, of, *counted in session.execute(query)
    ]


@dataclass(frozen=True)
class Recalled:
    """A recalled revision.

    Attributes:
        runs: sites that have it in force still, as far as is known.
        words: how often customers said something of it.
    """

    number: int
    label: str
    title: str
    product: str
    severity: str
    at: datetime | None
    reason: str | None
    runs: int
    words: int


def recalled(session: Session, limit: int, after: str | None = None) -> Sequence[Recalled]:
    """Return recalled revisions, older than the one of the number `after`.

    Raises:
        UsageError: `after` is no number.
    """
    recall = (
        select(Step.revision, func.max(Step.number).label("number"))
        .where(Step.action == Action.RECALL)
        .group_by(Step.revision)
        .subquery()
    )
    runs = select(func.count()).where(Applied.revision == Revision.id).scalar_subquery()
    words = select(func.count()).where(Acknowledgement.revision == Revision.id).scalar_subquery()
    query = (
        select(Revision.id, Revision.number, Hotfix, Step.at, Step.reason, runs, words)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .outerjoin(recall, recall.c.revision == Revision.id)
        .outerjoin(Step, and_(Step.revision == recall.c.revision, Step.number == recall.c.number))
        .where(Revision.state == State.RECALLED)
        .order_by(Revision.id.desc())
        .limit(limit)
    )
    query = query.where(Revision.id < _number(after)) if after is not None else query
    return [
        Recalled(row[0], f"{row[2].id}-r{row[1]}", row[2].title, row[2].product, row[2].severity, *row[3:])
        for row in session.execute(query)
    ]


def _number(after: str) -> int:
    if not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise UsageError("page", f"{after[:40]!r} is not where a page ended")
    return int(after)
