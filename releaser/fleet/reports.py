"""Taking the reports of sites: brought by hand or sent online, one or many.

- A signature is verified before anything else; a report that is not what its key signed is refused and not kept.
- What is kept is kept first and judged by `verdicts`; a level moves in the same transaction, or not at all.
- The same report brought again is the same one: whoever was cut off brings all of them again.
- Online, only what a known key signed is kept, so that nobody else can fill the register.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, or_, select, text, tuple_
from sqlalchemy.orm import Session, aliased

from patchline.patches.errors import NotFoundError, ReportError, SignatureError
from patchline.patches.keys import PublicKey
from patchline.releaser.fleet.folding import HAND, ONLINE, Keys, Level, Outcome, fold, write
from patchline.releaser.fleet.reading import Carried, Statement, read_report, read_reports
from patchline.releaser.fleet.verdicts import GENUINE, Heard, Standing, Verdict
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change, Register
from patchline.releaser.tables.customers import Site, SiteKey
from patchline.releaser.tables.fleet import EvidenceGrade, Report, SiteState
from patchline.releaser.tables.people import Role

__all__ = ["HAND", "ONLINE", "Checked", "Taken", "check", "receive", "receive_all", "take", "take_checked"]

MAY_TAKE = (Role.SUPPORT, Role.RELEASE_MANAGER)
_BATCH = 500
_LOCK = 7_210_452


@dataclass(frozen=True)
class Checked:
    """A report whose signature was looked at.

    Attributes:
        keyid: of the key that signed it; None where no known key did.
    """

    carried: Carried
    keyid: str | None


@dataclass(frozen=True)
class Taken:
    """What became of a report.

    Attributes:
        site: name of the site; None while nobody knows it.
        verdict: why it counts or not.
        unknown: hotfixes in force that the register does not know.
        before: label of the level that was known before.
    """

    site: str | None
    verdict: Verdict
    evidence: EvidenceGrade
    statement: Statement
    unknown: tuple[str, ...] = ()
    before: str | None = None

    def as_document(self) -> dict[str, Any]:
        """Return it for scripts."""
        said = self.statement
        return {
            "site": self.site,
            "identity": said.site,
            "verdict": self.verdict,
            "evidence": self.evidence,
            "epoch": said.epoch,
            "counter": said.counter,
            "made": said.made.isoformat(),
            "level": said.label,
            "unknown": list(self.unknown),
            "unfinished": said.unfinished,
            "drift": len(said.drift),
        }

    def __str__(self) -> str:
        said = self.statement
        line = f"{self.site or said.site}: {self.verdict.words}"
        if self.verdict is not Verdict.ACCEPTED:
            return line
        line = f"{self.site}: {said.label} as of {said.made:%Y-%m-%d}, {_HOW[self.evidence]}"
        if self.unknown:
            line += f"; unknown here: {', '.join(self.unknown)}"
        if said.unfinished:
            line += "; a change there was cut off"
        return line + (f"; {len(said.drift)} not as expected" if said.drift else "")


_HOW = {
    EvidenceGrade.SIGNED_ONLINE: "signed report, online",
    EvidenceGrade.SIGNED_BY_HAND: "signed report, carried by hand",
    EvidenceGrade.TOLD: "told: no key of the site is known",
}


def check(session: Session, carried: Sequence[Carried]) -> list[Checked | ReportError]:
    """Verify the signatures of reports by the keys that the register knows; no transaction waits for it."""
    claimed = sorted({keyid for one in carried for keyid, _ in one.envelope.signatures})
    keys: dict[str, PublicKey] = {}
    for start in range(0, len(claimed), _BATCH):
        query = select(SiteKey.keyid, SiteKey.pem).where(SiteKey.keyid.in_(claimed[start : start + _BATCH]))
        keys |= {row.keyid: PublicKey.from_pem(row.pem) for row in session.execute(query)}
    return [_check(one, keys) for one in carried]


def _check(carried: Carried, keys: Mapping[str, PublicKey]) -> Checked | ReportError:
    try:
        return Checked(carried, min(carried.envelope.verified_keys(keys), default=None))
    except SignatureError as error:
        said = carried.statement
        return ReportError("altered", f"the report of {said.site} is not what its key signed: {error.message}")


def take(change: Change, data: bytes, via: str) -> Taken:
    """Take one report, as somebody handed it over or a site sent it.

    Args:
        change: under way.
        data: a file, or the text of a mail.
        via: `HAND` or `ONLINE`.

    Raises:
        ReportError: it is no report, or not what its key signed.
        RefusedError: who brings it may not.
    """
    checked = check(change.session, [read_report(data)])[0]
    if isinstance(checked, ReportError):
        raise checked
    return take_checked(change, [checked], via)[0]


def receive(register: Register, data: bytes, via: str, by: str, now: datetime) -> Taken:
    """Take one report in a transaction of its own, its signature verified before; a refusal is an event.

    Raises:
        ReportError: it is no report, or not what its key signed.
        RefusedError: who brings it may not.
    """
    with register.refusals_told("report.take", via, by, now):
        carried = read_report(data)
        with register.read() as session:
            checked = check(session, [carried])[0]
        if isinstance(checked, ReportError):
            raise checked
        with register.change(by, now) as change:
            return take_checked(change, [checked], via)[0]


Named = tuple[str, bytes]


def receive_all(
    register: Register, brought: Iterable[Named], by: str, now: datetime, site: str | None = None
) -> Iterator[tuple[str, Taken | ReportError]]:
    """Take what was carried by hand, many in a transaction; yield what became of each, with the name it came by.

    Args:
        register: that takes them.
        brought: names and contents of files, or texts.
        by: who brings them.
        now: when.
        site: name of the site of which they are, where its identity is not known yet.

    Raises:
        RefusedError: who brings them may not, or they are of another site.
    """
    for batch in _batches(brought):
        found = list(_read(batch))
        carried = [one for _, one in found if isinstance(one, Carried)]
        with register.read() as session:
            checked = iter(check(session, carried))
        answers = [(name, next(checked) if isinstance(one, Carried) else one) for name, one in found]
        with register.change(by, now) as change:
            require_role(change.session, by, *MAY_TAKE)
            good = [one for _, one in answers if isinstance(one, Checked)]
            if site is not None:
                _adopt(change, site, good)
            taken = iter(take_checked(change, good, HAND))
            for name, one in answers:
                if isinstance(one, ReportError):
                    change.record("report.take.refused", name[:200], {"code": one.code, "message": one.message})
        for name, one in answers:
            yield name, next(taken) if isinstance(one, Checked) else one


def _batches(brought: Iterable[Named]) -> Iterator[list[Named]]:
    batch: list[Named] = []
    size = 0
    for one in brought:
        batch.append(one)
        size += len(one[1])
        if len(batch) == _BATCH or size > 32 << 20:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read(batch: Iterable[Named]) -> Iterator[tuple[str, Carried | ReportError]]:
    for name, data in batch:
        try:
            for carried in read_reports(data):
                yield name, carried
        except ReportError as error:
            yield name, error


def _adopt(change: Change, name: str, checked: Iterable[Checked]) -> None:
    """Let the reports' identity be a site's."""
    site = change.session.scalar(select(Site).where(Site.name == name))
    if site is None:
        raise NotFoundError("site", f"the register knows no site {name!r}")
    for identity in sorted({one.carried.statement.site for one in checked}):
        owner = change.session.scalar(select(Site.name).where(Site.identity == identity, Site.id != site.id))
        if owner is not None or site.identity not in (None, identity):
            other = f"of {owner}" if owner is not None else f"not of {name}, which reports as {site.identity}"
            raise ReportError("other-site", f"the report of {identity} is {other}")
        if site.identity is None:
            site.identity = identity
            change.session.flush()
            change.record("site.identity", name, {"identity": identity})
            fold(change.session, site.id)


def take_checked(change: Change, checked: Sequence[Checked], via: str) -> list[Taken]:
    """Take reports whose signatures were looked at, in their order.

    Raises:
        ReportError: it came online, and no known key signed it.
        RefusedError: who brings them by hand may not.
    """
    if via == HAND:
        require_role(change.session, change.by, *MAY_TAKE)
    for one in checked if via == ONLINE else ():
        if one.keyid is None:
            code = "unknown-key" if one.carried.envelope.signatures else "unsigned"
            raise ReportError(code, f"no key that the register knows signed the report of {one.carried.statement.site}")
    return [] if not checked else _Taking.load(change, checked, via).take(checked)


class _Taking:
    """Some reports being taken, and all that must be known for it, read in a constant number of statements."""

    def __init__(self, change: Change, via: str, keys: Keys, sites: Mapping[int, Site]) -> None:
        self.change = change
        self.via = via
        self.keys = keys
        self.sites = sites
        self.by_identity = {site.identity: site.id for site in sites.values() if site.identity}
        self.standings: dict[int, Standing] = {}
        self.before: dict[int, Row[Any]] = {}
        self.unknown: dict[int, list[str]] = {}
        self.there: dict[str, tuple[str, int | None]] = {}

    @classmethod
    def load(cls, change: Change, checked: Sequence[Checked], via: str) -> "_Taking":
        session = change.session
        identities = {one.carried.statement.site for one in checked}
        keyids = {one.keyid for one in checked if one.keyid}
        first = Keys.load(session, keyids, identities, [])
        ids = {key.site for key in first.keys.values()} | set(first.split.values())
        sites = session.scalars(select(Site).where(or_(Site.identity.in_(identities), Site.id.in_(ids)))).all()
        found = {site.id: site for site in sites}
        taking = cls(change, via, Keys.load(session, keyids, identities, found), found)
        if session.connection().dialect.name == "postgresql" and len(taking.by_identity) < len(identities):
            # Nothing else stands in the way of two who bring the report of an unknown site at once.
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        taking._read_standings()
        taking._read_same(checked)
        return taking

    def _read_standings(self) -> None:
        heard, on = aliased(Report), aliased(Report)
        locked = select(SiteState.site, SiteState.label, SiteState.evidence, SiteState.contested)
        locked = locked.where(SiteState.site.in_(self.sites)).order_by(SiteState.site).with_for_update()
        session = self.change.session
        state: Any
        for state in session.execute(locked):
            self.before[state.site] = state
        query = select(SiteState.site, heard.id, heard.epoch, heard.counter, heard.made, heard.payload_sha256)
        query = query.add_columns(heard.evidence, on.id.label("row"), on.made.label("as_of"), on.via)
        query = query.outerjoin(heard, heard.id == SiteState.heard).outerjoin(on, on.id == SiteState.report)
        for row in session.execute(query.where(SiteState.site.in_(self.sites))):
            standing = Standing(line=self.keys.lines.get(row.site), contested=self.before[row.site].contested)
            if row.id is not None:
                grade = EvidenceGrade(row.evidence)
                standing.newest = Heard(row.id, row.epoch, row.counter, row.made, row.payload_sha256, grade)
            if row.via == "told":
                standing.told = (row.row, row.as_of)
            self.standings[row.site] = standing

    def _read_same(self, checked: Sequence[Checked]) -> None:
        """Read what was heard with the same epochs and counters, and when epochs began that are not the newest."""
        session = self.change.session
        names = sorted({(said.site, said.epoch, said.counter) for said in (one.carried.statement for one in checked)})
        query = select(Report.id, Report.sha256, Report.site, Report.epoch, Report.counter, Report.made)
        query = query.add_columns(Report.payload_sha256, Report.evidence, Report.verdict).order_by(Report.id)
        columns = tuple_(Report.identity, Report.epoch, Report.counter)
        for row in session.execute(query.where(columns.in_(names))):
            self.there[row.sha256] = (row.verdict, row.site)
            if row.site in self.standings and row.verdict in (*GENUINE, Verdict.CONTESTED, Verdict.SET_ASIDE):
                same = self.standings[row.site].same.setdefault((row.epoch, row.counter), [])
                evidence = EvidenceGrade(row.evidence)
                same.append(Heard(row.id, row.epoch, row.counter, row.made, row.payload_sha256, evidence))
        self._read_epochs({self._site(one) for one in checked if self._other_epoch(one)})

    def _other_epoch(self, one: Checked) -> bool:
        site = self._site(one)
        newest = self.standings[site].newest if site is not None else None
        return newest is not None and newest.epoch != one.carried.statement.epoch

    def _read_epochs(self, sites: Iterable[int | None]) -> None:
        if not (wanted := [site for site in sites if site is not None]):
            return
        query = select(Report.site, Report.epoch, func.min(Report.made)).group_by(Report.site, Report.epoch)
        query = query.where(Report.site.in_(wanted), Report.verdict.in_(GENUINE), Report.epoch.is_not(None))
        for row in self.change.session.execute(query):
            found: tuple[Any, ...] = tuple(row)
            self.standings[found[0]].began[found[1]] = found[2]

    def _site(self, one: Checked) -> int | None:
        said = one.carried.statement
        found = self.keys.site_of(said.site, said.epoch, one.keyid)
        return self.by_identity.get(said.site) if found is None else found

    def take(self, checked: Sequence[Checked]) -> list[Taken]:
        judged = [self._judge(one) for one in checked]
        kept = [(one, judgement) for one, judgement in zip(checked, judged, strict=True) if judgement[1].stored_now]
        rows = [self._row(one, site, judgement) for one, (site, judgement) in kept]
        if rows:
            query = insert(Report).returning(Report.id, sort_by_parameter_order=True)
            for row, (_, (_, judgement)) in zip(self.change.session.scalars(query, rows), kept, strict=True):
                if judgement.heard is not None:
                    judgement.heard.row = row
        self._settle([(one, site) for one, (site, judgement) in kept if judgement.verdict is Verdict.ACCEPTED])
        return [self._answer(one, *judgement) for one, judgement in zip(checked, judged, strict=True)]

    def _judge(self, one: Checked) -> "tuple[int | None, _Judgement]":
        said, carried, site = one.carried.statement, one.carried, self._site(one)
        evidence = self.keys.evidence(self.via, one.keyid)
        if carried.sha256 in self.there and self.there[carried.sha256][0] not in GENUINE:
            return site, _Judgement(Verdict(self.there[carried.sha256][0]), evidence, None, stored_now=False)
        verdict = Verdict.UNKNOWN_SITE
        heard = None
        if site is not None:
            signed = bool(carried.envelope.signatures)
            times = (said.made, self.change.now)
            against = self.keys.against(self.sites[site], said.product, signed, one.keyid, times)
            heard = Heard(0, said.epoch, said.counter, said.made, carried.payload_sha256, evidence)
            verdict = against or self.standings[site].take(heard)
        if verdict.stored:
            self.there[carried.sha256] = (verdict, site)
        return site, _Judgement(verdict, evidence, heard, stored_now=verdict.stored)

    def _row(self, one: Checked, site: int | None, judgement: "_Judgement") -> dict[str, Any]:
        said, carried = one.carried.statement, one.carried
        return {
            "site": site,
            "identity": said.site,
            "sha256": carried.sha256,
            "payload_sha256": carried.payload_sha256,
            "epoch": said.epoch,
            "counter": said.counter,
            "made": said.made,
            "received": self.change.now,
            "via": self.via,
            "verdict": judgement.verdict,
            "evidence": judgement.evidence,
            "keyid": one.keyid,
            "document": carried.data,
            "taken_by": self.change.by,
        }

    def _settle(self, accepted: Iterable[tuple[Checked, int | None]]) -> None:
        """Write the states of the sites whose levels moved, or which a clone contests now."""
        last = {site: one for one, site in accepted if site is not None}
        outcomes = {}
        for site, standing in self.standings.items():
            before = self.before[site]
            if site not in last and standing.contested == before.contested:
                continue
            level, evidence = None, EvidenceGrade(before.evidence)
            if site in last and standing.newest is not None and standing.report == standing.newest.row:
                said = last[site].carried.statement
                level = Level(said.baseline, said.label, said.digest, said.hotfixes, said.unfinished, len(said.drift))
                evidence = standing.newest.evidence
            outcomes[site] = Outcome(standing, evidence, level)
        self.unknown = write(self.change.session, outcomes)

    def _answer(self, one: Checked, site: int | None, judgement: "_Judgement") -> Taken:
        taken = Taken(
            site=None if site is None else self.sites[site].name,
            verdict=judgement.verdict,
            evidence=judgement.evidence,
            statement=one.carried.statement,
            unknown=tuple(self.unknown.get(site or 0, ())),
            before=None if site is None else self.before[site].label,
        )
        facts = {
            "verdict": taken.verdict,
            "via": self.via,
            "evidence": taken.evidence,
            "report": one.carried.sha256,
            "level": one.carried.statement.digest,
        }
        self.change.record("report.take", taken.site or one.carried.statement.site, facts)
        return taken


@dataclass(frozen=True)
class _Judgement:
    verdict: Verdict
    evidence: EvidenceGrade
    heard: Heard | None
    stored_now: bool
