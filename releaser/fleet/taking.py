"""Some reports being taken together.

All that must be known for it is read in a constant number of statements; then they are judged one after the other,
kept, and the levels that moved are written once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, or_, select, text, tuple_
from sqlalchemy.orm import aliased

from patchline.releaser.fleet.folding import Level, Outcome, write
from patchline.releaser.fleet.keyring import Keys
from patchline.releaser.fleet.reading import Carried, Statement
from patchline.releaser.fleet.told import TOLD
from patchline.releaser.fleet.verdicts import GENUINE, Heard, Standing, Verdict
from patchline.releaser.fleet.words import as_of
from patchline.releaser.register import Change
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import EvidenceGrade, Report, SiteState

_LOCK = 7_210_452
_HEARD, _ON = aliased(Report), aliased(Report)
_SITES = select(Site).where(
    or_(Site.identity.in_(bindparam("identities", expanding=True)), Site.id.in_(bindparam("sites", expanding=True)))
)
_STANDINGS = (
    select(SiteState.site, SiteState.label, SiteState.digest, SiteState.evidence, SiteState.contested)
    .add_columns(_HEARD.id, _HEARD.epoch, _HEARD.counter, _HEARD.made, _HEARD.payload_sha256)
    .add_columns(_HEARD.evidence.label("heard_evidence"), _ON.id.label("row"), _ON.made.label("on_made"), _ON.via)
    .outerjoin(_HEARD, _HEARD.id == SiteState.heard)
    .outerjoin(_ON, _ON.id == SiteState.report)
    .where(SiteState.site.in_(bindparam("sites", expanding=True)))
    .order_by(SiteState.site)
    .with_for_update(of=SiteState)
)
_SAME = (
    select(Report.id, Report.sha256, Report.site, Report.epoch, Report.counter, Report.made)
    .add_columns(Report.payload_sha256, Report.evidence, Report.verdict)
    .where(tuple_(Report.identity, Report.epoch, Report.counter).in_(bindparam("names", expanding=True)))
    .order_by(Report.id)
)
_INSERT = insert(Report).returning(Report.id, sort_by_parameter_order=True)


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
        line = f"{self.site}: {said.label} {as_of(self.evidence, said.made)}"
        if self.unknown:
            line += f"; unknown here: {', '.join(self.unknown)}"
        if said.unfinished:
            line += "; a change there was cut off"
        return line + (f"; {len(said.drift)} not as expected" if said.drift else "")


class Taking:
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
    def load(cls, change: Change, checked: Sequence[Checked], via: str) -> "Taking":
        """Read what must be known to take some reports; the sites' states are locked until the change is over."""
        session = change.session
        identities = {one.carried.statement.site for one in checked}
        keys = Keys.load(session, {one.keyid for one in checked if one.keyid}, identities, [])
        ids = {key.site for key in keys.keys.values()} | set(keys.split.values())
        named = {"identities": list(identities), "sites": list(ids)}
        taking = cls(change, via, keys, {site.id: site for site in session.scalars(_SITES, named)})
        if session.connection().dialect.name == "postgresql" and len(taking.by_identity) < len(identities):
            # Nothing else stands in the way of two who bring the report of an unknown site at once.
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        taking._read_standings()
        taking._read_same(checked)
        return taking

    def _read_standings(self) -> None:
        row: Any
        for row in self.change.session.execute(_STANDINGS, {"sites": list(self.sites)}):
            self.before[row.site] = row
            standing = Standing(line=self.keys.lines.get(row.site), contested=row.contested)
            if row.id is not None:
                grade = EvidenceGrade(row.heard_evidence)
                standing.newest = Heard(row.id, row.epoch, row.counter, row.made, row.payload_sha256, grade)
            if row.via == TOLD:
                standing.told = (row.row, row.on_made)
            self.standings[row.site] = standing

    def _read_same(self, checked: Sequence[Checked]) -> None:
        """Read what was heard with the same epochs and counters, and when epochs began that are not the newest."""
        names = sorted({(said.site, said.epoch, said.counter) for said in (one.carried.statement for one in checked)})
        for row in self.change.session.execute(_SAME, {"names": names}):
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
        """Take the reports that were loaded, in their order."""
        judged = [self._judge(one) for one in checked]
        kept = [(one, judgement) for one, judgement in zip(checked, judged, strict=True) if judgement[1].stored_now]
        rows = [self._row(one, site, judgement) for one, (site, judgement) in kept]
        if rows:
            for row, (_, (_, judgement)) in zip(self.change.session.scalars(_INSERT, rows), kept, strict=True):
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
        moved = site is None or self.before[site].digest != one.carried.statement.digest
        if judgement.stored_now and (moved or taken.verdict is not Verdict.ACCEPTED):
            # A report that says what was known already is its own witness.
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
