"""Sites that check in: they send their report, and hear whether there is something new for them.

- Who sends is known by the report's signature alone. What is answered is a hint to fetch; a site believes only what
  the channel's signatures say.
- The same report sent again is answered from what is known: no signature is verified and nothing is written.
- Most have nothing new. So an answer is kept with its basis, and is made anew only when that changed or it grew old.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from patchline.patches import documents
from patchline.patches.errors import ReportError
from patchline.releaser.fleet.accounts import At, accounts
from patchline.releaser.fleet.hotfix_states import HotfixState
from patchline.releaser.fleet.keyring import ONLINE
from patchline.releaser.fleet.levels import When, levels
from patchline.releaser.fleet.reading import MOST_BYTES
from patchline.releaser.fleet.receiving import Receiver
from patchline.releaser.fleet.reports import check_online
from patchline.releaser.fleet.verdicts import Verdict
from patchline.releaser.register import Register
from patchline.releaser.states import State
from patchline.releaser.tables.check_ins import CheckIn
from patchline.releaser.tables.customers import Entitlement, Freeze, Site
from patchline.releaser.tables.fleet import Report, SiteState
from patchline.releaser.tables.hotfixes import PolicyVersion, RecallListVersion, Step
from patchline.releaser.tables.rollouts import Rollout, Staged

_FRESH = timedelta(seconds=1)
"""How old what was read of the whole register may be."""
_GOOD = timedelta(minutes=10)
"""How old an answer may be: what ends by time alone is noticed after so long."""
_HEARD = timedelta(hours=1)
_OFFERED = (HotfixState.AVAILABLE, HotfixState.DOWNLOADED, HotfixState.ROLLED_BACK)
_STANDING = (
    select(Site.id, Site.name, Site.retired, Site.version, SiteState.digest, SiteState.heard)
    .add_columns(CheckIn.heard.label("last"), CheckIn.basis, CheckIn.made, CheckIn.etag, CheckIn.answer)
    .join(SiteState, SiteState.site == Site.id)
    .outerjoin(CheckIn, CheckIn.site == Site.id)
)
_KNOWN = _STANDING.add_columns(Report.id.label("report"), Report.verdict).join(Report, Report.site == Site.id)
_EDITION = select(
    select(func.count()).select_from(Step).scalar_subquery(),
    select(func.sum(Rollout.version)).scalar_subquery(),
    select(func.count()).select_from(Entitlement).scalar_subquery(),
    select(func.count(Entitlement.ended)).scalar_subquery(),
    select(func.count()).select_from(Freeze).scalar_subquery(),
    select(func.max(Freeze.ends)).scalar_subquery(),
    select(func.count()).select_from(Staged).scalar_subquery(),
    select(func.count()).select_from(PolicyVersion).scalar_subquery(),
    select(func.count()).select_from(RecallListVersion).scalar_subquery(),
)


@dataclass(frozen=True)
class Reply:
    """What a site is answered.

    Attributes:
        site: its name.
        verdict: what became of its report.
        etag: names the answer; a site that has the same one hears nothing new.
        answer: canonical JSON, the same bytes for the same news.
    """

    site: str
    verdict: Verdict
    etag: str
    answer: bytes


class Desk:
    """Where sites check in; one for each process that serves them."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._receiver = Receiver(register)
        self._reading = Lock()
        self._edition: tuple[datetime, str] | None = None

    def check_in(self, data: bytes, now: datetime) -> Reply:
        """Take a site's report and answer what there is for it.

        Raises:
            ReportError: it is no report as a known key signed it, or its site is unknown or out of service.
            LockedError, DatabaseError: the database does not take it; the site sends it again.
        """
        if len(data) > MOST_BYTES:
            raise ReportError("too-large", f"it has {len(data)} bytes, more than a report can have ({MOST_BYTES})")
        with self._register.read() as session:
            known = Report.sha256 == documents.digest(data.strip()), Report.via == ONLINE
            row = session.execute(_KNOWN.where(*known)).one_or_none()
        if row is not None:
            return self._answer(row, _again(row), now)
        with self._register.read() as session:
            checked = check_online(session, data)
        taken = self._receiver.take(checked, now)
        if taken.site is None:
            raise ReportError("unknown-site", f"the register does not know the site {checked.carried.statement.site}")
        with self._register.read() as session:
            row = session.execute(_STANDING.where(Site.name == taken.site)).one()
        return self._answer(row, taken.verdict, now)

    def _answer(self, row: Any, verdict: Verdict, now: datetime) -> Reply:
        if row.retired is not None:
            raise ReportError("unknown-site", f"{row.name} was taken out of service")
        basis = documents.digest(f"{self._whole(now)} {row.version} {row.digest}".encode())
        if row.basis != basis or now - row.made > _GOOD:
            return self._make(row, verdict, basis, now)
        if now - row.last > _HEARD:
            with self._register.database.write() as session:
                session.execute(update(CheckIn).where(CheckIn.site == row.id).values(heard=now))
        return Reply(row.name, verdict, row.etag, row.answer)

    def _whole(self, now: datetime) -> str:
        """Return what changes when anything changes that an answer follows from, but the site's own level."""
        with self._reading:
            if self._edition is None or not timedelta(0) <= now - self._edition[0] < _FRESH:
                with self._register.read() as session:
                    numbers = session.execute(_EDITION).one()
                self._edition = now, " ".join(str(number) for number in numbers)
            return self._edition[1]

    def _make(self, row: Any, verdict: Verdict, basis: str, now: datetime) -> Reply:
        with self._register.snapshot() as session:
            answer = documents.encode(news(session, session.get_one(Site, row.id), now))
        etag = documents.digest(answer)
        insert = sqlite.insert if self._register.database.is_sqlite else postgresql.insert
        values = {"heard": now, "basis": basis, "made": now, "etag": etag, "answer": answer}
        with self._register.database.write() as session:
            adding = insert(CheckIn).values(site=row.id, **values)
            session.execute(adding.on_conflict_do_update(index_elements=[CheckIn.site], set_=values))
        return Reply(row.name, verdict, etag, answer)


def news(session: Session, site: Site, now: datetime) -> dict[str, Any]:
    """Return what there is for a site: hotfixes that it may have, and how new policy and recall list are."""
    when = When(now)
    account = accounts(session, levels(session, [site], when), when, closely=True)[0]
    recalls = select(func.max(RecallListVersion.number)).where(RecallListVersion.product == site.product)
    policy = select(func.max(PolicyVersion.number)).where(PolicyVersion.product == site.product)
    return {
        "site": site.name,
        "policy": session.scalar(policy),
        "recalls": session.scalar(recalls),
        "new": [_hotfix(at) for at in account.of_state(*_OFFERED) if at.revision.state is State.PUBLISHED],
        "recalled": [one.revision.label for one in account.of_state(HotfixState.RECALLED_THERE)],
    }


def _hotfix(at: At) -> dict[str, Any]:
    return {"hotfix": at.revision.label, "severity": at.severity, "kind": at.kind, "title": at.title}


def _again(row: Row[Any]) -> Verdict:
    """Return the verdict of a report that was taken online before."""
    verdict = Verdict(row.verdict)
    if verdict not in (Verdict.ACCEPTED, Verdict.OUT_OF_ORDER):
        return verdict
    return Verdict.REPEATED if row.heard == row.report else Verdict.REPLAYED
