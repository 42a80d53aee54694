"""The vendor of a simulated fleet: a register and a channel with a few hotfixes, and customers' machines beside."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from patchline.patches.errors import ReportError
from patchline.patches.plain import open_plain
from patchline.patches.site.report import KEY
from patchline.patches.site.sources import Source, opened_source
from patchline.patches.trust import trust_document
from patchline.releaser.channel_upkeep import keep_up
from patchline.releaser.fleet import customers, reports, restored, sites, telling
from patchline.releaser.fleet.questions import counts, totals
from patchline.releaser.fleet.subjects import of_fix
from patchline.releaser.register import Register
from patchline.releaser.tables.catalogue import Baseline
from patchline.releaser.tables.customers import SiteKey
from patchline.releaser.tables.fleet import Applied, SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from tests import channels, vendor
from tests.fleet_machines import Machine
from tests.fleet_simulator import Fleet, Known, Offer, Place
from tests.hotfixes import FILES, Life, changed
from tests.registers import NOW
from tests.samples import fix

PRODUCT, BASELINE = "demo", "1.0"


@dataclass(frozen=True)
class Ground:
    """What a fleet lives on.

    Attributes:
        offers: a hotfix for each file of the product.
        listed: the baseline's file list, against which sites check themselves.
    """

    life: Life
    offers: tuple[Offer, ...]
    trust: bytes
    listed: bytes

    @property
    def register(self) -> Register:
        """The vendor's register."""
        return self.life.register

    @contextmanager
    def channel(self) -> Iterator[Source]:
        """Open the channel as a site does."""
        with opened_source(str(self.register.channel)) as source:
            yield source

    def fleet(self, folder: Path, count: int, seed: int) -> Fleet:
        """Install so many sites."""
        places = [self.place(folder, f"site-{number:04}") for number in range(count)]
        return Fleet(places, self.offers, seed, NOW)

    def place(self, folder: Path, name: str) -> Place:
        """Install one site."""
        machine = Machine(folder / name, PRODUCT, BASELINE)
        machine.install(FILES, self.trust, self.listed, NOW)
        return Place(name, machine)


def prepared(register: Register, folder: Path) -> Ground:
    """Publish a hotfix for each file of the product."""
    folder.mkdir(parents=True)
    life = Life(register, folder).prepare()
    offers = []
    for path, before in FILES.items():
        mends = f"BUG-{path[0]}"
        files = [changed(path, before, f"{path} mended\n".encode(), fixes=[mends])]
        identifier = life.published(files=files, fixes=[fix(mends)], wanted={"title": f"Mend {path}"})
        offers.append(Offer(f"{identifier}-r1", path, mends))
    with register.read() as session:
        listed = session.scalars(select(Baseline.files)).one()
    trust = trust_document(product=PRODUCT, root=channels.root(), policy=vendor.policy_envelope())
    assert listed is not None
    return Ground(life, tuple(offers), trust, listed)


@dataclass
class Desk:
    """Support at the register: takes what comes, and is asked what it knows of a site."""

    ground: Ground
    by: str = "rita"

    @property
    def register(self) -> Register:
        """Where it is written down."""
        return self.ground.register

    def timer(self, now: datetime) -> None:
        """Sign the channel's lists again before they expire."""
        keep_up(self.register, self.ground.life.channel, lambda: self.by, now)

    def expect(self, fleet: Fleet) -> None:
        """Add the sites, with their keys as an enrolment leaves them; four sites are one customer's."""
        with self.register.change(self.by, NOW) as change:
            for number, place in enumerate(fleet.places):
                customer = f"customer-{number // 4:04}"
                if number % 4 == 0:
                    customers.add(change, customers.NewCustomer(customer, customer.title()))
                site = sites.add(change, sites.NewSite(place.name, customer, PRODUCT))
                site.identity = place.machine.identity
                public = open_plain(place.machine.state / KEY).public
                known = {"enrolled": NOW, "confirmed": NOW, "confirmed_by": self.by}
                change.session.add(SiteKey(keyid=public.keyid, site=site.id, pem=public.to_pem(), **known))

    def take(self, data: bytes, *, online: bool, now: datetime) -> None:
        """Take a report; what was altered on its way is refused."""
        try:
            with self.register.change(self.by, now) as change:
                reports.take(change, data, reports.ONLINE if online else reports.HAND)
        except ReportError as error:
            assert error.code == "report.altered", error

    def tell(self, site: str, label: str, now: datetime) -> None:
        """Take down what somebody told."""
        with self.register.change(self.by, now) as change:
            telling.tell(change, site, telling.Wanted(by="Eve", at=now, label=label))

    def accept_restored(self, site: str, now: datetime) -> None:
        """Say that what reports beside a site is the site."""
        with self.register.change(self.by, now) as change:
            restored.accept_restore(change, site)

    def known(self, name: str) -> Known:
        """Return what the register says of a site."""
        with self.register.read() as session:
            site = sites.the_site(session, name)
            state = session.get_one(SiteState, site.id)
            query = select(Hotfix.id, Revision.number).join(Revision).join(Applied, Applied.revision == Revision.id)
            there = session.execute(query.where(Applied.site == site.id))
            labels = frozenset(f"{hotfix}-r{number}" for hotfix, number in there)
            return Known(state.evidence, state.label, labels, state.drift, state.as_of, state.contested)

    def answers(self, fix_: str) -> dict[str, int]:
        """Return how many sites have a fix, lack it, or are unknown."""
        with self.register.read() as session:
            subject = of_fix(session, fix_, None)
            whole = totals(subject, counts(session, subject))
        return {name: getattr(whole, name) for name in ("has", "lacks", "unknown", "sites")}
