"""The vendor of a simulated fleet: a register and a channel with a few hotfixes, and customers' machines beside."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from patchline.patches.site.sources import Source, opened_source
from patchline.patches.trust import trust_document
from patchline.releaser.register import Register
from patchline.releaser.tables.catalogue import Baseline
from tests import channels, vendor
from tests.fleet_machines import Machine
from tests.fleet_simulator import Fleet, Offer, Place
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
