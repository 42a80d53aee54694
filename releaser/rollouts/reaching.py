"""Whom a revision has reached: the one answer to "may this site have it by now", for all who hand out or list hotfixes.

- Only what is published reaches anybody, and only customers whom the approvals name.
- A site that has it, or has downloaded it, keeps reaching it, whatever becomes of the rollout.
- Everybody else is reached by the newest rollout, if it runs or is finished and the site's stage was opened, and while
  no freeze lasts there. Without any rollout a revision reaches everyone at once, unless its product had rings when it was
  published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, false, not_, or_, select, true
from sqlalchemy.orm import Session

from patchline.releaser.rollouts.freezes import frozen
from patchline.releaser.rollouts.life import FINISHED, RUNNING, newest
from patchline.releaser.rollouts.targets import DONE, aim, in_scope, scopes, stage_of
from patchline.releaser.states import State
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Applied, Download
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from patchline.releaser.tables.rollouts import Rollout, RolloutSite, RolloutStage, Staged


@dataclass(frozen=True)
class Reach:
    """Whether a site is reached; true if so.

    Attributes:
        reason: why not: `recalled` and other states, `wrong-product`, `wrong-customer`, `retired`, `frozen`, `stage`,
            `planned`, `paused`, `stopped`, `no-rollout`.
    """

    reason: str | None = None

    def __bool__(self) -> bool:
        """Tell whether it is."""
        return self.reason is None


def reached(session: Session, revision: Revision, site: Site, now: datetime) -> Reach:
    """Tell whether a revision has reached a site."""
    return reached_all(session, [revision], site, now)[revision.id]


def reached_all(session: Session, revisions: Sequence[Revision], site: Site, now: datetime) -> Mapping[int, Reach]:
    """Tell for each revision, by its id, whether it has reached a site; in as many statements as for one."""
    found = reached_many(session, revisions, [site], now)
    return {revision.id: found[site.id, revision.id] for revision in revisions}


def reached_many(
    session: Session, revisions: Sequence[Revision], sites: Sequence[Site], now: datetime
) -> Mapping[tuple[int, int], Reach]:
    """Tell for each site and revision, by their ids, whether it has reached it; in as many statements as for one pair."""
    ids, places = [revision.id for revision in revisions], [site.id for site in sites]
    products = dict(
        session.execute(
            select(Revision.id, Hotfix.product).join(Hotfix, Hotfix.id == Revision.hotfix).where(Revision.id.in_(ids))
        ).all()
    )
    has = _had(session, ids, places)
    if len(has) == len(ids) * len(places):  # Rollouts and freezes are nothing to who has it.
        whole = _Whole(products, scopes(session, revisions), has)
        return _all(whole, revisions, sites)
    lasting = or_(
        false(), *(and_(Site.product == one, frozen(one, now)) for one in sorted({site.product for site in sites}))
    )
    whole = _Whole(
        products=products,
        scopes=scopes(session, revisions),
        has=has,
        frozen=frozenset(session.scalars(select(Site.id).where(Site.id.in_(places), lasting))),
        since=dict(session.execute(select(Staged.product, Staged.since)).all()),
        rollouts=newest(session, ids),
        stages=_stages(session, ids),
        named=_named(session, ids, places),
    )
    return _all(whole, revisions, sites)


def _all(whole: "_Whole", revisions: Sequence[Revision], sites: Sequence[Site]) -> Mapping[tuple[int, int], Reach]:
    return {(site.id, revision.id): Reach(whole.obstacle(revision, site)) for site in sites for revision in revisions}


def _had(session: Session, revisions: Sequence[int], sites: Sequence[int]) -> frozenset[tuple[int, int]]:
    """Return which site has which revision, or has downloaded it."""
    has = select(Applied.site, Applied.revision).where(Applied.site.in_(sites), Applied.revision.in_(revisions))
    loaded = select(Download.site, Download.revision).where(
        Download.revision.in_(revisions), Download.site.in_(sites), Download.outcome == DONE
    )
    return frozenset((row.site, row.revision) for query in (has, loaded) for row in session.execute(query))


def _stages(session: Session, revisions: Sequence[int]) -> Mapping[int, Sequence[RolloutStage]]:
    """Return the stages of each rollout, in their order."""
    query = (
        select(RolloutStage)
        .join(Rollout, Rollout.id == RolloutStage.rollout)
        .where(Rollout.revision.in_(revisions))
        .order_by(RolloutStage.rollout, RolloutStage.number)
    )
    found: dict[int, list[RolloutStage]] = {}
    for stage in session.scalars(query):
        found.setdefault(stage.rollout, []).append(stage)
    return found


def _named(session: Session, revisions: Sequence[int], sites: Sequence[int]) -> frozenset[tuple[int, int]]:
    """Return which rollout names which of the sites."""
    query = select(RolloutSite.rollout, RolloutSite.site).join(Rollout, Rollout.id == RolloutSite.rollout)
    rows = session.execute(query.where(Rollout.revision.in_(revisions), RolloutSite.site.in_(sites)))
    return frozenset((row.rollout, row.site) for row in rows)


@dataclass(frozen=True)
class _Whole:
    """All that there is to know of some revisions and sites."""

    products: Mapping[int, str]
    scopes: Mapping[int, frozenset[str] | None]
    has: frozenset[tuple[int, int]]
    frozen: frozenset[int] = frozenset()
    since: Mapping[str, datetime] = field(default_factory=dict)
    rollouts: Mapping[int, Rollout] = field(default_factory=dict)
    stages: Mapping[int, Sequence[RolloutStage]] = field(default_factory=dict)
    named: frozenset[tuple[int, int]] = frozenset()

    def obstacle(self, revision: Revision, site: Site) -> str | None:
        """Return what stands between a revision and a site."""
        scope = self.scopes[revision.id]
        if State(revision.state) is not State.PUBLISHED:
            return revision.state
        if self.products[revision.id] != site.product:
            return "wrong-product"
        if site.retired is not None:
            return "retired"
        if scope is not None and site.customer not in scope:
            return "wrong-customer"
        if (site.id, revision.id) in self.has:
            return None
        return self._not_yet(revision, site)

    def _not_yet(self, revision: Revision, site: Site) -> str | None:
        rollout = self.rollouts.get(revision.id)
        if rollout is None:
            if not _early(revision, self.since.get(site.product)):
                return "no-rollout"
        elif rollout.state not in (RUNNING, FINISHED):
            return rollout.state
        elif self._stage(rollout, site) > rollout.stage:
            return "stage"
        return "frozen" if site.id in self.frozen else None

    def _stage(self, rollout: Rollout, site: Site) -> int:
        """Return the number of a site's stage; the last one is for everyone."""
        return next(
            stage.number
            for stage in self.stages[rollout.id]
            if stage.kind == "everyone"
            or (stage.kind == "named" and (rollout.id, site.id) in self.named)
            or (stage.kind == "ring" and stage.ring == site.ring)
        )


