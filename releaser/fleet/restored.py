"""What a person says of a site that was restored from a backup, or cloned: which of those that report as one is which."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from patchline.patches.errors import ReportError, StateError
from patchline.releaser.fleet.folding import fold_all
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.fleet.verdicts import GENUINE, Verdict
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Lineage, Report, SiteState
from patchline.releaser.tables.people import Role


@dataclass(frozen=True)
class Decided:
    """What follows: the level of the site, and of the copy where there is one."""

    site: str
    level: str | None
    copy: str | None = None
    level_of_copy: str | None = None


def accept_restore(change: Change, name: str) -> Decided:
    """Say that a site was restored: what it reported last is the site, and what else reports as it is set aside.

    Raises:
        NotFoundError: the register knows no such site.
        ReportError: nothing contests it.
        RefusedError: who acts may not.
    """
    site, reports = _contested(change, name)
    last = max((row for row in reports if row.verdict == Verdict.CONTESTED), key=lambda row: (row.made, row.id))
    newest = max(reports, key=lambda row: (row.made, row.id))
    _decide(change, site, newest if newest.epoch != last.epoch else last, "restored")
    fold_all(change.session, [site.id])
    level = _level(change.session, site.id)
    change.record("site.accept-restore", name, {"epoch": last.epoch, "level": level})
    return Decided(name, level)


def split(change: Change, name: str, new: str) -> Decided:
    """Say that a site was cloned: what reports beside it is another site, which the register knows already.

    Raises:
        NotFoundError: the register knows no such site.
        StateError: the other one reports by itself already, or is another customer's or product's.
        ReportError: nothing contests it, or the two cannot be told apart.
        RefusedError: who acts may not.
    """
    site, reports = _contested(change, name)
    copy = the_site(change.session, new)
    if (copy.customer, copy.product) != (site.customer, site.product) or copy.id == site.id:
        raise StateError("site-copy", f"{new} is not another site of the same customer and product")
    if copy.identity is not None or _state(change.session, copy.id).heard is not None:
        raise StateError("site-copy", f"{new} reports as itself already")
    epochs: dict[str, Row[Any]] = {}
    for row in reports:
        epochs.setdefault(row.epoch, row)
    if len(epochs) < 2:
        raise ReportError("same-epoch", f"{name} and its copy go on counting as one; nothing tells them apart")
    youngest = list(epochs.values())[-1]
    _decide(change, copy, youngest, "split")
    fold_all(change.session, [site.id, copy.id])
    levels = (_level(change.session, site.id), _level(change.session, copy.id))
    change.record("site.split", name, {"epoch": youngest.epoch, "copy": new, "levels": list(levels)})
    return Decided(name, levels[0], new, levels[1])


def _contested(change: Change, name: str) -> tuple[Site, list[Row[Any]]]:
    """Return a contested site and what its client reported, in the order in which it came."""
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    site = the_site(change.session, name)
    if not _state(change.session, site.id).contested:
        raise ReportError("not-contested", f"nothing else reports as {name}")
    query = select(Report.id, Report.epoch, Report.counter, Report.made, Report.verdict, Report.identity)
    counted = Report.verdict.in_((*GENUINE, Verdict.CONTESTED))
    query = query.where(Report.site == site.id, Report.epoch.is_not(None), counted)
    return site, list(change.session.execute(query.order_by(Report.id)))


def _state(session: Session, site: int) -> SiteState:
    return session.scalars(select(SiteState).where(SiteState.site == site).with_for_update()).one()


def _level(session: Session, site: int) -> str | None:
    return session.scalar(select(SiteState.label).where(SiteState.site == site))


def _decide(change: Change, site: Site, report: Row[Any], kind: str) -> None:
    change.session.add(
        Lineage(
            site=site.id,
            identity=report.identity,
            epoch=report.epoch,
            since=report.made,
            counter=report.counter,
            kind=kind,
            decided=change.now,
            decided_by=change.by,
        )
    )
    change.session.flush()
