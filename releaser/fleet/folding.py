"""What is known of sites, made from the facts: every report of a site judged anew, and its state written.

`write` is the one place that writes `SiteState`, `Applied` and `UnknownHotfix`, for reports that come in as for those
that are judged anew; it writes what is different and nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Row, Table, bindparam, delete, insert, or_, select, tuple_, update
from sqlalchemy.orm import Session

from patchline.patches.documents import decode
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import SignatureError
from patchline.patches.keys import PublicKey
from patchline.releaser.fleet.keyring import Keys
from patchline.releaser.fleet.reading import MOST_BYTES, InForce, read_statement
from patchline.releaser.fleet.told import TOLD, read_told
from patchline.releaser.fleet.verdicts import Heard, Standing, Verdict
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Applied, EvidenceGrade, Report, SiteState, UnknownHotfix
from patchline.releaser.tables.hotfixes import Revision

_LABEL = 400
_STATE = cast(Table, SiteState.__table__)
_BATCH = 400


@dataclass(frozen=True)
class Level:
    """What a report says of a level, told or reported."""

    baseline: str | None
    label: str | None
    digest: str | None
    hotfixes: tuple[InForce, ...] = ()
    unfinished: bool = False
    drift: int = 0


@dataclass(frozen=True)
class Outcome:
    """The state of a site to be written.

    Attributes:
        level: None when the report that it stands on is the same as before.
    """

    standing: Standing
    evidence: EvidenceGrade
    level: Level | None


def level_of(via: str, document: bytes) -> Level:
    """Return what a stored report says."""
    if via == TOLD:
        told = read_told(document)
        return Level(told.baseline, told.label, told.digest, told.hotfixes)
    envelope = Envelope.from_document(
        decode(document, what="report", limit=MOST_BYTES, light=True), "report", unsigned=True
    )
    said = read_statement(envelope.payload)
    return Level(said.baseline, said.label, said.digest, said.hotfixes, said.unfinished, len(said.drift))


# Judging anew


def fold(session: Session, site: int) -> None:
    """Judge every report of a site anew, and write what follows from them.

    For whoever changed what reports are judged by: an identity, a key, what a person decided of clones, or a hotfix
    that the register did not know.
    """
    fold_all(session, [site])


def fold_all(session: Session, sites: Iterable[int]) -> None:
    """Do what `fold` does for several sites."""
    ids = list(sites)
    for start in range(0, len(ids), _BATCH):
        outcomes = {}
        for found, judged in judge_anew(session, ids[start : start + _BATCH]):
            for row, judgement in judged.different:
                wanted = dict(zip(JUDGED, judgement, strict=True))
                session.execute(update(Report).where(Report.id == row.id).values(wanted))
            outcomes[found.id] = judged.outcome
        write(session, outcomes)


Judgement = tuple[int, str, str, str | None]
"""Whose a report is, its verdict, its evidence, and the key that signed it."""
JUDGED = ("site", "verdict", "evidence", "keyid")


@dataclass(frozen=True)
class Judged:
    """The reports of a site with what they are judged to be, and what follows."""

    rows: list[tuple[Row[Any], Judgement]]
    outcome: Outcome

    @property
    def different(self) -> list[tuple[Row[Any], Judgement]]:
        """Those that are stored otherwise."""
        return [(row, one) for row, one in self.rows if one != tuple(getattr(row, name) for name in JUDGED)]


def judge_anew(session: Session, ids: list[int]) -> Iterator[tuple[Site, Judged]]:
    """Yield sites with their reports judged anew; nothing is written."""
    for start in range(0, len(ids), _BATCH):
        sites = session.scalars(select(Site).where(Site.id.in_(ids[start : start + _BATCH])).order_by(Site.id)).all()
        if not sites:
            continue
        keys = Keys.load(session, [], [site.identity for site in sites if site.identity], [site.id for site in sites])
        rows = _rows(session, sites, keys)
        for site in sites:
            yield site, _judge_site(session, site, rows[site.id], keys)


_COLUMNS = (
    Report.id,
    Report.site,
    Report.identity,
    Report.epoch,
    Report.counter,
    Report.made,
    Report.received,
    Report.via,
    Report.verdict,
    Report.evidence,
    Report.keyid,
    Report.payload_sha256,
)


def _rows(session: Session, sites: Iterable[Site], keys: Keys) -> dict[int, list[Row[Any]]]:
    """Return every report that may be of one of the sites, by site, in the order in which they came."""
    by_identity = {site.identity: site.id for site in sites if site.identity}
    found: dict[int, list[Row[Any]]] = {site.id: [] for site in sites}
    identities = {*by_identity, *(identity for identity, _ in keys.split)}
    mine = or_(Report.site.in_(list(found)), Report.identity.in_(list(identities)))
    row: Any
    for row in session.execute(select(*_COLUMNS).where(mine).order_by(Report.id)):
        owner = row.site
        if row.via != TOLD:
            owner = keys.site_of(row.identity, row.epoch, row.keyid) or row.site or by_identity.get(row.identity)
        if owner in found:
            found[owner].append(row)
    return found


def _judge_site(session: Session, site: Site, rows: list[Row[Any]], keys: Keys) -> Judged:
    standing = Standing(line=keys.lines.get(site.id))
    judged: list[tuple[Row[Any], Judgement]] = []
    evidence = {}
    for row in rows:
        judgement: Judgement
        if row.via == TOLD:
            judgement = (site.id, str(standing.tell(row.id, row.made)), str(row.evidence), None)
        else:
            judgement = (site.id, *_judge_row(session, site, row, keys, standing))
        judged.append((row, judgement))
        evidence[row.id] = EvidenceGrade(judgement[2])
    report = standing.report
    level = None
    if report is not None:
        via, document = session.execute(select(Report.via, Report.document).where(Report.id == report)).one()
        level = level_of(via, document)
    grade = EvidenceGrade.NEVER if report is None else evidence[report]
    return Judged(judged, Outcome(standing, grade, level or Level(None, None, None)))


def _judge_row(
    session: Session, site: Site, row: Row[Any], keys: Keys, standing: Standing
) -> tuple[str, str, str | None]:
    keyid, signed, product = row.keyid, True, site.product
    if row.keyid is None or row.verdict == Verdict.OTHER_PRODUCT:
        keyid, signed, product = _look_again(session, row.id, row.keyid, keys)
    evidence = keys.evidence(row.via, keyid)
    verdict = keys.against(site, product, signed, keyid, (row.made, row.received))
    if verdict is None:
        verdict = standing.take(Heard(row.id, row.epoch, row.counter, row.made, row.payload_sha256, evidence))
    return str(verdict), str(evidence), keyid


def _look_again(session: Session, row: int, keyid: str | None, keys: Keys) -> tuple[str | None, bool, str]:
    """Return which of the site's keys signed a report, whether anybody did, and its product."""
    data = session.execute(select(Report.document).where(Report.id == row)).scalar_one()
    envelope = Envelope.from_document(
        decode(data, what="report", limit=MOST_BYTES, light=True), "report", unsigned=True
    )
    product = read_statement(envelope.payload).product
    try:
        known = {one: PublicKey.from_pem(keys.keys[one].pem) for one, _ in envelope.signatures if one in keys.keys}
        keyid = keyid or min(envelope.verified_keys(known), default=None)
    except SignatureError:
        pass
    return keyid, bool(envelope.signatures), product


