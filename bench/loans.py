"""S2 to S4: listing setups and loans, and lending and taking back a database user beside the bare calls that do the same.

The bare side asks hvac for the same things in the same order and tries the same logins, and writes nothing down.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hvac
from sqlalchemy import insert

from bench.figures import Figure
from patchline.releaser.loans import asking, lending, looking
from patchline.releaser.loans.asking import Wanted
from patchline.releaser.loans.caring import look_after
from patchline.releaser.loans.cases import Hands
from patchline.releaser.register import Register, opened
from patchline.releaser.setups import keeping
from patchline.releaser.setups.targets import postgresql
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import SiteState
from patchline.releaser.tables.loans import Loan
from patchline.releaser.tables.setups import Setup, SetupEndpoint, SetupFacet
from patchline.vault.connection import Connection
from patchline.vault.loans import LoanVault
from patchline.vault.login import OwnToken
from patchline.vault.preparing import prepare
from patchline.vault.preparing_loans import LentDatabase
from patchline.vault.setups import Login
from tests import bao, setups
from tests.lending import MAKERS_PASSWORD, maker
from tests.registers import NOW, make_home
from tests.setups import target_address

_ROLE = "lab-1.db"


def run(folder: Path, many: tuple[int, int], rounds: int) -> Iterator[Figure]:
    """List so many setups with so many loans of history; lend and take back one of them."""
    with opened(make_home("sqlite", folder / "home")) as register:
        setups.site(register, "lab-1")
        setups.setup(register, "lab-1", setups.endpoint("db", target_address()))
        fill(register, *many)
        yield _listed(register, *many)
        with bao.started() as server:
            yield from _lent(register, server, rounds)


def fill(register: Register, kept: int, loans: int) -> None:
    """Write setups and ended loans of them, as if they had been lent for years."""
    with register.database.write() as session:
        known = session.query(Site).filter(Site.name == "lab-1").one()
        copied = {column.name: getattr(known, column.name) for column in Site.__table__.columns}
        state = session.get_one(SiteState, known.id)
        stated = {column.name: getattr(state, column.name) for column in SiteState.__table__.columns}
        numbers = range(10_000, 10_000 + kept - 1)
        named = ({"id": n, "name": f"many-{n}", "alias": f"S-{n:08}", "identity": None} for n in numbers)
        session.execute(insert(Site), [{**copied, **one} for one in named])
        session.execute(insert(SiteState), [{**stated, "site": n} for n in numbers])
        by = {"added": NOW, "added_by": "ada"}
        values = [{"site": n, "team": "platform", "sensitive": False, "version": 1, **by} for n in numbers]
        session.execute(insert(Setup), values)
        facets = [{"setup": n, "kind": "database", "value": f"PostgreSQL {n % 5 + 12}"} for n in numbers]
        session.execute(insert(SetupFacet), facets)
        endpoint = {"name": "db", "kind": "database", "address": setups.DATABASE, "strategy": "database-user"}
        session.execute(insert(SetupEndpoint), [{"setup": n, **endpoint} for n in numbers])
        session.add_all(_ended(known.id if n % kept == 0 else 10_000 + n % kept - 1, n) for n in range(loans))
        session.flush()
        for loan in session.query(Loan):
            loan.state = "cancelled"


def _ended(setup: int, number: int) -> Loan:
    starts = NOW - timedelta(days=2 * number + 2)
    return Loan(
        id=f"l0{number:06}",
        setup=setup,
        borrower="bob",
        team="mobile",
        purpose="CASE-7",
        starts=starts,
        due=starts + timedelta(days=1),
        state="reserved",
        with_login=False,
        requested=starts,
        extended=0,
        ended=starts,
    )


def _listed(register: Register, kept: int, loans: int) -> Figure:
    def everything() -> None:
        with register.read() as session:
            found = keeping.listed(session, kept)
            looking.in_use(session, [one.setup.site for one in found])
            looking.listed(session, 50, ended=True)

    seconds = statistics.median(_seconds(everything, time.process_time) for _ in range(9))
    what = f"list {kept} setups with who has them, and the newest 50 of {loans:,} loans, no call to Vault"
    return Figure("S2", what, seconds * 1000, "ms", goal=50, counts="CPU")


def _lent(register: Register, server: bao.Bao, rounds: int) -> Iterator[Figure]:
    connection = Connection(server.server, OwnToken(server.root))
    prepare(connection)
    name, group = maker()
    root = server.client(server.root)
    secret = {"username": name, "password": MAKERS_PASSWORD, "group": group}
    root.adapter.post("/v1/setups/data/lab-1/lending/db", json={"data": secret, "options": {"cas": 0}})
    prepare(connection, (), (LentDatabase("lab-1", "db", target_address()),))
    hands = Hands(register, LoanVault(connection), lambda: datetime.now(UTC))
    lends, returns = [], []
    for _ in range(1 + 3 * rounds):
        ours, bare = _ours(hands), _bare(server, root)
        lends.append((ours[0], bare[0]))
        returns.append((ours[1], bare[1]))
    yield _ratio("S3", "lend a database user / the bare calls", lends[1:])
    yield _ratio("S4", "take it back, proved dead / the bare calls", returns[1:])


def _ours(hands: Hands) -> tuple[float, float]:
    now = hands.clock()
    with hands.register.change("bob", now) as change:
        wanted = Wanted("lab-1", "mobile", "CASE-7", now + timedelta(days=2))
        loan = asking.request(change, wanted).loan.id
    with hands.register.change("ada", now) as change:
        lending.approve(change, loan)
    lent = _seconds(lambda: look_after(hands, loan))
    with hands.register.change("bob", now) as change:
        asking.give_back(change, loan)
    return lent, _seconds(lambda: look_after(hands, loan))


def _bare(server: bao.Bao, root: hvac.Client) -> tuple[float, float]:
    kept: dict[str, object] = {}

    def lend() -> None:
        wish = {"policies": ["patchline-loan"], "entity_alias": "lab-1", "ttl": "48h", "explicit_max_ttl": "744h"}
        made = root.adapter.post("/v1/auth/token/create/loan", json=wish)["auth"]
        user = server.client(made["client_token"]).adapter.get(f"/v1/database/creds/{_ROLE}")
        _read(root, "/v1/setups/data/lab-1/loan/bare")
        data = {"data": {"db": user["data"]}, "options": {"cas": 0}}
        root.adapter.post("/v1/setups/data/lab-1/loan/bare", json=data)
        root.adapter.post("/v1/sys/leases/renew", json={"lease_id": user["lease_id"], "increment": 172_800})
        login = Login(user["data"]["username"], user["data"]["password"])
        assert postgresql.try_login(target_address(), login) == "works"
        kept.update(login=login, accessor=made["accessor"], lease=user["lease_id"])

    def give_back() -> None:
        accessor = {"accessor": kept["accessor"]}
        root.adapter.post("/v1/auth/token/lookup-accessor", json=accessor)
        root.adapter.post("/v1/auth/token/revoke-accessor", json=accessor)
        found = _read(root, "/v1/setups/data/lab-1/loan/bare")
        login = Login(**{key: found["data"]["data"]["db"][key] for key in ("username", "password")})
        while postgresql.try_login(target_address(), login) != "refused":
            pass
        _read(root, "/v1/sys/leases/lookup", lease_id=kept["lease"])
        root.adapter.delete("/v1/setups/metadata/lab-1/loan/bare")

    return _seconds(lend), _seconds(give_back)


def _read(root: hvac.Client, path: str, **asked: object) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
    try:
        return dict(root.adapter.post(path, json=asked) if asked else root.adapter.get(path))
    except hvac.exceptions.VaultError:
        return {}


def _ratio(number: str, what: str, pairs: list[tuple[float, float]]) -> Figure:
    details = {
        "ours ms": statistics.median(one for one, _ in pairs) * 1000,
        "bare ms": statistics.median(other for _, other in pairs) * 1000,
    }
    ratio = statistics.median(one / other for one, other in pairs)
    return Figure(number, what, ratio, goal=1.3, counts="wall", details=details)


def _seconds(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    call()
    return clock() - began
