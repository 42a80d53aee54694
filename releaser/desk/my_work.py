"""The work of one person: what waits for them, what they wait for, and what is about to go wrong."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from patchline.patches.statements import time_text
from patchline.patches.wording import counted
from patchline.releaser.approving import queue
from patchline.releaser.approving.queue import Waiting
from patchline.releaser.desk import waiting
from patchline.releaser.desk.waiting import Item
from patchline.releaser.emergencies import Unratified, unratified
from patchline.releaser.states import State
from patchline.releaser.tables.hotfixes import Campaign, CampaignBaseline, Evidence

MOST = 100


@dataclass(frozen=True)
class Failed:
    """Test results with failures, of something that is not submitted yet."""

    item: Item
    name: str
    failed: int


@dataclass(frozen=True)
class Missing:
    """A baseline to which a fix was to be carried and was not."""

    campaign: str
    title: str
    baseline: str
    why: str


@dataclass(frozen=True)
class Work:
    """The work of a person.

    Attributes:
        to_sign: reviews that they may sign.
        mine: revisions whose next step is theirs.
        others: revisions under way that wait for somebody else.
        failed: of `mine`, test results with failures.
        emergencies: that nobody has ratified, the one that ends first before the others.
        missing: forward ports that stopped.
    """

    to_sign: tuple[Waiting, ...]
    mine: tuple[Item, ...]
    others: tuple[Item, ...]
    failed: tuple[Failed, ...]
    emergencies: tuple[Unratified, ...]
    missing: tuple[Missing, ...]

    def headline(self, now: datetime) -> str:
        """The one sentence that says what waits and what to do next."""
        soon = [one for one in self.emergencies if (one.ends - now).total_seconds() < 24 * 3600]
        if soon:
            ends = f"{soon[0].ends:%Y-%m-%d %H:%M} UTC"
            return f"{soon[0].label} ends {ends} unless it is ratified: collect the approvals that it lacks"
        counts = [
            *([f"{counted(len(self.to_sign), 'review')} to sign"] if self.to_sign else []),
            *([f"{counted(len(self.mine), 'hotfix', 'hotfixes')} to bring further"] if self.mine else []),
        ]
        if counts:
            return f"{' and '.join(counts)} {'wait' if len(counts) > 1 or self._many else 'waits'} for you"
        waits = counted(len(self.others), "hotfix", "hotfixes")
        return f"Nothing waits for you; {waits} under way with others" if self.others else "Nothing is under way"

    @property
    def _many(self) -> bool:
        return len(self.to_sign) + len(self.mine) > 1


def work(session: Session, person: str, roles: Collection[str]) -> Work:
    """Return the work of a person who holds these roles."""
    to_sign = tuple(one for one in queue.queue(session, person) if one.answer.may)
    items = waiting.under_way(session)
    mine = tuple(one for one in items if one.is_for(person, roles))
    theirs = {one.label for one in mine} | {one.label for one in to_sign}
    return Work(
        to_sign=to_sign,
        mine=mine,
        others=tuple(one for one in items if one.label not in theirs)[:MOST],
        failed=tuple(_failed(session, mine)),
        emergencies=tuple(unratified(session)),
        missing=tuple(_missing(session)),
    )


def _failed(session: Session, items: Sequence[Item]) -> list[Failed]:
    by_id = {one.revision.id: one for one in items if one.revision.state == State.BUILT}
    query = select(Evidence).where(Evidence.revision.in_(by_id)).order_by(Evidence.id)
    found = []
    for row in session.scalars(query):
        facts = json.loads(row.facts)
        failed = facts["failed"] + facts["errors"]
        if failed and row.manifest_sha256 == by_id[row.revision].revision.manifest_sha256:
            found.append(Failed(by_id[row.revision], row.name, failed))
    return found


def _missing(session: Session) -> list[Missing]:
    query = (
        select(CampaignBaseline, Campaign.title)
        .join(Campaign, Campaign.id == CampaignBaseline.campaign)
        .where(or_(CampaignBaseline.stopped_at.is_not(None), CampaignBaseline.problem.is_not(None)))
        .order_by(CampaignBaseline.campaign.desc(), CampaignBaseline.baseline)
        .limit(MOST)
    )
    return [
        Missing(row.CampaignBaseline.campaign, row.title, row.CampaignBaseline.baseline, _why(row.CampaignBaseline))
        for row in session.execute(query)
    ]


def _why(row: CampaignBaseline) -> str:
    if row.stopped_at:
        return f"{row.stopped_at[:12]} collides in {', '.join(row.conflicts) or 'its files'}"
    return row.problem or ""


def document(found: Work) -> dict[str, Any]:
    """Return it for programs."""
    return {
        "to_sign": [queue.document(one) for one in found.to_sign],
        "yours": [waiting.document(one) for one in found.mine],
        "others": [waiting.document(one) for one in found.others],
        "failed": [{"hotfix": one.item.hotfix.id, "results": one.name, "failed": one.failed} for one in found.failed],
        "emergencies": [{"hotfix": one.label, "ends": time_text(one.ends)} for one in found.emergencies],
        "missing": [vars(one) for one in found.missing],
    }
