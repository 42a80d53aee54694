"""Bringing passwords from a table, as a wiki has them, into Vault; then the wiki's are replaced.

- No cell is repeated in an error: where columns slipped, any of them may hold a password.
- All that is wrong with any row is told at once, and then nothing is taken in. The same table may be taken in again: what
  is in Vault stays, what was cut off goes on, and a password that was replaced since never comes back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, PatchlineError, RefusedError, StateError, UsageError, refuse
from patchline.releaser.fleet import sites
from patchline.releaser.fleet.csv_rows import Problem, Row, read_rows
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change, Register
from patchline.releaser.setups import keeping
from patchline.releaser.setups.endpoints import Endpoint, read_endpoint
from patchline.releaser.setups.keeping import KEEPERS, Known, NewSetup
from patchline.releaser.setups.logins import Target
from patchline.releaser.setups.rotating import remember, rotate
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.setups import KINDS, STRATEGIES
from patchline.vault import names
from patchline.vault.setups import Kept, Login, TeamSecrets

NEEDED = ("setup", "endpoint", "username", "password")
COLUMNS = (*NEEDED, "team", "kind", "address", "strategy", "source")
MOST_BYTES = 8 << 20
_LONGEST_SOURCE = 300


@dataclass
class _Entry:
    """A row that can be read.

    Attributes:
        new: the endpoint as the row tells of it, None where it only names one.
        kept: what Vault has there.
    """

    number: int
    setup: str
    endpoint: str
    login: Login
    team: str | None
    new: Endpoint | None
    source: str | None
    kept: Kept | None = None

    @property
    def path(self) -> str:
        return TeamSecrets.path(self.setup, self.endpoint)

    @property
    def name(self) -> str:
        return f"{self.setup} {self.endpoint}"


@dataclass
class Taken:
    """What became of a table.

    Attributes:
        new, already: credentials that were put into Vault, and that were there.
        sources: what named them, and is to be destroyed.
        rotated, by_hand: replaced, and what a person must replace.
        failed: those that could not be replaced, and why.
    """

    new: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    rotated: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    failed: list[tuple[str, PatchlineError]] = field(default_factory=list)


@dataclass(frozen=True)
class Import:
    """An import under way: into which register and Vault, by whom and when."""

    register: Register
    vault: TeamSecrets
    by: str
    now: datetime

    def take(self, data: bytes) -> Taken:
        """Put the credentials of a table into Vault, then replace those that can be replaced from here.

        Raises:
            PatchlineError: what is wrong, of all rows at once; or Vault cannot be asked.
        """
        with self.register.read() as session:
            require_role(session, self.by, *KEEPERS)
            rows, problems = read_rows(data, COLUMNS, NEEDED)
            entries = _entries(rows, problems)
            asked = _meant(session, entries)
        for entry in asked:
            with _about(entry.number, problems):
                self._look(entry)
        self._place(entries, problems)
        taken = Taken(sources=sorted({entry.source for entry in entries if entry.source}))
        numbers = [self._put(entry, taken) for entry in entries]
        with self.register.change(self.by, self.now) as change:
            for entry, number in zip(entries, numbers, strict=True):
                self._remember(change, entry, number)
            if taken.new:
                change.record("setup.import", "table", {"new": taken.new, "sources": taken.sources})
        for entry in entries:
            self._replace(entry, taken)
        return taken

    def _look(self, entry: _Entry) -> None:
        entry.kept = self.vault.read(entry.path)
        if entry.kept is not None and not self.vault.had(entry.path, entry.kept, entry.login):
            raise StateError("setup-other", "Vault has another credential of this endpoint, and never had this one")

    def _place(self, entries: Sequence[_Entry], problems: list[Problem]) -> None:
        """Make setups and endpoints that are missing; after this, nothing can be wrong with a row."""
        with self.register.change(self.by, self.now) as change:
            known = {one.site.name: one for one in keeping.known(change.session, [entry.setup for entry in entries])}
            for entry in entries:
                with _about(entry.number, problems):
                    _place(change, entry, known)
            problems.sort(key=lambda problem: problem[0])
            refuse([error.about(f"row {number}") for number, error in problems])

    def _put(self, entry: _Entry, taken: Taken) -> int:
        if entry.kept is not None:
            taken.already.append(entry.name)
            return entry.kept.number
        number = self.vault.write(entry.path, entry.login, 0)
        taken.new.append(entry.name)
        return number

    def _remember(self, change: Change, entry: _Entry, number: int) -> None:
        row, credential = keeping.the_setup(change.session, entry.setup).endpoint(entry.endpoint)
        if credential is None:
            remember(change, row, entry.path, (entry.kept.login if entry.kept else entry.login).username, number)

    def _replace(self, entry: _Entry, taken: Taken) -> None:
        """Replace what is still as the table has it."""
        if entry.kept is not None and entry.kept.login != entry.login:
            return
        with self.register.read() as session:
            row, _ = keeping.the_setup(session, entry.setup).endpoint(entry.endpoint)
        try:
            if not Target.of(self.register.home, entry.setup, row).changeable:
                taken.by_hand.append(entry.name)
                return
            rotate(self.register, self.vault, entry.setup, entry.endpoint, self.by, self.now)
        except PatchlineError as error:
            taken.failed.append((entry.name, error))
            return
        taken.rotated.append(entry.name)


@contextmanager
def _about(number: int, problems: list[Problem]) -> Iterator[None]:
    """Remember what is wrong with a row, and go on; that Vault cannot be asked ends it."""
    try:
        yield
    except (NotFoundError, StateError, UsageError) as error:
        problems.append((number, error))


def _entries(rows: Sequence[Row], problems: list[Problem]) -> list[_Entry]:
    seen: dict[tuple[str, str], int] = {}
    found = []
    for row in rows:
        with _about(row.number, problems):
            entry = _entry(row)
            before = seen.setdefault((entry.setup, entry.endpoint), row.number)
            if before != row.number:
                raise UsageError("setup-import", f"it tells of the same endpoint as row {before}")
            found.append(entry)
    return found


def _meant(session: Session, entries: Sequence[_Entry]) -> list[_Entry]:
    """Return those whose names are surely names: Vault logs what it is asked for, and columns may have slipped."""
    wanted = {entry.setup for entry in entries}
    there = set(session.scalars(select(Site.name).where(Site.name.in_(wanted))))
    endpoints = {
        (one.site.name, row.name) for one in keeping.known(session, sorted(wanted)) for row, _ in one.endpoints
    }
    return [
        entry for entry in entries if entry.setup in there and (entry.new or (entry.setup, entry.endpoint) in endpoints)
    ]


def _entry(row: Row) -> _Entry:
    cells = row.cells
    if missing := [column for column in NEEDED if column not in cells]:
        raise UsageError("setup-import", f"the column {missing[0]} is empty")
    for column in ("setup", "endpoint", "team"):
        if column in cells and not names.fits(cells[column]):
            raise UsageError("setup-import", f"the column {column} has no name that Vault takes")
    for column, words in (("kind", KINDS), ("strategy", STRATEGIES)):
        if column in cells and cells[column] not in words:
            raise UsageError("setup-import", f"the column {column} has none of {', '.join(words)}")
    source = cells.get("source")
    if source is not None and (len(source) > _LONGEST_SOURCE or not source.isprintable()):
        raise UsageError("setup-import", f"the column source has 1 to {_LONGEST_SOURCE} printable characters")
    login = Login(cells["username"], cells["password"])
    return _Entry(row.number, cells["setup"], cells["endpoint"], login, cells.get("team"), _new(row), source)


def _new(row: Row) -> Endpoint | None:
    given = [row.get(column) for column in ("kind", "address")]
    if not any(given) and row.get("strategy") is None:
        return None
    kind, address = given
    if kind is None or address is None:
        raise UsageError("setup-import", "an endpoint needs both columns, kind and address")
    # Under another name first: what stands in that column is not repeated in an error.
    return replace(read_endpoint("of this row", kind, address, row.get("strategy")), name=row.cells["endpoint"])


def _place(change: Change, entry: _Entry, known: dict[str, Known]) -> None:
    """Make a row's setup and endpoint unless they are there as it says."""
    there = known.get(entry.setup)
    if there is None:
        there = known[entry.setup] = _made(change, entry)
    if entry.team is not None and entry.team != there.setup.team:
        raise StateError("setup-other", "the setup is another team's")
    endpoint = next((row for row, _ in there.endpoints if row.name == entry.endpoint), None)
    if endpoint is None:
        if entry.new is None:
            raise NotFoundError("setup-endpoint", "the setup has no such endpoint, and no kind and address make one")
        there.endpoints.append((keeping.add_endpoint(change.session, there.site, entry.new), None))
    elif entry.new is not None and (endpoint.kind, endpoint.address) != (entry.new.kind, entry.new.address):
        raise StateError("setup-other", "the endpoint has another kind or address")


def _made(change: Change, entry: _Entry) -> Known:
    """Make a setup of a site, for a row that says whose it is."""
    if sites.find(change.session, entry.setup) is None:
        raise NotFoundError("setup", "the register knows no site of the name in the column setup")
    if entry.team is None:
        raise NotFoundError("setup", "the site is no setup yet, and the column team does not say whose it becomes")
    try:
        return keeping.add(change, NewSetup(entry.setup, entry.team))
    except (RefusedError, StateError) as error:
        raise StateError(
            "setup-other", "the site cannot become a setup: it is in production, or out of service"
        ) from error
