"""Lists of sites in service: by whose they are, what they run, and how old our evidence is; one statement a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from patchline.patches.errors import UsageError
from patchline.releaser.fleet.sites import Listed
from patchline.releaser.tables.customers import CONNECTIVITY, Site
from patchline.releaser.tables.fleet import EvidenceGrade, SiteState

_MOST_DAYS = 10_000


@dataclass(frozen=True)
class Wanted:
    """Which sites are asked for; None asks for nothing in particular.

    Attributes:
        silent_days: nothing is known of them that is younger.
    """

    customer: str | None = None
    product: str | None = None
    baseline: str | None = None
    evidence: str | None = None
    connectivity: str | None = None
    silent_days: int | None = None

    def check(self) -> None:
        """Raise UsageError for what is none."""
        if self.evidence is not None and self.evidence not in tuple(EvidenceGrade):
            raise UsageError("page", f"{self.evidence[:40]!r} is no grade of evidence: {', '.join(EvidenceGrade)}")
        if self.connectivity is not None and self.connectivity not in CONNECTIVITY:
            raise UsageError("page", f"{self.connectivity[:40]!r} is none of {', '.join(CONNECTIVITY)}")
        if self.silent_days is not None and not 0 <= self.silent_days <= _MOST_DAYS:
            raise UsageError("page", f"days are a number up to {_MOST_DAYS:,}")


def listed(session: Session, wanted: Wanted, now: datetime, limit: int, after: str | None = None) -> Sequence[Listed]:
    """Return sites in service by name, those after one of them.

    Raises:
        UsageError: what is asked for is none.
    """
    wanted.check()
    query = select(Site, SiteState).join(SiteState, SiteState.site == Site.id).where(Site.retired.is_(None))
    query = query.where(*_conditions(wanted, now)).order_by(Site.name).limit(limit)
    query = query.where(Site.name > after) if after is not None else query
    return [Listed(site, state) for site, state in session.execute(query)]


def _conditions(wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    pairs = (
        (Site.customer, wanted.customer),
        (Site.product, wanted.product),
        (SiteState.baseline, wanted.baseline),
        (SiteState.evidence, wanted.evidence),
        (Site.connectivity, wanted.connectivity),
    )
    found: list[ColumnElement[bool]] = [column == value for column, value in pairs if value is not None]
    if wanted.silent_days is not None:
        since = now - timedelta(days=wanted.silent_days)
        found.append(or_(SiteState.as_of.is_(None), SiteState.as_of <= since))
    return found
