"""Hotfixes that were shipped before the register knew them: names and fixes alone, so that levels can be told."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from patchline.patches import identifiers
from patchline.patches.errors import NotFoundError, PatchlineError, RefusedError, UsageError, refuse
from patchline.patches.files import read_file
from patchline.patches.limits import MIB
from patchline.patches.manifest import SEVERITIES
from patchline.releaser.hotfixes import Wanted, begun, check_fields
from patchline.releaser.register import Change
from patchline.releaser.states import Action, State
from patchline.releaser.tables.catalogue import Baseline
from patchline.releaser.tables.hotfixes import Hotfix, Revision, RevisionCve, RevisionFix

COLUMNS = ("id", "product", "baseline", "title", "fixes", "cve", "severity", "shipped")
_NEEDED = COLUMNS[:4]
_MOST_BYTES = 16 * MIB
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")


@dataclass(frozen=True)
class Shipped:
    """A hotfix as people remember it.

    Attributes:
        cve: of any of its fixes.
        shipped: when it went out, None when nobody knows.
    """

    id: str
    product: str
    baseline: str
    title: str
    fixes: tuple[str, ...] = ()
    cve: tuple[str, ...] = ()
    severity: str = "moderate"
    shipped: datetime | None = None


def read_csv(path: Path) -> list[Shipped]:
    """Read a CSV file with a header; several fixes or CVE in one field are separated by blanks.

    Raises:
        UsageError: a column is missing or unknown, or a date is none.
        MalformedError: the file is too large or no text.
    """
    try:
        text = read_file(path, limit=_MOST_BYTES).decode("utf-8-sig")
        rows = list(csv.DictReader(StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError("hotfix-csv", f"{path} is no CSV in UTF-8: {error}") from None
    names = set(rows[0]) if rows else set()
    if missing := [name for name in _NEEDED if name not in names]:
        raise UsageError("hotfix-csv", f"{path} has no column {missing[0]}")
    if unknown := sorted(str(name) for name in names.difference(COLUMNS)):
        raise UsageError("hotfix-csv", f"{path} has a column {unknown[0]}, which means nothing")
    return [_read_row(row, f"{path}, line {number}") for number, row in enumerate(rows, 2)]


def _read_row(row: dict[str, str | None], where: str) -> Shipped:
    if any(value is None for value in row.values()):
        raise UsageError("hotfix-csv", f"{where} has fewer fields than the header")
    given = {name: (value or "").strip() for name, value in row.items()}
    return Shipped(
        id=given["id"],
        product=given["product"],
        baseline=given["baseline"],
        title=given["title"],
        fixes=tuple(given.get("fixes", "").split()),
        cve=tuple(given.get("cve", "").split()),
        severity=given.get("severity") or "moderate",
        shipped=read_date(given["shipped"], where) if given.get("shipped") else None,
    )


def read_date(text: str, where: str) -> datetime:
    """Return the beginning of a day, written as YYYY-MM-DD.

    Raises:
        UsageError: it is none.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError("hotfix-csv", f"{where}: {text!r} is no date") from None


def register(change: Change, shipped: Sequence[Shipped]) -> list[str]:
    """Add hotfixes that were shipped before; all of them, or none. Return their ids.

    Raises:
        PatchlineError: what is wrong, of all of them at once.
    """
    problems = list(_problems(change, shipped))
    refuse(problems)
    for one in shipped:
        _add(change, one)
    return [one.id for one in shipped]


def _problems(change: Change, shipped: Iterable[Shipped]) -> Iterator[PatchlineError]:
    seen: set[str] = set()
    for one in shipped:
        if not identifiers.HOTFIX.fullmatch(one.id):
            yield UsageError("hotfix-field", f"{one.id[:80]!r} is no id of a hotfix")
        elif one.id in seen or change.session.get(Hotfix, one.id) is not None:
            yield RefusedError("hotfix-exists", f"there is a hotfix {one.id} already")
        elif change.session.get(Baseline, (one.product, one.baseline)) is None:
            yield NotFoundError("baseline", f"{one.id}: the register knows no baseline {one.baseline} of {one.product}")
        else:
            yield from _field_problems(one)
        seen.add(one.id)


def _field_problems(one: Shipped) -> Iterator[PatchlineError]:
    if wrong := [cve for cve in one.cve if not _CVE.fullmatch(cve)]:
        yield UsageError("hotfix-field", f"{one.id}: {wrong[0][:80]!r} is no CVE")
    if one.severity not in SEVERITIES:
        yield UsageError("hotfix-field", f"{one.id}: {one.severity[:80]!r} is no severity")
    try:
        check_fields(Wanted(one.product, one.baseline, one.title, fixes=one.fixes))
    except UsageError as error:
        yield error.about(one.id)


def _add(change: Change, one: Shipped) -> None:
    change.session.add(
        Hotfix(
            id=one.id,
            product=one.product,
            baseline=one.baseline,
            kind="one-off",
            severity=one.severity,
            title=one.title,
            fixes=sorted(set(one.fixes)),
            customers=None,
            legacy=True,
            added=change.now,
            added_by=change.by,
        )
    )
    change.session.flush()
    revision = Revision(
        hotfix=one.id,
        number=1,
        state=State.PUBLISHED,
        legacy=True,
        published=one.shipped,
        added=change.now,
        added_by=change.by,
    )
    begun(change, revision, Action.REGISTER, {"product": one.product, "baseline": one.baseline})
    for fix in sorted(set(one.fixes)):
        change.session.add(RevisionFix(revision=revision.id, fix=fix, coverage="full"))
        change.session.add_all(RevisionCve(revision=revision.id, fix=fix, cve=cve) for cve in sorted(set(one.cve)))
    change.session.flush()