def sites_reached(session: Session, revision: Revision, now: datetime) -> Select[int]:
    """Return a query for the ids of all sites that a revision has reached: `reached` for many sites at once."""
    aimed = aim(session, revision)
    has = select(Applied.site).where(Applied.revision == revision.id)
    loaded = select(Download.site).where(
        Download.revision == revision.id, Download.outcome == DONE, Download.site.is_not(None)
    )
    fresh = and_(_opened(session, revision, aimed.product), not_(frozen(aimed.product, now)))
    rollout = newest(session, [revision.id]).get(revision.id)
    named = and_(RolloutSite.site == Site.id, RolloutSite.rollout == (rollout.id if rollout is not None else 0))
    found = select(Site.id).outerjoin(RolloutSite, named).where(in_scope(aimed))
    if State(revision.state) is not State.PUBLISHED:
        return found.where(false())
    return found.where(or_(Site.id.in_(has), Site.id.in_(loaded), fresh))


def _opened(session: Session, revision: Revision, product: str) -> ColumnElement[bool]:
    """Return a condition on `Site` rows joined with `RolloutSite`: the stage was opened."""
    rollout = newest(session, [revision.id]).get(revision.id)
    if rollout is None:
        since = session.scalar(select(Staged.since).where(Staged.product == product))
        return true() if _early(revision, since) else false()
    stages = list(session.scalars(select(RolloutStage).where(RolloutStage.rollout == rollout.id)))
    return stage_of(stages) <= rollout.stage if rollout.state in (RUNNING, FINISHED) else false()


def _early(revision: Revision, since: datetime | None) -> bool:
    """Tell whether a revision was published before its product had rings."""
    return since is None or (revision.published is not None and revision.published < since)
