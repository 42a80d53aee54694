"""The sites that a rollout is for, each with its stage and how it stands there: computed by the database, never stored.

The scope is what the approvals say, and a hotfix's own customers: never more. Where nobody knows the baseline a site
counts as `unknown`, not as one that does not need it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, insert, literal, or_, select
from sqlalchemy.orm import Session

from patchline.releaser.rollouts.freezes import frozen
from patchline.releaser.rollouts.windows import read_windows
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Applied, Download, SiteState
from patchline.releaser.tables.hotfixes import Approval, Hotfix, Revision
from patchline.releaser.tables.rollouts import Rollout, RolloutProblem, RolloutSeen, RolloutSite, RolloutStage

DONE = "done"


class Stand(StrEnum):
    """How a site stands to a rollout, in the order in which lists show it."""

    APPLIED = "applied"
    PENDING = "pending-restart"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"
    DOWNLOADED = "downloaded"
    AVAILABLE = "available"
    FROZEN = "frozen"
    UNKNOWN = "unknown"
    LATER = "later"


ERRORS = (Stand.FAILED, Stand.ROLLED_BACK)
HAVE = (Stand.APPLIED, Stand.PENDING, Stand.SUPERSEDED)
_WAITED_FOR = (Stand.DOWNLOADED, Stand.AVAILABLE, Stand.UNKNOWN)


@dataclass(frozen=True)
class Aim:
    """What is rolled out, and to whom it may go.

    Attributes:
        customers: None for all.
        newer: later revisions of the same hotfix.
    """

    revision: int
    product: str
    baseline: str
    customers: frozenset[str] | None
    newer: tuple[int, ...]


def aim(session: Session, revision: Revision) -> Aim:
    """Return what a revision aims at: the customers that its hotfix and every approval of it name."""
    hotfix = session.get_one(Hotfix, revision.hotfix)
    later = select(Revision.id).where(Revision.hotfix == revision.hotfix, Revision.number > revision.number)
    newer = tuple(session.scalars(later))
    scope = scopes(session, [revision])[revision.id]
    return Aim(revision.id, hotfix.product, hotfix.baseline, scope, newer)


def scopes(session: Session, revisions: Sequence[Revision]) -> dict[int, frozenset[str] | None]:
    """Return for each revision the customers that it may go to; None for all."""
    ids = [revision.id for revision in revisions]
    named = select(Revision.id, Hotfix.customers).join(Hotfix, Hotfix.id == Revision.hotfix).where(Revision.id.in_(ids))
    signed = select(Approval.revision, Approval.scope).where(Approval.revision.in_(ids))
    found: dict[int, frozenset[str] | None] = dict.fromkeys(ids)
    for identifier, customers in [*session.execute(named), *session.execute(signed)]:
        if customers is not None:
            there = found[identifier]
            found[identifier] = frozenset(customers) if there is None else there & frozenset(customers)
    return found


def in_scope(aimed: Aim) -> ColumnElement[bool]:
    """Return a condition on `Site` rows: the hotfix may go there, as far as the approvals say."""
    here = and_(Site.product == aimed.product, Site.retired.is_(None))
    return here if aimed.customers is None else and_(here, Site.customer.in_(sorted(aimed.customers)))


def targeted(aimed: Aim) -> ColumnElement[bool]:
    """Return a condition on `Site` joined with `SiteState`: it needs the hotfix, as far as anybody knows."""
    return and_(in_scope(aimed), or_(SiteState.baseline == aimed.baseline, SiteState.baseline.is_(None)))


def sites_by_ring(session: Session, aimed: Aim, named: Sequence[int]) -> tuple[int, Mapping[str | None, int]]:
    """Return how many of the named sites a rollout is for, and how many others by their ring."""
    among = Site.id.in_(named) if named else literal(False)
    sites = select(case((among, 1), else_=0).label("named"), Site.ring)
    rows = sites.join(SiteState, SiteState.site == Site.id).where(targeted(aimed)).subquery()
    query = select(rows.c.named, rows.c.ring, func.count()).group_by(rows.c.named, rows.c.ring)
    found = session.execute(query).all()
    return sum(row[2] for row in found if row[0]), {row[1]: row[2] for row in found if not row[0]}


@dataclass(frozen=True)
class Count:
    """How many sites of a stage stand alike, on the same grade of evidence.

    Attributes:
        oldest, newest: as of when that is known.
        soaked: of them have had it long enough.
    """

    stage: int
    stand: Stand
    evidence: str
    sites: int
    soaked: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True)
class Measured:
    """A rollout as it stands.

    Attributes:
        stages: in their order.
        silent: sites of opened stages that said nothing for too long.
    """

    rollout: Rollout
    stages: tuple[RolloutStage, ...]
    counts: tuple[Count, ...]
    silent: Mapping[int, int]

    @property
    def last(self) -> bool:
        """Whether the last stage was opened."""
        return self.rollout.stage >= len(self.stages)

    def sites(self, stage: int | None = None, stands: Sequence[Stand] = tuple(Stand)) -> int:
        """Return how many sites of one stage, or of all, stand so."""
        return sum(one.sites for one in self.counts if stage in (None, one.stage) and one.stand in stands)

    @property
    def errors(self) -> int:
        """Sites with errors."""
        return self.sites(stands=ERRORS)

    @property
    def all_silent(self) -> int:
        """Sites that said nothing for too long."""
        return sum(self.silent.values())

    def soaked(self, stage: int) -> tuple[int, int]:
        """Return how many sites of a stage have had it long enough, and of how many."""
        have = sum(one.soaked for one in self.counts if one.stage == stage)
        return have, self.sites(stage) - self.sites(stage, [Stand.SUPERSEDED])

    def succeeded(self, stage: int) -> bool:
        """Tell whether share and soak time of a stage are reached; of no sites they never are."""
        have, of = self.soaked(stage)
        return of > 0 and have * 100 >= of * self.rollout.success_percent


def measure(session: Session, rollout: Rollout, aimed: Aim, now: datetime) -> Measured:
    """Count the sites of a rollout by stage, stand and evidence."""
    query = select(RolloutStage).where(RolloutStage.rollout == rollout.id).order_by(RolloutStage.number)
    stages = tuple(session.scalars(query))
    rows = _rows(rollout, stages, aimed, now).subquery()
    soaked = and_(rows.c.stand == Stand.APPLIED, rows.c.applied <= now - timedelta(hours=rollout.soak_hours))
    counting = select(
        rows.c.stage,
        rows.c.stand,
        rows.c.evidence,
        func.count(),
        func.sum(case((soaked, 1), else_=0)),
        func.min(rows.c.as_of),
        func.max(rows.c.as_of),
    ).group_by(rows.c.stage, rows.c.stand, rows.c.evidence)
    counts = [Count(row[0], Stand(row[1]), *row[2:]) for row in session.execute(counting)]
    order = list(Stand)
    counts.sort(key=lambda one: (one.stage, order.index(one.stand), one.evidence))
    return Measured(rollout, stages, tuple(counts), _silent(session, rollout, stages, rows, now))


def _silent(
    session: Session, rollout: Rollout, stages: Sequence[RolloutStage], rows: Any, now: datetime
) -> Mapping[int, int]:
    """Count by stage the sites that could have done it in a window of theirs and said nothing since for too long."""
    patience = timedelta(hours=rollout.silence_hours)
    opened = {one.number: one.opened for one in stages if one.opened is not None and one.opened <= now - patience}
    query = (
        select(rows.c.stage, rows.c.window, func.count())
        .where(
            rows.c.stage.in_(sorted(opened)),
            rows.c.stand.in_(_WAITED_FOR),
            rows.c.frozen == 0,
            or_(rows.c.as_of.is_(None), rows.c.as_of <= now - patience),
        )
        .group_by(rows.c.stage, rows.c.window)
    )
    found: dict[int, int] = {}
    for stage, window, sites in session.execute(query) if opened else ():
        since = opened[stage]
        could = since if window is None or since is None else read_windows(window).first_close(since)
        if could is not None and could <= now - patience:
            found[stage] = found.get(stage, 0) + sites
    return found


def listed(
    session: Session, rollout: Rollout, aimed: Aim, now: datetime, stands: Sequence[Stand], limit: int, after: str
) -> list[Any]:
    """Return sites that stand so, by their names: rows of `name`, `customer`, `stage`, `stand`, `evidence`, `as_of`."""
    stages = list(session.scalars(select(RolloutStage).where(RolloutStage.rollout == rollout.id)))
    rows = _rows(rollout, stages, aimed, now).subquery()
    query = select(rows).where(rows.c.stand.in_(stands), rows.c.name > after).order_by(rows.c.name).limit(limit)
    return list(session.execute(query))


def soaking(rollout: Rollout, stages: Sequence[RolloutStage], aimed: Aim, now: datetime) -> Select[Any]:
    """Return a query for when the sites of the last opened stage applied it, as `applied`."""
    rows = _rows(rollout, stages, aimed, now).subquery()
    return select(rows.c.applied).where(rows.c.stage == rollout.stage, rows.c.stand == Stand.APPLIED)


def _rows(rollout: Rollout, stages: Sequence[RolloutStage], aimed: Aim, now: datetime) -> Select[Any]:
    """Return a row for each site that the rollout is for."""
    stage = stage_of(stages)
    ice = frozen(aimed.product, now)
    opened = [(stage == one.number, one.opened) for one in stages if one.opened is not None]
    cut_off = or_(*(and_(found, SiteState.as_of >= moment) for found, moment in opened), literal(False))
    problems = select(RolloutProblem.site).where(RolloutProblem.rollout == rollout.id)
    loaded = select(Download.site).where(Download.revision == aimed.revision, Download.outcome == DONE)
    newer = select(Applied.site).where(Applied.revision.in_(aimed.newer)) if aimed.newer else None
    stand = case(
        (Site.id.in_(problems), Stand.FAILED),
        (Applied.pending, Stand.PENDING),
        (Applied.site.is_not(None), Stand.APPLIED),
        *([(Site.id.in_(newer), Stand.SUPERSEDED)] if newer is not None else []),
        (and_(SiteState.unfinished, cut_off), Stand.FAILED),
        (RolloutSeen.site.is_not(None), Stand.ROLLED_BACK),
        (Site.id.in_(loaded.where(Download.site.is_not(None))), Stand.DOWNLOADED),
        (stage > rollout.stage, Stand.LATER),
        (SiteState.baseline.is_(None), Stand.UNKNOWN),
        (ice, Stand.FROZEN),
        else_=Stand.AVAILABLE,
    )
    return (
        select(
            Site.id,
            Site.name,
            Site.customer,
            Site.window,
            stage.label("stage"),
            stand.label("stand"),
            case((ice, 1), else_=0).label("frozen"),
            SiteState.evidence,
            SiteState.as_of,
            Applied.at.label("applied"),
        )
        .join(SiteState, SiteState.site == Site.id)
        .outerjoin(Applied, and_(Applied.site == Site.id, Applied.revision == aimed.revision))
        .outerjoin(RolloutSeen, and_(RolloutSeen.site == Site.id, RolloutSeen.rollout == rollout.id))
        .outerjoin(RolloutSite, and_(RolloutSite.site == Site.id, RolloutSite.rollout == rollout.id))
        .where(targeted(aimed))
    )


def stage_of(stages: Sequence[RolloutStage]) -> ColumnElement[int]:
    """Return the number of a site's stage, of `Site` rows joined with `RolloutSite`: named, its ring's, or the last."""
    rings = [(Site.ring == one.ring, one.number) for one in stages if one.kind == "ring"]
    return case((RolloutSite.site.is_not(None), 1), *rings, else_=max(one.number for one in stages))


def see(session: Session, rollout: Rollout, now: datetime) -> None:
    """Remember where the revision is in force, so that it shows where it was rolled back."""
    known = select(RolloutSeen.site).where(RolloutSeen.rollout == rollout.id)
    fresh = select(literal(rollout.id), Applied.site, literal(now)).where(
        Applied.revision == rollout.revision, Applied.site.not_in(known)
    )
    session.execute(insert(RolloutSeen).from_select(["rollout", "site", "at"], fresh))