# Writing


def write(session: Session, outcomes: Mapping[int, Outcome]) -> dict[int, list[str]]:
    """Write the state of sites; return the hotfixes in force there that the register does not know."""
    if not outcomes:
        return {}
    unknown = _write_hotfixes(session, {site: one for site, one in outcomes.items() if one.level is not None})
    for moved in (True, False):
        rows = [values(site, one) for site, one in outcomes.items() if (one.level is not None) is moved]
        for row in rows:
            if moved:
                row["b_unknown"] = len(unknown.get(row["b_site"], ()))
        if rows:
            named: dict[str, Any] = {name[2:]: bindparam(name) for name in rows[0] if name != "b_site"}
            session.connection().execute(update(_STATE).where(_STATE.c.site == bindparam("b_site")).values(named), rows)
    for known in list(session.identity_map.values()):
        if isinstance(known, SiteState) and known.site in outcomes:
            session.expire(known)
    return unknown


def values(site: int, outcome: Outcome) -> dict[str, Any]:
    """Return what is written of a site, by column."""
    standing, level = outcome.standing, outcome.level
    found = {
        "b_site": site,
        "b_contested": standing.contested,
        "b_heard": standing.newest.row if standing.newest else None,
        "b_report": standing.report,
        "b_as_of": standing.as_of,
        "b_evidence": str(outcome.evidence),
    }
    if level is not None:
        label = level.label if level.label is None or len(level.label) <= _LABEL else level.label[: _LABEL - 1] + "…"
        found |= {"b_baseline": level.baseline, "b_label": label, "b_digest": level.digest}
        found |= {"b_unfinished": level.unfinished, "b_drift": level.drift}
    return found


