"""W3: pages of lists over a large fleet, from the request to the last byte of HTML, without a network."""

from collections.abc import Callable, Iterator
from pathlib import Path

from flask.testing import FlaskClient
from sqlalchemy import event

from bench.figures import Figure
from bench.fleet_rows import NOW
from bench.timing import Timed, timed
from patchline.releaser.access import web_sessions
from patchline.releaser.register import Register, opened
from patchline.releaser.tables.access import VENDOR
from patchline.web.access import TOKEN
from patchline.web.app import create_app
from patchline.web.asking import Office

_MOST_MS, _MOST_STATEMENTS = 150.0, 8
PAGES = {
    "customers": "/support/customers/",
    "sites": "/support/sites/",
    "sites, silent for 90 days": "/support/sites/?silent=90",
    "sites of one product": "/support/sites/?product=product-01",
    "reports": "/support/reports/",
    "the fleet": "/support/fleet/",
    "rollouts": "/rollouts/",
    "recalls": "/rollouts/recalls/",
}
"""Lists; the number of their statements is bounded."""
OTHERS = {
    "search, by the beginning of a name": "/support/?q=s-0001",
    "a customer": "/support/customers/c-00007",
    "a site": "/support/sites/s-000123",
    "exposure to a CVE, by tier": "/support/exposure/?cve=CVE-2026-03001",
    "a product": "/support/fleet/product-01",
    "adoption of a hotfix": "/support/fleet/adoption/HF-2026-0001",
}


def run(home: Path, what: str, rounds: int, *, own: bool) -> Iterator[Figure]:
    """Ask for every page.

    Args:
        home: with a fleet in its register.
        what: which fleet.
        rounds: how often each is asked for.
        own: all the work is this process's, so its CPU counts and not the wall.
    """
    with opened(home) as register:
        client = _client(register)
        for number, pages, most in (("W3", PAGES, _MOST_STATEMENTS), ("W4", OTHERS, None)):
            for name, path in pages.items():
                found, statements = _asked(register, client, path, rounds)
                yield _figure(number, f"{name}; {what}", found, own=own, statements=statements, most=most)


def _figure(number: str, what: str, found: Timed, *, own: bool, statements: int, most: int | None) -> Figure:
    if most is not None and statements > most:
        raise AssertionError(f"{what} takes {statements} statements, more than {most}")
    spent = sorted(found.cpu if own else found.wall)
    value = spent[int(len(spent) * 0.95)] if len(spent) > 1 else spent[0]
    details = {"statements": statements, "wall": sorted(found.wall)[len(found.wall) // 2]}
    return Figure(number, what, value, "ms", _MOST_MS, counts="cpu" if own else "wall", details=details)


def _client(register: Register) -> FlaskClient:
    client = create_app(Office(register, lambda: NOW)).test_client()
    with register.database.write() as session:
        token = web_sessions.begin(session, VENDOR, "ada", "password", NOW)
    with client.session_transaction() as kept:
        kept[TOKEN] = token
    return client


def _asked(register: Register, client: FlaskClient, path: str, rounds: int) -> tuple[Timed, int]:
    sent: list[str] = []

    def counted(_: object, __: object, statement: str, *___: object) -> None:
        sent.extend([statement] if not statement.startswith("BEGIN") else [])

    def get(wanted: str) -> int:
        answer = client.get(wanted)
        if answer.status_code != 200:
            raise AssertionError(f"{wanted}: {answer.status_code}")
        return len(answer.data)

    get(path)
    event.listen(register.database.engine, "before_cursor_execute", counted)
    get(path)
    event.remove(register.database.engine, "before_cursor_execute", counted)
    work: Callable[[str], int] = get
    return timed(work, [path] * max(rounds // 4, 1)), len(sent)
