"""T8, T9: the pages' server under load, beside nginx: refusals, many large downloads at once, and clients that are slow."""

import random
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench import serving_load as load
from bench.figures import Figure
from patchline.releaser.access import tokens
from patchline.releaser.access.tokens import NewToken, Scope
from patchline.releaser.register import opened
from patchline.releaser.tables.tokens import PERSON
from tests.delivering import Shop
from tests.fleets import Fleet
from tests.hotfixes import Life, changed
from tests.registers import make_home
from tests.served import Served, served

_API = "/api/v1/hotfixes"
_SLOW_RATE = "100K"


def run(folder: Path, size: int, at_once: int, slow: int, seconds: int) -> Iterator[Figure]:
    """Measure with a hotfix of so many bytes, so many downloads at once, and so many slow clients."""
    folder.mkdir(parents=True)
    shop = _published(folder, size)
    with opened(shop.register.home) as register, register.change("ben", datetime.now(UTC)) as change:
        reading = tokens.make(change, NewToken(PERSON, "bench", (Scope.READ,), person="ben")).secret
    site = f"Authorization: Bearer {shop.token()}"
    person = f"Authorization: Bearer {reading}"
    whole = f"/download/{shop.label}.zip"
    (folder / "public").mkdir()
    with (
        served(shop.register.home) as running,
        load.nginx(folder / "nginx", folder / "public", _free_port()) as peer,
    ):
        ours = running.address
        load.ask(folder, ours + _API, 8, 1 + seconds // 4, person)  # Both workers have their first request behind them.
        alone = load.ask(folder, ours + _API, 4, seconds, person)
        _check(alone)
        yield from _refused(folder, running, peer, whole, site, seconds)
        ranged = ("--header", site, "--range", f"0-{size - 1}")
        with load.fetching(folder, [ours + whole] * at_once, *ranged) as fetch:
            meanwhile = load.ask(folder, ours + _API, 4, seconds, person)
            sizes, took = fetch.finished()
        _check(meanwhile)
        if len(sizes) != at_once or set(sizes) != {size}:
            raise RuntimeError(f"{len(sizes)} of {at_once} downloads came, with {sorted(set(sizes))} bytes")
        what = f"API while {at_once} ranges of {size >> 20} MiB are sent, 99 % within"
        beside = {"alone 99 % ms": alone.p99, "requests/s": meanwhile.requests / seconds, "seconds for all": took}
        yield Figure("T9", what, meanwhile.p99, "ms", 200.0, details=beside)
        what = f"{at_once} ranges of {size >> 20} MiB at once, by gunicorn"
        yield Figure("T9", what, at_once * size / took / (1 << 20), "MiB/s", 300.0, at_least=True)
        crawling = ("--header", site, "--limit-rate", _SLOW_RATE)
        with load.fetching(folder, [ours + whole] * slow, *crawling) as fetch:
            meanwhile = load.ask(folder, ours + _API, 4, seconds, person)
            held = float(fetch.runs)
        _check(meanwhile)
        what = f"API beside {slow} clients at 100 KiB/s, 99 % within"
        yield Figure("T9", what, meanwhile.p99, "ms", 200.0, details={"still fetching": held})


def _published(folder: Path, size: int) -> Shop:
    """Publish one hotfix whose zip has at least so many bytes."""
    with opened(make_home("sqlite", folder / "home")) as register:
        (folder / "files").mkdir()
        life = Life(register, folder / "files").prepare()
        fleet = Fleet(register)
        fleet.customer("acme")
        fleet.site("acme-main", "acme")
        label = life.published(files=[changed("b.txt", b"b0\n", random.Random(7).randbytes(size))]) + "-r1"
        shop = Shop(life, label)
        shop.grant()
        life.now = datetime.now(UTC)  # The server asks the real clock.
        shop.token()
    return shop


def _refused(folder: Path, running: Served, peer: str, whole: str, site: str, seconds: int) -> Iterator[Figure]:
    """What is not there, and what somebody may not have: each 32 at a time."""
    missing = load.ask(folder, running.address + "/download/HF-1999-0001-r1.zip", 32, seconds, site)
    denied = load.ask(folder, running.address + whole, 32, seconds)
    theirs = load.ask(folder, f"{peer}/nothing.zip", 32, seconds)
    for name, found in (("files that are missing", missing), ("files that are denied", denied)):
        if not found.requests or found.refused != found.requests:
            raise RuntimeError(f"{name}: {found}")
        beside = {"half ms": found.half, "requests/s": found.requests / seconds, "nginx's own 95 % ms": theirs.p95}
        yield Figure("T8", f"{name}, 32 at once, 95 % within", found.p95, "ms", 150.0, details=beside)


def _check(found: load.Asked) -> None:
    if not found.requests or found.failed or found.refused:
        raise RuntimeError(f"the API did not answer: {found}")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
