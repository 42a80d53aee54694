"""A level that somebody told by phone or mail, and whether the code they read out fits it.

The code is 50 bits of the level's digest, so a code that fits says that nothing was misheard. Where it does not fit, the
levels that it may mean are looked for among those that sites had and those that the register's hotfixes make.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations, islice
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.documents import digest
from patchline.patches.errors import NotFoundError, PatchlineError, ReportError, UsageError
from patchline.patches.identifiers import level_code, read_level_code
from patchline.patches.site.inventory import Level, level_of
from patchline.patches.site.ledger import Layer
from patchline.releaser.fleet.folding import fold_all
from patchline.releaser.fleet.folding import level_of as said
from patchline.releaser.fleet.reading import InForce
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.fleet.told import TOLD, Told
from patchline.releaser.fleet.verdicts import SLACK, Verdict
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.tables.catalogue import Baseline
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import EvidenceGrade, Report, SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from patchline.releaser.tables.people import Role

MAY_TELL = (Role.SUPPORT, Role.RELEASE_MANAGER)
_MOST_TRIED = 20_000
_AT_ONCE = 500
_LONGEST_NAME = 200

Key = TypeVar("Key", int, str)


@dataclass(frozen=True)
class Wanted:
    """A level as somebody told it: its label, or a baseline and hotfixes, or a code alone.

    Attributes:
        hotfixes: identifiers, with `-rN` or without for the newest revision that went out.
        by: who told it, a person of the customer's.
        at: when it was so.
    """

    by: str
    at: datetime
    label: str | None = None
    baseline: str | None = None
    hotfixes: tuple[str, ...] = ()
    code: str | None = None


def tell(change: Change, name: str, wanted: Wanted) -> tuple[Told, Verdict]:
    """Keep what was told of a site's level; it counts like a report, until something newer comes.

    Raises:
        NotFoundError: the register knows no such site, baseline or hotfix.
        RefusedError: who acts may not.
        ReportError: the code does not fit.
        UsageError: it is no level, or of a day to come.
    """
    require_role(change.session, change.by, *MAY_TELL)
    site = the_site(change.session, name)
    told = _resolve(change, _Known(change.session, site.product), site, wanted)
    return told, keep_all(change, [(site, told)])[0]


def tell_all(change: Change, levels: Sequence[tuple[str, Wanted]]) -> list[PatchlineError | Verdict]:
    """Keep what was told of many sites, as `tell` does; return what became of each, or what is wrong with it.

    Raises:
        RefusedError: who acts may not.
    """
    require_role(change.session, change.by, *MAY_TELL)
    found: dict[str, Site] = {}
    for names in _some([name for name, _ in levels]):
        found |= {site.name: site for site in change.session.scalars(select(Site).where(Site.name.in_(names)))}
    known = {product: _Known(change.session, product) for product in sorted({one.product for one in found.values()})}
    outcomes: list[PatchlineError | tuple[Site, Told]] = []
    for name, wanted in levels:
        try:
            site = found.get(name) or the_site(change.session, name)
            outcomes.append((site, _resolve(change, known[site.product], site, wanted)))
        except PatchlineError as error:
            outcomes.append(error)
    verdicts = iter(keep_all(change, [one for one in outcomes if not isinstance(one, PatchlineError)]))
    return [one if isinstance(one, PatchlineError) else next(verdicts) for one in outcomes]


def read_time(text: str) -> datetime:
    """Read a day (its beginning) or a moment; one without a zone is in UTC.

    Raises:
        UsageError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError("told", f"{text[:40]!r} is no time") from None


def keep_all(change: Change, levels: Sequence[tuple[Site, Told]]) -> list[Verdict]:
    """Keep levels that were told and resolved; the same one told again is the same one."""
    as_of, there = _kept(change.session, levels)
    rows: list[Report] = []
    verdicts = []
    for site, told in levels:
        row = _row(change, site, told)
        last = as_of.get(site.id)
        if row.sha256 in there:
            verdicts.append(Verdict.REPEATED)
            continue
        there.add(row.sha256)
        row.verdict = Verdict.OUT_OF_ORDER if last is not None and told.at < last else Verdict.ACCEPTED
        as_of[site.id] = max(told.at, last or told.at)
        rows.append(row)
        verdicts.append(Verdict(row.verdict))
        facts = {"level": told.label, "evidence": row.evidence, "told_by": told.by, "verdict": row.verdict}
        change.record("site.tell", site.name, facts)
    change.session.add_all(rows)
    change.session.flush()
    fold_all(change.session, sorted({row.site for row in rows if row.site is not None}))
    return verdicts


