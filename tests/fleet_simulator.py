"""A fleet that lives: sites fetch, apply, fail, go silent, are restored and cloned, and report, with real keys.

The simulator keeps its own truth, from what it did itself; it never reads an answer of the register to learn it. A test
compares after every step; a benchmark lets thousands report. What happens follows from the seed alone.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from patchline.patches.site.sources import Source
from tests.fleet_machines import Machine

_MINUTES = 61, 75
_APART = timedelta(minutes=61)
"""Between two events of a site: more than clocks may be apart."""
_TIMER = timedelta(days=2)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    """A report that left a machine, and what the simulator knows is in it.

    Attributes:
        disk: which disk of the machine wrote it.
        count: how many that disk, with all it was copied from, had written.
        hotfixes: labels of what was in force.
        edited: files that the customer had changed.
    """

    disk: str
    count: int
    level: str
    hotfixes: frozenset[str]
    edited: int
    at: datetime
    data: bytes


@dataclass(frozen=True)
class Known:
    """What is to be known of a site: the simulator's truth, and the form in which the register is asked.

    Attributes:
        evidence: word of the grade.
        level: label, None while unknown.
    """

    evidence: str = "never-reported"
    level: str | None = None
    hotfixes: frozenset[str] = frozenset()
    edited: int = 0
    at: datetime | None = None
    contested: bool = False


class Office(Protocol):
    """The vendor's side as the simulator needs it."""

    def take(self, data: bytes, *, online: bool, now: datetime) -> None:
        """Take a report, whatever is to be said of it."""

    def tell(self, site: str, label: str, now: datetime) -> None:
        """Take down what somebody told by phone, without a code."""

    def timer(self, now: datetime) -> None:
        """Keep the channel alive, as the vendor's timer does."""

    def accept_restored(self, site: str, now: datetime) -> None:
        """Say that what reports beside a site is the site now."""


@dataclass
class Place:
    """One site with its machine, and what the simulator knows of both.

    Attributes:
        busy: when something last happened here.
        disks: of each disk: hotfixes in force in their order, edited files, reports written.
        drawer: reports that were written and not sent.
        sent: those that arrived, `grades` on which way.
        newest: the one of them that counts; `beside` the last one that contradicts it.
        told: what somebody told last.
    """

    name: str
    machine: Machine
    silent: bool = False
    busy: datetime = _LONG_AGO
    disks: dict[str, "DiskTruth"] = field(default_factory=dict)
    drawer: list[Said] = field(default_factory=list)
    sent: list[Said] = field(default_factory=list)
    grades: dict[bytes, str] = field(default_factory=dict)
    newest: Said | None = None
    beside: Said | None = None
    told: Known | None = None
    copies: int = 0

    @property
    def known(self) -> Known:
        """What is to be known: the newest of what it said and what was told of it, by the time of which it is."""
        known, said = self.told or Known(), self.newest
        if said is not None and (known.at is None or known.at <= said.at):
            known = Known(self.grades[said.data], said.level, said.hotfixes, said.edited, said.at)
        return replace(known, contested=self.beside is not None)

    @property
    def truth(self) -> "DiskTruth":
        """What is on the disk that is in the machine."""
        return self.disks[self.machine.mounted]

    @property
    def level(self) -> str:
        """The label of what is there."""
        return "+".join([self.machine.baseline, *sorted(self.truth.hotfixes)])


@dataclass
class DiskTruth:
    """What is on a disk, by what was done to it."""

    hotfixes: list[str] = field(default_factory=list)
    edited: set[str] = field(default_factory=set)
    written: int = 0
    fetched: list[str] = field(default_factory=list)

    def copied(self) -> "DiskTruth":
        return DiskTruth(list(self.hotfixes), set(self.edited), self.written, list(self.fetched))


@dataclass(frozen=True)
class Offer:
    """A hotfix that the channel has; each mends one thing in one file."""

    label: str
    path: str
    fix: str

    @property
    def hotfix(self) -> str:
        return self.label.rpartition("-")[0]


