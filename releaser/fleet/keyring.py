"""Whose a report is, and whether it counts by itself: by the keys of sites and what a person decided of clones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, or_, select
from sqlalchemy.orm import Session

from patchline.releaser.fleet.verdicts import SLACK, Line, Verdict
from patchline.releaser.tables.customers import Site, SiteKey
from patchline.releaser.tables.fleet import EvidenceGrade, Lineage

HAND, ONLINE = "hand", "online"


_NAMED: BindParameter[Any] = bindparam("identities", expanding=True)
_SITES: BindParameter[Any] = bindparam("sites", expanding=True)
_KEYIDS: BindParameter[Any] = bindparam("keyids", expanding=True)
_KEYS = select(SiteKey.keyid, SiteKey.site, SiteKey.pem, SiteKey.enrolled, SiteKey.confirmed, SiteKey.ended).where(
    or_(
        SiteKey.keyid.in_(_KEYIDS),
        SiteKey.site.in_(_SITES),
        SiteKey.site.in_(select(Site.id).where(Site.identity.in_(_NAMED))),
        SiteKey.site.in_(select(Lineage.site).where(Lineage.identity.in_(_NAMED))),
    )
)
_DECIDED = (
    select(Lineage.kind, Lineage.identity, Lineage.epoch, Lineage.site, Lineage.since, Lineage.counter, Lineage.decided)
    .where(
        or_(
            Lineage.identity.in_(_NAMED),
            Lineage.site.in_(_SITES),
            Lineage.site.in_(select(SiteKey.site).where(SiteKey.keyid.in_(_KEYIDS))),
        )
    )
    .order_by(Lineage.id)
)


@dataclass(frozen=True)
class Key:
    """A key of a site, and from when to when it counts."""

    keyid: str
    site: int
    pem: str
    enrolled: datetime
    confirmed: datetime | None
    ended: datetime | None


@dataclass(frozen=True)
class Keys:
    """What is known of the keys and of clones of some sites.

    Attributes:
        keys: by their ids.
        lines: of restored sites.
        split: by identity and epoch, the site of which they are.
    """

    keys: Mapping[str, Key]
    lines: Mapping[int, Line]
    split: Mapping[tuple[str, str], int]

    @classmethod
    def load(cls, session: Session, keyids: Iterable[str], identities: Iterable[str], sites: Iterable[int]) -> "Keys":
        """Read what is known of these."""
        named = {"keyids": list(keyids), "identities": list(identities), "sites": list(sites)}
        lines: dict[int, Line] = {}
        split: dict[tuple[str, str], int] = {}
        for one in session.execute(_DECIDED, named):
            if one.kind == "split":
                split[one.identity, one.epoch] = one.site
            else:
                lines[one.site] = Line(one.epoch, one.since, one.counter, one.decided)
        keys = {row.keyid: Key(*row) for row in session.execute(_KEYS, named)}
        return cls(keys, lines, split)

    def site_of(self, identity: str, epoch: str, keyid: str | None) -> int | None:
        """Return the site that a person or a key says; None where only its identity can."""
        if (split := self.split.get((identity, epoch))) is not None:
            return split
        return self.keys[keyid].site if keyid is not None and keyid in self.keys else None

    def has_key(self, site: int, at: datetime) -> bool:
        """Tell whether a site had a key that counts at a time."""
        return any(
            key.site == site and key.enrolled <= at and (key.ended is None or key.ended > at)
            for key in self.keys.values()
        )

    def evidence(self, via: str, keyid: str | None) -> EvidenceGrade:
        """Return how good a report is; a key that nobody confirmed is as good as a carrier."""
        if keyid is None:
            return EvidenceGrade.TOLD
        confirmed = self.keys[keyid].confirmed is not None
        return EvidenceGrade.SIGNED_ONLINE if confirmed and via == ONLINE else EvidenceGrade.SIGNED_BY_HAND

    def against(
        self, site: Site, product: str, signed: bool, keyid: str | None, times: tuple[datetime, datetime]
    ) -> Verdict | None:
        """Return why a report does not count, whatever else was heard; None when it may.

        Args:
            site: whose it is.
            product: that it names.
            signed: it bears a signature, of whomever.
            keyid: of the site's key that signed it.
            times: when it was made, and when it was received.
        """
        made, received = times
        if product != site.product:
            return Verdict.OTHER_PRODUCT
        if keyid is None and self.has_key(site.id, received):
            return Verdict.UNKNOWN_KEY if signed else Verdict.UNSIGNED
        if keyid is not None and (ended := self.keys[keyid].ended) is not None and ended <= received:
            return Verdict.ENDED_KEY
        return Verdict.FROM_THE_FUTURE if made > received + SLACK else None