def _kept(session: Session, levels: Sequence[tuple[Site, Told]]) -> tuple[dict[int, datetime | None], set[str]]:
    """Return as of when the levels of sites are known, locked, and which of those told are kept already."""
    as_of: dict[int, datetime | None] = {}
    there: set[str] = set()
    for ids in _some([site.id for site, _ in levels]):
        query = select(SiteState.site, SiteState.as_of).where(SiteState.site.in_(ids)).order_by(SiteState.site)
        as_of |= {row.site: row.as_of for row in session.execute(query.with_for_update())}
    for digests in _some([digest(told.encode()) for _, told in levels]):
        there |= set(session.scalars(select(Report.sha256).where(Report.sha256.in_(digests))))
    return as_of, there


def _some(keys: Iterable[Key]) -> Iterator[list[Key]]:
    """Yield keys in order, each once, so many at a time as a statement takes."""
    ordered = sorted(set(keys))
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]


def _row(change: Change, site: Site, told: Told) -> Report:
    data = told.encode()
    sha256 = digest(data)
    return Report(
        site=site.id,
        identity=None,
        sha256=sha256,
        payload_sha256=sha256,
        epoch=None,
        counter=None,
        made=told.at,
        received=change.now,
        via=TOLD,
        evidence=EvidenceGrade.TOLD_WITH_CODE if told.code else EvidenceGrade.TOLD,
        keyid=None,
        document=data,
        taken_by=change.by,
    )


def _resolve(change: Change, known: "_Known", site: Site, wanted: Wanted) -> Told:
    if wanted.at > change.now + SLACK:
        raise UsageError("told", f"{wanted.at:%Y-%m-%d %H:%M} is still to come")
    if not wanted.by.strip() or len(wanted.by) > _LONGEST_NAME or not wanted.by.isprintable():
        raise UsageError("told", f"say who told it, in 1 to {_LONGEST_NAME} characters")
    code = _code(wanted.code)
    if wanted.label is None and wanted.baseline is None:
        if code is None:
            raise UsageError("told", "say which level it is: --level, or --baseline and --hotfix, or --code")
        found = list(known.fitting(code, None, ()))
        if len(found) != 1:
            raise ReportError("told", _no_level(site, code, found))
        return _told(site, found[0], code, wanted)
    baseline, hotfixes = known.read(wanted)
    level = known.level(baseline, hotfixes)
    if code is not None and (level.digest is None or level_code(level.digest) != code):
        found = list(known.fitting(code, baseline, hotfixes))
        # Preserved files are in the digest and not in what was told; a site that reported them has the same label.
        same = [one for one in found if one.label.replace("*", "") == level.label]
        if len(same) == 1:
            return _told(site, same[0], code, wanted)
        raise ReportError("told", f"the code {code} is not that of {level.label}; {_likely(found)}")
    return _told(site, level, code, wanted)


def _code(spoken: str | None) -> str | None:
    if spoken is None:
        return None
    code = read_level_code(spoken)
    if code is None:
        raise ReportError("told", f"{spoken[:40]!r} is no code: a letter was misheard, or two were exchanged")
    return code


def _likely(found: "Sequence[Candidate]") -> str:
    if not found:
        return "it fits no level that is known here"
    return "it fits " + " or ".join(one.label for one in found)


def _no_level(site: Site, code: str, found: "Sequence[Candidate]") -> str:
    return f"the code {code} alone does not say which level {site.name} has: {_likely(found)}"


def _told(site: Site, level: "Candidate", code: str | None, wanted: Wanted) -> Told:
    return Told(
        site=site.name,
        baseline=level.baseline,
        label=level.label,
        digest=level.digest,
        hotfixes=level.hotfixes,
        code=code,
        by=wanted.by.strip(),
        at=wanted.at.replace(microsecond=0),
    )


@dataclass(frozen=True)
class Candidate:
    """A level that may be meant."""

    baseline: str
    label: str
    digest: str | None
    hotfixes: tuple[InForce, ...]


