"""What becomes of a report: a judgement of all that was heard from a site, in the order in which it came.

- Within an epoch the counter alone orders reports, whatever order they are brought in.
- A client that was restored or cloned shows itself: a counter comes twice with other words, an older counter is told
  at a later time, or an epoch goes on after another one began. From then on nothing moves the level until a person has
  said which one is the site (`Line`).
- These rules are pure. Every report is judged by the same `judge` when it is taken and when it is judged anew.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from patchline.releaser.tables.fleet import EvidenceGrade

SLACK = timedelta(hours=1)
"""How far clocks may be apart, or be set back, without anybody's harm."""


class Verdict(StrEnum):
    """What became of a report; `accepted` ones move the level, `out-of-order` ones tell of an earlier day."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    REPLAYED = "replayed"
    OUT_OF_ORDER = "out-of-order"
    UNKNOWN_SITE = "unknown-site"
    UNKNOWN_KEY = "unknown-key"
    UNSIGNED = "unsigned"
    ENDED_KEY = "ended-key"
    OTHER_PRODUCT = "other-product"
    FROM_THE_FUTURE = "from-the-future"
    CONTESTED = "restored-or-cloned"
    SET_ASIDE = "set-aside"

    @property
    def stored(self) -> bool:
        """Tell whether it is kept; what is there already is not kept twice."""
        return self not in (Verdict.REPEATED, Verdict.REPLAYED)

    @property
    def words(self) -> str:
        """What a person reads."""
        return _WORDS[self]


GENUINE = (Verdict.ACCEPTED, Verdict.OUT_OF_ORDER)
"""What tells of a level that the site had."""

_WORDS = {
    Verdict.ACCEPTED: "taken",
    Verdict.REPEATED: "the same as the newest one that was taken already; nothing changes",
    Verdict.REPLAYED: "an old one, which was taken already; nothing changes",
    Verdict.OUT_OF_ORDER: "older than the newest one: kept for the history, the level stays",
    Verdict.UNKNOWN_SITE: "of a site that the register does not know: kept until it does (report import --site SITE)",
    Verdict.UNKNOWN_KEY: "signed by a key that is not the site's: kept, it does not count",
    Verdict.UNSIGNED: "not signed, although the site has a key: kept, it does not count",
    Verdict.ENDED_KEY: "signed by a key of the site that was ended: kept, it does not count",
    Verdict.OTHER_PRODUCT: "of another product than the site's: kept, it does not count",
    Verdict.FROM_THE_FUTURE: "from the future: kept, it does not count; the site's clock is wrong",
    Verdict.CONTESTED: "beside another one that goes on: the site was restored or cloned, and the level stays until "
    "somebody says which it is (site accept-restore SITE, or site split SITE NEW)",
    Verdict.SET_ASIDE: "set aside: somebody said that another one is the site",
}

_BETTER = list(EvidenceGrade)


@dataclass
class Heard:
    """What orders a report of a site's client.

    Attributes:
        row: number of the report in the register, 0 while it has none.
        payload: digest of what it says.
    """

    row: int
    epoch: str
    counter: int
    made: datetime
    payload: str
    evidence: EvidenceGrade


@dataclass(frozen=True)
class Line:
    """What a person said of a site that was restored: from here on this one alone is the site."""

    epoch: str
    since: datetime
    counter: int
    decided: datetime

    def has(self, report: Heard) -> bool:
        """Tell whether a report is of the line."""
        return report.epoch == self.epoch and report.made >= self.since and report.counter >= self.counter

    def begins_after(self, newest: Heard) -> bool:
        """Tell whether the line is still to begin."""
        return newest.made <= self.decided and not self.has(newest)


@dataclass
class Standing:
    """What the reports of a site amount to so far.

    Attributes:
        newest: of its client; what counts.
        told: number and time of the newest level that people told.
        contested: whether somebody has to say which one is the site.
        began: by epoch, when it began as far as is known.
        same: by epoch and counter, what was heard with these already.
    """

    line: Line | None = None
    newest: Heard | None = None
    told: tuple[int, datetime] | None = None
    contested: bool = False
    began: dict[str, datetime] = field(default_factory=dict)
    same: dict[tuple[str, int], list[Heard]] = field(default_factory=dict)

    @property
    def report(self) -> int | None:
        """Number of the report that the level stands on: the newest by its own time."""
        if self.told is not None and (self.newest is None or self.told[1] > self.newest.made):
            return self.told[0]
        return self.newest.row if self.newest else None

    @property
    def as_of(self) -> datetime | None:
        """The time of that report."""
        times = [self.newest.made] if self.newest else []
        return max([*times, self.told[1]] if self.told else times, default=None)

    def tell(self, row: int, made: datetime) -> Verdict:
        """Judge a level that people told."""
        if self.as_of is not None and made < self.as_of:
            return Verdict.OUT_OF_ORDER
        self.told = (row, made)
        return Verdict.ACCEPTED

    def take(self, report: Heard) -> Verdict:
        """Judge a report of the client that counts by itself, and take it in."""
        verdict = self._judge(report)
        if verdict.stored:
            self.same.setdefault((report.epoch, report.counter), []).append(report)
        if verdict in GENUINE:
            began = self.began.get(report.epoch, report.made)
            self.began[report.epoch] = min(began, report.made)
        if verdict is Verdict.ACCEPTED:
            self.newest = report
            if self.told is not None and self.told[1] <= report.made:
                self.told = None
        self.contested |= verdict is Verdict.CONTESTED
        return verdict

    def _judge(self, report: Heard) -> Verdict:
        alike = [other for other in self._beside(report) if other.payload == report.payload]
        if alike:
            return self._again(report, alike)
        newest, line = self.newest, self.line
        if line is not None and line.has(report) and (newest is None or line.begins_after(newest)):
            return Verdict.ACCEPTED
        verdict = self._order(report)
        if line is None or line.has(report) or report.made > line.decided:
            return verdict
        aside = verdict is Verdict.CONTESTED or report.made >= line.since
        return Verdict.SET_ASIDE if aside else verdict

    def _beside(self, report: Heard) -> list[Heard]:
        """Return what was heard with the same epoch and counter, on the same side of a restore."""
        others = self.same.get((report.epoch, report.counter), [])
        line = self.line
        return [one for one in others if line is None or line.has(one) == line.has(report)]

    def _again(self, report: Heard, alike: list[Heard]) -> Verdict:
        newest = self.newest
        is_newest = newest is not None and newest.payload == report.payload
        if is_newest and all(_BETTER.index(report.evidence) < _BETTER.index(other.evidence) for other in alike):
            return Verdict.ACCEPTED
        return Verdict.REPEATED if is_newest else Verdict.REPLAYED

    def _order(self, report: Heard) -> Verdict:
        newest = self.newest
        if self._beside(report):
            return Verdict.CONTESTED
        if newest is None:
            return self._moving()
        if report.epoch != newest.epoch:
            return self._of_other_epoch(report, newest)
        if report.counter > newest.counter:
            return Verdict.CONTESTED if report.made < newest.made - SLACK else self._moving()
        return Verdict.CONTESTED if report.made > newest.made + SLACK else Verdict.OUT_OF_ORDER

    def _of_other_epoch(self, report: Heard, newest: Heard) -> Verdict:
        if report.made < self.began.get(newest.epoch, newest.made):
            return Verdict.OUT_OF_ORDER
        if report.epoch not in self.began and report.made >= newest.made:
            return self._moving()
        return Verdict.CONTESTED

    def _moving(self) -> Verdict:
        return Verdict.CONTESTED if self.contested else Verdict.ACCEPTED