class Fleet:
    """Sites of one product, and their lives."""

    def __init__(self, places: Sequence[Place], offers: Sequence[Offer], seed: int, now: datetime) -> None:
        self.places, self.offers, self.now = list(places), list(offers), now
        self.random = random.Random(seed)
        for place in self.places:
            place.disks[place.machine.mounted] = DiskTruth()

    def live(self, office: Office, source: Source, steps: int) -> Iterator[str]:
        """Let so many things happen; yields what happened, after each."""
        deeds: dict[Callable[[Place, Office, Source], str | None], int] = {
            self.update: 5,
            self.report: 8,
            self.edit: 2,
            self.roll_back: 2,
            self.fall_silent: 1,
            self.send_late: 3,
            self.replay: 2,
            self.alter: 2,
            self.tell: 1,
            self.restore: 1,
            self.clone: 1,
            self.decide: 2,
        }
        done, renewed = 0, self.now
        while done < steps:
            [deed] = self.random.choices(list(deeds), list(deeds.values()))
            place = self.random.choice(self.places)
            self.now += timedelta(seconds=60 * self.random.randint(*_MINUTES) // (1 + len(self.places) // 4))
            if self.now - place.busy < _APART:
                continue
            if self.now - renewed > _TIMER:
                office.timer(renewed := self.now)
            place.busy = self.now
            told = deed(place, office, source)
            if told is not None:
                done += 1
                yield f"{place.name} {told}"

    def answers(self, offer: Offer) -> dict[str, int]:
        """Return how many sites have what a hotfix mends, lack it, or are unknown."""
        heard = [place.known for place in self.places if place.known.level is not None]
        has = sum(offer.label in known.hotfixes for known in heard)
        unknown = len(self.places) - len(heard)
        return {"has": has, "lacks": len(heard) - has, "unknown": unknown, "sites": len(self.places)}

    # What happens at a site

    def update(self, place: Place, office: Office, source: Source) -> str | None:
        """Fetch, and apply one of what is new; where a file was edited, the client refuses."""
        del office
        place.machine.fetch(source, self.now)
        missing = [one for one in self.offers if one.label not in place.truth.hotfixes]
        if not missing:
            return None
        offer = self.random.choice(missing)
        refused = place.machine.apply(offer.label, self.now)
        if offer.path in place.truth.edited:
            assert refused is not None, f"{offer.label} went over an edited file"
            return f"could not apply {offer.label}: {refused}"
        assert refused is None, refused
        place.truth.hotfixes.append(offer.label)
        return f"applied {offer.label}"

    def edit(self, place: Place, office: Office, source: Source) -> str | None:
        """An administrator changes a file that a hotfix may want to change."""
        del office, source
        free = [one for one in self.offers if one.path not in place.truth.edited]
        if not free or len(place.truth.edited) > 1:
            return None
        path = self.random.choice(free).path
        place.machine.edit(path, f"edited at {self.now}\n".encode())
        place.truth.edited.add(path)
        return f"had {path} edited"

    def roll_back(self, place: Place, office: Office, source: Source) -> str | None:
        del office, source
        if not place.truth.hotfixes:
            return None
        label = place.truth.hotfixes[-1]
        offer = next(one for one in self.offers if one.label == label)
        if offer.path in place.truth.edited:
            return None
        place.machine.rollback(offer.hotfix, self.now)
        place.truth.hotfixes.remove(label)
        return f"rolled {label} back"

    # What is heard of it

    def report(self, place: Place, office: Office, source: Source) -> str:
        """Write a report; it is sent, carried, or stays in the drawer of a silent site."""
        del source
        said = self.written(place)
        if place.silent:
            place.drawer.append(said)
            return "wrote a report and did not send it"
        online = self.random.random() < 0.7
        self.send(place, said, office, online=online)
        return "reported online" if online else "had its report carried by hand"

    def written(self, place: Place) -> Said:
        truth = place.truth
        truth.written += 1
        return Said(
            disk=place.machine.mounted,
            count=truth.written,
            level=place.level,
            hotfixes=frozenset(truth.hotfixes),
            edited=len(truth.edited),
            at=self.now,
            data=place.machine.report(self.now),
        )

    def send(self, place: Place, said: Said, office: Office, *, online: bool) -> None:
        office.take(said.data, online=online, now=self.now)
        place.grades[said.data] = "signed-online" if online else "signed-by-hand"
        self.hear(place, said)

    def hear(self, place: Place, said: Said) -> None:
        """What is to follow from a report that arrived: counts and times of one installation rise together."""
        newest, place.sent = place.newest, [*place.sent, said]
        twice = any(said.count == other.count for other in place.sent[:-1])
        follows = newest is None or said.count > newest.count
        strange = newest is not None and follows != (said.at > newest.at)
        if twice or strange or (follows and place.beside is not None):
            place.beside = said if place.beside is None or said.at > place.beside.at else place.beside
        elif follows:
            place.newest = said

    def fall_silent(self, place: Place, office: Office, source: Source) -> str:
        del office, source
        place.silent = not place.silent
        return "fell silent" if place.silent else "is heard again"

    def send_late(self, place: Place, office: Office, source: Source) -> str | None:
        """One of the drawer arrives, late and in no order."""
        del source
        if not place.drawer:
            return None
        said = place.drawer.pop(self.random.randrange(len(place.drawer)))
        self.send(place, said, office, online=False)
        return f"had its report {said.count} carried, written at {said.at}"

    def replay(self, place: Place, office: Office, source: Source) -> str | None:
        """Somebody brings an old report again: nothing follows, but that the newest one may now have come online."""
        del source
        if not place.sent:
            return None
        said, online = self.random.choice(place.sent), self.random.random() < 0.5
        office.take(said.data, online=online, now=self.now)
        if online and said is place.newest:
            place.grades[said.data] = "signed-online"
        return f"had its report {said.count} brought again"

    def alter(self, place: Place, office: Office, source: Source) -> str | None:
        """Somebody changes a byte on the way: nothing follows."""
        del source
        if not place.sent:
            return None
        data = bytearray(self.random.choice(place.sent).data)
        start = data.index(b'"sig":"') + 10
        data[start] = ord("A") if data[start] != ord("A") else ord("B")
        office.take(bytes(data), online=False, now=self.now)
        return "had an altered report brought"

    def tell(self, place: Place, office: Office, source: Source) -> str | None:
        """Somebody says by phone what is there, and is right."""
        del source
        office.tell(place.name, place.level, self.now)
        there = frozenset(place.truth.hotfixes)
        place.told = Known("told", place.level, there, 0, self.now)
        return f"was told to be at {place.level}"

    # Two that say they are one

    def restore(self, place: Place, office: Office, source: Source) -> str | None:
        """The machine's disk breaks, and a copy of an earlier day is put in."""
        return self._copied(place, office, source, "was restored from a backup")

    def clone(self, place: Place, office: Office, source: Source) -> str | None:
        return self._copied(place, office, source, "was cloned")

    def _copied(self, place: Place, office: Office, source: Source, told: str) -> str | None:
        del office, source
        if not place.truth.written:
            return None
        others = [name for name in place.disks if name != place.machine.mounted]
        if others:
            place.machine.mount(name := self.random.choice(others))
            return f"runs from disk {name}"
        place.copies += 1
        name = f"disk-{place.copies}"
        place.disks[name] = place.truth.copied()
        place.machine.copy_disk(name)
        return f"{told}: {name}"

    def decide(self, place: Place, office: Office, source: Source) -> str | None:
        """A person says that what reports beside it is the site now; the other machine is switched off."""
        del source
        if place.beside is None:
            return None
        office.accept_restored(place.name, self.now)
        said, place.beside = place.beside, None
        if place.machine.mounted != said.disk:
            place.machine.mount(said.disk)
        place.disks = {said.disk: place.truth}
        place.drawer.clear()
        place.newest = said
        return f"was accepted as restored, as {said.disk} says"