class _Known:
    """The baselines and hotfixes of a product, and the levels they make."""

    def __init__(self, session: Session, product: str) -> None:
        self.session = session
        self.product = product
        labels = select(Baseline.label).where(Baseline.product == product)
        self.baselines = sorted(session.scalars(labels), key=len, reverse=True)
        query = select(Revision.hotfix, Revision.number, Revision.manifest_sha256, Hotfix.kind, Hotfix.baseline)
        query = query.join(Hotfix, Hotfix.id == Revision.hotfix).where(Hotfix.product == product)
        query = query.where(Revision.state.in_(("published", "held", "recalled")))
        self.kinds: dict[tuple[str, int], str] = {}
        self.revisions: dict[tuple[str, int], InForce] = {}
        self.on: dict[str, list[InForce]] = {}
        for row in session.execute(query.order_by(Revision.hotfix, Revision.number)):
            one = InForce(row.hotfix, row.number, row.manifest_sha256, None)
            self.revisions[row.hotfix, row.number] = one
            self.kinds[row.hotfix, row.number] = row.kind
            self.on.setdefault(row.baseline, []).append(one)

    def read(self, wanted: Wanted) -> tuple[str, tuple[InForce, ...]]:
        """Return the baseline and hotfixes that were told.

        Raises:
            NotFoundError: the register knows one of them not.
        """
        if wanted.label is not None:
            for baseline in self.baselines:
                if wanted.label == baseline or wanted.label.startswith(f"{baseline}+"):
                    names = wanted.label[len(baseline) :].split("+")[1:]
                    return baseline, self._hotfixes(name.removesuffix("*") for name in names)
            raise NotFoundError(
                "baseline", f"the register knows no baseline of {self.product} in {wanted.label[:80]!r}"
            )
        if wanted.baseline not in self.baselines:
            raise NotFoundError("baseline", f"the register knows no baseline {wanted.baseline} of {self.product}")
        return wanted.baseline, self._hotfixes(wanted.hotfixes)

    def _hotfixes(self, names: Iterable[str]) -> tuple[InForce, ...]:
        found = {}
        for name in names:
            one = self._hotfix(name)
            if one.hotfix in found:
                raise UsageError("told", f"{one.hotfix} was told twice")
            found[one.hotfix] = one
        return tuple(found.values())

    def _hotfix(self, name: str) -> InForce:
        head, dash, number = name.rpartition("-r")
        if dash and number.isdecimal() and (head, int(number)) in self.revisions:
            return self.revisions[head, int(number)]
        newest = [one for (hotfix, _), one in self.revisions.items() if hotfix == name]
        if not newest:
            raise NotFoundError("registered-hotfix", f"no hotfix {name} of {self.product} ever went out")
        return newest[-1]

    def level(self, baseline: str, hotfixes: Sequence[InForce]) -> Candidate:
        """Return the level that a baseline and hotfixes make."""
        made: Level = level_of(self.product, baseline, [self._layer(one) for one in hotfixes])
        known = all(one.manifest for one in hotfixes)
        return Candidate(baseline, made.label, made.digest if known else None, tuple(hotfixes))

    def _layer(self, one: InForce) -> Layer:
        kind = self.kinds.get((one.hotfix, one.revision), "one-off")
        return Layer("", 0, one.manifest or "", one.hotfix, one.revision, kind, (), (), (), (), (), (), "")

    def fitting(self, code: str, baseline: str | None, told: Sequence[InForce]) -> Iterator[Candidate]:
        """Yield the levels that a code may mean: those that sites had, and those near what was told."""
        seen = set()
        for one in self._had(code):
            seen.add(one.digest)
            yield one
        for one in islice(self._near(baseline, told), _MOST_TRIED):
            if one.digest is not None and one.digest not in seen and level_code(one.digest) == code:
                seen.add(one.digest)
                yield one

    def _had(self, code: str) -> Iterator[Candidate]:
        levels = select(SiteState.digest).where(SiteState.product == self.product, SiteState.digest.is_not(None))
        for level in sorted({str(one) for one in self.session.scalars(levels.distinct())}):
            if level_code(level) == code:
                query = select(Report.via, Report.document).join(SiteState, SiteState.report == Report.id)
                via, document = self.session.execute(query.where(SiteState.digest == level).limit(1)).one()
                found = said(via, document)
                yield Candidate(str(found.baseline), str(found.label), level, found.hotfixes)

    def _near(self, baseline: str | None, told: Sequence[InForce]) -> Iterator[Candidate]:
        yield from (self.level(other, told) for other in self.baselines if told)
        for other in [baseline] if baseline is not None else self.baselines:
            yield from self._around(other, list(told), self.on.get(other, []))
        for other in [baseline] if baseline is not None else self.baselines:
            for size in range(4):
                for some in combinations(self.on.get(other, []), size):
                    yield self.level(other, some)

    def _around(self, baseline: str, told: list[InForce], there: list[InForce]) -> Iterator[Candidate]:
        for one in told:
            rest = [other for other in told if other is not one]
            yield self.level(baseline, rest)
            yield from (self.level(baseline, [*rest, other]) for other in there)
        yield from (self.level(baseline, [*told, other]) for other in there if other not in told)
