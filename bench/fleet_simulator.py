"""A fleet of real sites against one register: `python -m bench.fleet_simulator [--sites N] [--events N] [--database URL]`.

Every site has folders, a key and a ledger of its own, and is driven by the client's own code: it fetches from the channel
and verifies, applies, reports, fails, falls silent, is restored and cloned. At the end the register must say of every
site what is true, and have a right number for every question; the exit code is the number of sites of which it does not.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from patchline.releaser.register import opened
from tests import fleet_vendor
from tests.fleet_simulator import Fleet
from tests.fleet_vendor import Desk, Ground
from tests.registers import make_home


@contextmanager
def timed(what: str, count: int) -> Iterator[None]:
    """Print how long something took, by processor and by clock, for each of so many."""
    cpu, wall = time.process_time(), time.monotonic()
    yield
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    print(f"{what:<44} {count:>7,}  {cpu:8.1f} cpu s  {count / max(wall, 1e-9):9.1f} /s", flush=True)


def simulate(ground: Ground, folder: Path, sites: int, events: int, seed: int) -> int:
    """Let a fleet live; returns of how many sites the register is wrong."""
    with timed("sites installed, each with a key", sites):
        fleet = ground.fleet(folder, sites, seed)
    desk = Desk(ground)
    with timed("sites added to the register", sites):
        desk.expect(fleet)
    with ground.channel() as channel, timed("events, with what the register makes of them", events):
        for number, _ in enumerate(fleet.live(desk, channel, events), 1):
            if number % 1000 == 0:
                print(f"  {number:,} events", file=sys.stderr, flush=True)
    with timed("sites compared with what is true", sites):
        wrong = [place.name for place in fleet.places if desk.known(place.name) != place.known]
    wrong += [offer.fix for offer in ground.offers if desk.answers(offer.fix) != fleet.answers(offer)]
    print(_summary(fleet))
    print(f"wrong: {', '.join(wrong)}" if wrong else "the register says of every site what is true")
    return len(wrong)


def _summary(fleet: Fleet) -> str:
    known = [place.known for place in fleet.places]
    grades = {grade: sum(one.evidence == grade for one in known) for grade in sorted({one.evidence for one in known})}
    told = ", ".join(f"{number:,} {grade}" for grade, number in grades.items())
    return f"evidence: {told}; contested: {sum(one.contested for one in known):,}"


def main() -> int:
    """Run what the options ask for."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.fleet_simulator", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--events", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--work", type=Path, help="folder on the disk to work on; by default that for temporary files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleet-", dir=options.work) as name:
        folder = Path(name)
        with opened(make_home(options.database, folder / "home")) as register:
            ground = fleet_vendor.prepared(register, folder / "life")
            return simulate(ground, folder / "sites", options.sites, options.events, options.seed)


if __name__ == "__main__":
    sys.exit(min(main(), 100))
