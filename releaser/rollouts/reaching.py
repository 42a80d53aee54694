"""Whom a revision has reached: the one answer to "may this site have it by now", for all who hand out or list hotfixes.

- Only what is published reaches anybody, and only customers whom the approvals name.
- A site that has it, or has downloaded it, keeps reaching it, whatever becomes of the rollout.
- Everybody else is reached by the newest rollout, if it runs or is finished and the site's stage was opened, and while
  no freeze lasts there. Without any rollout a revision reaches everyone at once, unless its product had rings when it was
  published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    ids = [revision.id for revision in revisions]
    products = dict(
        session.execute(
            select(Revision.id, Hotfix.product).join(Hotfix, Hotfix.id == Revision.hotfix).where(Revision.id.in_(ids))
        ).all()
    )
    has = set(session.scalars(select(Applied.revision).where(Applied.site == site.id, Applied.revision.in_(ids))))
    loaded = select(Download.revision).where(
        Download.revision.in_(ids), Download.site == site.id, Download.outcome == DONE
    )
    has |= set(session.scalars(loaded))
    whole = _Whole(
        site=site,
        products=products,
        scopes=scopes(session, revisions),
        has=frozenset(has),
        frozen=session.scalar(select(Site.id).where(Site.id == site.id, frozen(site.product, now))) is not None,
        since=session.scalar(select(Staged.since).where(Staged.product == site.product)),
        rollouts=newest(session, ids),
        stages=_stages(session, ids, site),
    )
    return {revision.id: Reach(whole.obstacle(revision)) for revision in revisions}


def _stages(session: Session, revisions: Sequence[int], site: Site) -> Mapping[int, int]:
    """Return by rollout the number of a site's stage."""
    query = (
        select(Rollout.id, RolloutStage.number, RolloutStage.kind, RolloutStage.ring, RolloutSite.site)
        .join(RolloutStage, RolloutStage.rollout == Rollout.id)
        .outerjoin(RolloutSite, (RolloutSite.rollout == Rollout.id) & (RolloutSite.site == site.id))
        .where(Rollout.revision.in_(revisions))
        .order_by(Rollout.id, RolloutStage.number)
    )
    found: dict[int, int] = {}
    for rollout, number, kind, ring, named in session.execute(query):
        if rollout not in found and (
            kind == "everyone" or (kind == "named" and named is not None) or (kind == "ring" and ring == site.ring)
        ):
            found[rollout] = number
    return found


@dataclass(frozen=True)
class _Whole:
    """All that there is to know."""

    site: Site
    products: Mapping[int, str]
    scopes: Mapping[int, frozenset[str] | None]
    has: frozenset[int]
    frozen: bool
    since: datetime | None
    rollouts: Mapping[int, Rollout]
    stages: Mapping[int, int]

    def obstacle(self, revision: Revision) -> str | None:
        """Return what stands between a revision and the site."""
        scope = self.scopes[revision.id]
        if State(revision.state) is not State.PUBLISHED:
            return revision.state
        if self.products[revision.id] != self.site.product:
            return "wrong-product"
        if self.site.retired is not None:
            return "retired"
        if scope is not None and self.site.customer not in scope:
            return "wrong-customer"
        if revision.id in self.has:
            return None
        return self._not_yet(revision)

    def _not_yet(self, revision: Revision) -> str | None:
        rollout = self.rollouts.get(revision.id)
        if rollout is None:
            if not _early(revision, self.since):
                return "no-rollout"
        elif rollout.state not in (RUNNING, FINISHED):
            return rollout.state
        elif self.stages[rollout.id] > rollout.stage:
            return "stage"
        return "frozen" if self.frozen else None


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
