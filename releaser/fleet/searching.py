"""One question to everything that support looks for: a name, an alias, a title, a hotfix, a CVE, a change, a code.

What was typed is looked for where it can stand, in a number of statements that stands still. Sites are found by how
their names begin, which indexes answer; of customers and hotfixes there are few enough to look within them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, or_, select
from sqlalchemy.orm import Session

from patchline.patches.errors import UsageError
from patchline.patches.identifiers import read_crockford, read_level_code
from patchline.releaser.tables.catalogue import Issue
from patchline.releaser.tables.customers import Customer, Declared, Site
from patchline.releaser.tables.fleet import SiteState
from patchline.releaser.tables.hotfixes import Hotfix, RevisionCve, RevisionFix

LONGEST = 200
_LAST = "\U0010ffff"
_SPARE_BITS = 10
"""The check of a code."""
_CODE_BITS, _HEX = 50, 12


@dataclass(frozen=True)
class Hit:
    """Something that was found.

    Attributes:
        kind: `customer`, `site`, `level`, `hotfix`, `cve`, `fix` or `change`.
        name: what it is called by; of a level or a change, the site.
        words: what else is told of it.
        exact: what was typed is its name and not only a part of it.
    """

    kind: str
    name: str
    words: str
    exact: bool


@dataclass(frozen=True)
class Found:
    """What was found, the exact ones first.

    Attributes:
        more: there is more of some kind than is told.
    """

    hits: tuple[Hit, ...]
    more: bool

    @property
    def only(self) -> Hit | None:
        """The one that must be meant: the single exact one."""
        exact = [hit for hit in self.hits if hit.exact]
        return exact[0] if len(exact) == 1 else None

    def as_document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {"hits": [vars(hit) for hit in self.hits], "more": self.more}


def search(session: Session, typed: str, most: int = 8) -> Found:
    """Return what somebody may mean; of each kind at most so many.

    Raises:
        UsageError: it is too long, or no line.
    """
    text = " ".join(typed.split())
    if len(text) > LONGEST or not text.isprintable():
        raise UsageError("search", f"type up to {LONGEST} printable characters")
    if not text:
        return Found((), False)
    kinds = [_levels, _customers, _sites, _hotfixes, _issues, _fixes, _changes]
    found = [list(kind(session, text, most + 1)) for kind in kinds]
    hits = [hit for some in found for hit in some[:most]]
    return Found(
        tuple(sorted(_once(hits), key=lambda hit: not hit.exact)), more=any(len(some) > most for some in found)
    )


def _once(hits: Iterable[Hit]) -> Iterator[Hit]:
    """Yield each thing once, the first time that it is named."""
    seen = set()
    for hit in hits:
        if (hit.kind, hit.name) not in seen:
            seen.add((hit.kind, hit.name))
            yield hit


def _is(text: str, *names: str) -> bool:
    return text.casefold() in {name.casefold() for name in names}


def begins(session: Session, column: Any, text: str) -> ColumnElement[bool]:
    """Return the condition that a column begins with a text, as the index of each database answers it."""
    if session.get_bind().dialect.name == "sqlite":
        return and_(column >= text, column < f"{text}{_LAST}")
    return column.startswith(text, autoescape=True)  # type: ignore[no-any-return]


def _within(column: Any, text: str) -> ColumnElement[bool]:
    return column.icontains(text, autoescape=True)  # type: ignore[no-any-return]


# Levels, by their codes


def _levels(session: Session, text: str, most: int) -> Iterator[Hit]:
    """Yield the sites that have the level of a code told by phone."""
    code = read_level_code(text)
    if code is None:
        return
    bits = (read_crockford(code.replace("-", "")) or 0) >> _SPARE_BITS
    # The code is the first 50 bits of the digest: 12 digits of it and half of the next.
    first, last = (f"{bits << 2:013x}", f"{(bits << 2) + 3:013x}")
    query = (
        select(Site.name, SiteState.label)
        .join(SiteState, SiteState.site == Site.id)
        .where(SiteState.digest >= first, SiteState.digest <= f"{last}g", Site.retired.is_(None))
        .order_by(SiteState.digest, SiteState.site)
        .limit(most)
    )
    for row in session.execute(query):
        yield Hit("level", row.name, f"{code} is its level, {row.label}", exact=True)


# Customers and sites


def _customers(session: Session, text: str, most: int) -> Iterator[Hit]:
    named = or_(_within(Customer.id, text), _within(Customer.title, text), _within(Customer.alias, text))
    query = select(Customer).where(named).order_by(Customer.id != text, Customer.id).limit(most)
    for row in session.scalars(query):
        yield Hit("customer", row.id, f"{row.title}, {row.tier}", _is(text, row.id, row.alias, row.title))


def _sites(session: Session, text: str, most: int) -> Iterator[Hit]:
    for row in session.scalars(naming(session, text, most)):
        gone = ", taken out of service" if row.retired is not None else ""
        words = f"{row.title}, of {row.customer}, {row.product}, {row.environment}{gone}"
        yield Hit("site", row.name, words, _is(text, row.name, row.alias))


def naming(session: Session, text: str, most: int) -> Select[Site]:
    """Return the statement for sites by how their names or titles begin, or by their aliases; each way has its index."""
    ways: Sequence[ColumnElement[bool]] = (
        *(begins(session, column, written) for column in (Site.name, Site.title) for written in _writings(text)),
        Site.alias.in_(_writings(text)),
    )
    ids = [select(Site.id).where(way).order_by(Site.id).limit(most).subquery() for way in ways]
    chosen = or_(*(Site.id.in_(select(one.c.id)) for one in ids))
    return select(Site).where(chosen).order_by(Site.name != text, Site.name).limit(most)


def _writings(text: str) -> list[str]:
    """Return how a name may be written that somebody typed without care."""
    return list(dict.fromkeys((text, text.lower(), text.upper(), text.capitalize())))


def _changes(session: Session, text: str, most: int) -> Iterator[Hit]:
    """Yield the sites of which somebody told a change of this number."""
    query = (
        select(Site.name, Declared.reference, Declared.kind, Declared.at)
        .join(Declared, Declared.site == Site.id)
        .where(Declared.reference.in_(_writings(text)))
        .order_by(Declared.at.desc(), Declared.id)
        .limit(most)
    )
    for row in session.execute(query):
        words = f"{row.reference} was told of it: {row.kind} on {row.at:%Y-%m-%d}"
        yield Hit("change", row.name, words, exact=True)


# Hotfixes, issues and fixes


def _hotfixes(session: Session, text: str, most: int) -> Iterator[Hit]:
    name = text.upper()
    head, dash, number = name.rpartition("-R")
    hotfix = head if dash and number.isdecimal() else name
    named = or_(_within(Hotfix.id, hotfix), _within(Hotfix.title, text))
    query = select(Hotfix).where(named).order_by(Hotfix.id != hotfix, Hotfix.added.desc(), Hotfix.id).limit(most)
    for row in session.scalars(query):
        words = f"{row.title}, {row.severity}, for {row.product} {row.baseline}"
        yield Hit("hotfix", row.id, words, exact=row.id == hotfix)


def _issues(session: Session, text: str, most: int) -> Iterator[Hit]:
    cve = cast(Issue.cve, Text)
    named = or_(_within(Issue.id, text), _within(Issue.title, text), _within(cve, text))
    query = select(Issue).where(named).order_by(Issue.id != text, Issue.id).limit(most)
    for row in session.scalars(query):
        for one in row.cve:
            if text.casefold() in one.casefold():
                yield Hit("cve", one, f"{row.id} of {row.product}: {row.title}", _is(text, one))
        yield Hit("fix", row.id, f"{row.title}, {row.severity}, of {row.product}", _is(text, row.id))


def _fixes(session: Session, text: str, most: int) -> Iterator[Hit]:
    """Yield fixes and CVEs that hotfixes list and nobody made an issue of."""
    fixes = select(RevisionFix.fix).where(RevisionFix.fix.in_(_writings(text))).limit(1)
    cves = select(RevisionCve.cve).where(RevisionCve.cve.in_(_writings(text))).limit(1)
    for kind, query in (("cve", cves), ("fix", fixes)):
        for name in session.scalars(query):
            yield Hit(kind, name, "a hotfix lists it", exact=True)
