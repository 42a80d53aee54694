"""How far a hotfix has come: at how many sites, by customers' tier and by ring; and how many a campaign leaves exposed."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from patchline.patches.wording import counted
from patchline.releaser.fleet import questions
from patchline.releaser.fleet.downloads import DONE
from patchline.releaser.fleet.matching import at_places, having, heard, in_scope, matching, of_products
from patchline.releaser.fleet.questions import Totals
from patchline.releaser.fleet.subjects import Answer, Subject, of_fixes, of_hotfix
from patchline.releaser.tables.customers import Customer, Site
from patchline.releaser.tables.fleet import Download, SiteState
from patchline.releaser.tables.hotfixes import Campaign


@dataclass(frozen=True)
class Share:
    """How many of some sites that a hotfix is for have it.

    Attributes:
        ring: None for sites in none.
    """

    tier: str
    ring: str | None
    sites: int
    has: int
    pending: int


@dataclass(frozen=True)
class Adoption:
    """How far a hotfix has come.

    Attributes:
        totals: of all sites of its product.
        downloaded: sites that have fetched it and have not applied it.
        shares: by tier and ring, of the sites that have or lack it.
    """

    totals: Totals
    downloaded: int
    shares: tuple[Share, ...]

    @property
    def applicable(self) -> int:
        """How many sites it is for."""
        return self.totals.has + self.totals.lacks

    @property
    def in_words(self) -> str:
        """The line that says it, with the dates of what is known."""
        whole = self.totals
        tiers = [f"{tier} {has:,} of {sites:,}" for tier, (has, sites) in self.by_tier().items()]
        dates = f", as of {whole.oldest:%Y-%m-%d} to {whole.newest:%Y-%m-%d}" if whole.oldest and whole.newest else ""
        parts = [f"{whole.has:,} of {counted(self.applicable, 'site')}{dates}", *tiers]
        parts += [f"{whole.pending:,} pending a restart"] if whole.pending else []
        parts += [f"{self.downloaded:,} downloaded it"] if self.downloaded else []
        return "; ".join([*parts, f"{whole.unknown:,} unknown"])

    def as_document(self) -> dict[str, Any]:
        """Return it for `--json`."""
        rows = [vars(share) for share in self.shares]
        return {"totals": self.totals.as_document(), "downloaded": self.downloaded, "shares": rows}

    def by_tier(self) -> dict[str, tuple[int, int]]:
        """Return how many of how many sites have it, by tier."""
        return _summed((share.tier, share) for share in self.shares)

    def by_ring(self) -> dict[str, tuple[int, int]]:
        """Return how many of how many sites have it, by ring; the empty name for sites in none."""
        return _summed((share.ring or "", share) for share in self.shares)


def _summed(shares: Iterable[tuple[str, Share]]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for name, share in shares:
        has, sites = found.get(name, (0, 0))
        found[name] = (has + share.has, sites + share.sites)
    return found


def adoption(session: Session, identifier: str) -> Adoption:
    """Tell how far a hotfix, or one revision of it, has come; in a number of statements that stands still.

    Raises:
        NotFoundError: there is none.
    """
    subject = of_hotfix(session, identifier)
    fetched = select(Download.site).where(
        Download.revision.in_(list(subject.full)), Download.outcome == DONE, Download.site.is_not(None)
    )
    lacking = matching(subject, Answer.LACKS)
    query = select(func.count()).select_from(SiteState).where(*of_products(subject), lacking)
    return Adoption(
        totals=questions.totals(subject, questions.counts(session, subject)),
        downloaded=session.scalar(query.where(SiteState.site.in_(fetched))) or 0,
        shares=_shares(session, subject),
    )


def _shares(session: Session, subject: Subject) -> tuple[Share, ...]:
    there = having(subject)
    has_it = there.c.site.is_not(None)
    for_it = and_(at_places(list(subject.grounds)), in_scope(subject))
    query = (
        select(
            Customer.tier,
            Site.ring,
            func.count().label("sites"),
            func.sum(case((has_it, 1), else_=0)).label("has"),
            func.sum(case((there.c.pending == 1, 1), else_=0)).label("pending"),
        )
        .select_from(SiteState)
        .join(Site, Site.id == SiteState.site)
        .join(Customer, Customer.id == SiteState.customer)
        .outerjoin(there, there.c.site == SiteState.site)
        .where(*of_products(subject), heard(), has_it | for_it)
        .group_by(Customer.tier, Site.ring)
        .order_by(Customer.tier, Site.ring)
    )
    return tuple(Share(**row) for row in session.execute(query).mappings())


def lacking_at(session: Session, campaign: Campaign, baselines: Collection[str]) -> dict[str, int]:
    """Return how many sites of these baselines are known to lack what a campaign carries."""
    subject = of_fixes(session, campaign.product, [str(fix["id"]) for fix in campaign.fixes])
    return {
        one.baseline: one.sites - one.silent - one.applied
        for one in questions.counts(session, subject)
        if one.baseline in baselines and one.baseline is not None
    }