Rows = dict[tuple[Any, ...], tuple[Any, ...]]


def _write_hotfixes(session: Session, outcomes: Mapping[int, Outcome]) -> dict[int, list[str]]:
    if not outcomes:
        return {}
    applied, unknown = computed(session, outcomes)
    there_applied, there_unknown = cached(session, list(outcomes))
    _replace(session, Applied, ("site", "revision"), ("at", "pending"), there_applied, applied)
    columns = ("hotfix", "revision", "at")
    _replace(session, UnknownHotfix, ("site", "manifest_sha256"), columns, there_unknown, unknown)
    named: dict[int, list[str]] = {}
    for (site, _), (hotfix, revision, _) in sorted(unknown.items()):
        named.setdefault(site, []).append(f"{hotfix}-r{revision}")
    return named


def cached(session: Session, sites: list[int]) -> tuple[Rows, Rows]:
    """Return what is stored of hotfixes in force: those that the register knows, and the others."""
    known = session.execute(
        select(Applied.site, Applied.revision, Applied.at, Applied.pending).where(Applied.site.in_(sites))
    )
    named = UnknownHotfix
    others = session.execute(
        select(named.site, named.manifest_sha256, named.hotfix, named.revision, named.at).where(named.site.in_(sites))
    )
    return {tuple(row[:2]): tuple(row[2:]) for row in known}, {tuple(row[:2]): tuple(row[2:]) for row in others}


def computed(session: Session, outcomes: Mapping[int, Outcome]) -> tuple[Rows, Rows]:
    """Return what should be stored of hotfixes in force."""
    wanted = [one for outcome in outcomes.values() if outcome.level for one in outcome.level.hotfixes]
    by_manifest = _by_manifest(session, {one.manifest for one in wanted if one.manifest})
    by_label = _by_label(session, {(one.hotfix, one.revision) for one in wanted if not one.manifest})
    applied: Rows = {}
    unknown: Rows = {}
    for site, outcome in outcomes.items():
        for one in outcome.level.hotfixes if outcome.level else ():
            at = one.applied or outcome.standing.as_of
            row = by_manifest.get(one.manifest) if one.manifest else by_label.get((one.hotfix, one.revision))
            if row is not None:
                applied[site, row] = (at, one.pending)
            elif one.manifest:
                unknown[site, one.manifest] = (one.hotfix, one.revision, at)
    return applied, unknown


def _by_manifest(session: Session, manifests: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    wanted = sorted(manifests)
    for start in range(0, len(wanted), _BATCH):
        part = wanted[start : start + _BATCH]
        query = select(Revision.manifest_sha256, Revision.id).where(Revision.manifest_sha256.in_(part))
        found |= {str(row.manifest_sha256): row.id for row in session.execute(query)}
    return found


def _by_label(session: Session, labels: set[tuple[str, int]]) -> dict[tuple[str, int], int]:
    if not labels:
        return {}
    query = select(Revision.hotfix, Revision.number, Revision.id)
    query = query.where(tuple_(Revision.hotfix, Revision.number).in_(sorted(labels)))
    return {(row.hotfix, row.number): row.id for row in session.execute(query)}


def _replace(
    session: Session,
    table: type[Applied] | type[UnknownHotfix],
    key: tuple[str, str],
    columns: tuple[str, ...],
    there: Rows,
    wanted: Rows,
) -> None:
    """Make the rows of some sites those wanted."""
    rows = cast(Table, table.__table__)
    gone = [one for one in there if there[one] != wanted.get(one)]
    if gone:
        names = tuple_(*(rows.c[name] for name in key))
        for start in range(0, len(gone), _BATCH):
            session.connection().execute(delete(rows).where(names.in_(gone[start : start + _BATCH])))
    if new := [
        dict(zip(key + columns, one + wanted[one], strict=True)) for one in wanted if there.get(one) != wanted[one]
    ]:
        session.connection().execute(insert(rows), new)


# When the register learns of hotfixes


def learned(session: Session, revision: int, manifest: str) -> None:
    """Let sites have a revision whose manifest the register learns only now, and no more what it was before."""
    told = select(UnknownHotfix.site).where(UnknownHotfix.manifest_sha256 == manifest)
    had = select(Applied.site).where(Applied.revision == revision)
    fold_all(session, sorted({*session.scalars(told), *session.scalars(had)}))
