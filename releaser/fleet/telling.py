"""A level that somebody told by phone or mail, and whether the code they read out fits it.

The code is 50 bits of the level's digest, so a code that fits says that nothing was misheard. Where it does not fit, the
levels that it may mean are looked for among those that sites had and those that the register's hotfixes make.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations, islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.documents import digest
from patchline.patches.errors import NotFoundError, ReportError, UsageError
from patchline.patches.identifiers import level_code, read_level_code
from patchline.patches.site.inventory import Level, level_of
from patchline.patches.site.ledger import Layer
from patchline.releaser.fleet.folding import fold
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

_MOST_TRIED = 20_000
_LONGEST_NAME = 200


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
    require_role(change.session, change.by, Role.SUPPORT, Role.RELEASE_MANAGER)
    site = the_site(change.session, name)
    told = _resolve(change.session, site, wanted)
    if wanted.at > change.now + SLACK:
        raise UsageError("told", f"{wanted.at:%Y-%m-%d %H:%M} is still to come")
    return told, keep(change, site, told)


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


def keep(change: Change, site: Site, told: Told) -> Verdict:
    """Keep a level that was told and resolved; the same one told again is the same one."""
    data = told.encode()
    sha256 = digest(data)
    session = change.session
    session.execute(select(SiteState.site).where(SiteState.site == site.id).with_for_update())
    grade = EvidenceGrade.TOLD_WITH_CODE if told.code else EvidenceGrade.TOLD
    if session.scalar(select(Report.id).where(Report.sha256 == sha256)) is not None:
        return Verdict.REPEATED
    as_of = session.scalar(select(SiteState.as_of).where(SiteState.site == site.id))
    verdict = Verdict.OUT_OF_ORDER if as_of is not None and told.at < as_of else Verdict.ACCEPTED
    row = Report(
        site=site.id,
        identity=None,
        sha256=sha256,
        payload_sha256=sha256,
        epoch=None,
        counter=None,
        made=told.at,
        received=change.now,
        via=TOLD,
        verdict=verdict,
        evidence=grade,
        keyid=None,
        document=data,
        taken_by=change.by,
    )
    session.add(row)
    session.flush()
    fold(session, site.id)
    facts = {"level": told.label, "evidence": grade, "told_by": told.by, "verdict": verdict}
    change.record("site.tell", site.name, facts)
    return verdict


def _resolve(session: Session, site: Site, wanted: Wanted) -> Told:
    if not wanted.by.strip() or len(wanted.by) > _LONGEST_NAME or not wanted.by.isprintable():
        raise UsageError("told", f"say who told it, in 1 to {_LONGEST_NAME} characters")
    code = _code(wanted.code)
    known = _Known(session, site.product)
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
