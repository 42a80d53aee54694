"""Which baselines contain a file or component, where, and in which version: asked of the index, in three statements."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from sqlalchemy import CTE, ColumnElement, Text, and_, cast, literal, or_, select
from sqlalchemy.orm import Session, aliased

from patchline.patches.errors import UsageError
from patchline.releaser.components import place_of, python_name, stem_of, version_of
from patchline.releaser.tables.catalogue import Baseline, Container, Content

MOST = 10_000
"""Places that one answer names."""

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_DEEPEST = 16


@dataclass(frozen=True)
class Question:
    """What is asked for, as one reads it."""

    asked: str
    sha256: str | None = None
    url: str | None = None
    name: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Place:
    """Where something lies.

    Attributes:
        path: `root/path`, and `!` with the path within for each archive on the way.
        component: package URL without version, when a file there says so; else it was known by its name or digest.
        version: as that file or the name says.
        sha256: of the file itself; None where the component is a folder or its archive was known by what is in it.
    """

    product: str
    baseline: str
    path: str
    component: str | None
    version: str | None
    sha256: str | None

    def as_document(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return dict(vars(self))


@dataclass(frozen=True)
class Unread:
    """An archive of a baseline that the index could not look into, or not wholly."""

    product: str
    baseline: str
    path: str
    finding: str
    told: str

    def as_document(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return dict(vars(self))


@dataclass(frozen=True)
class Answer:
    """Where it is, and what the answer cannot know.

    Attributes:
        places: sorted by product, baseline (newest first) and path.
        without: baselines in whose index it is not.
        sources_only: those of them of which only the source code is in the index, not what was built from it.
        unread: archives that were not looked into.
        cut: there are more places than one answer names.
    """

    question: Question
    places: Sequence[Place]
    without: Sequence[Baseline]
    sources_only: Sequence[Baseline]
    unread: Sequence[Unread]
    cut: bool


def understand(asked: str) -> Question:
    """Tell what a person asks for: a digest, a package URL, Maven coordinates, a component's or a file's name.

    Raises:
        UsageError: it is none of these.
    """
    text = asked.strip()
    if _SHA256.fullmatch(text):
        return Question(asked, sha256=text.lower())
    if text.startswith("pkg:"):
        url, version = _split_url(text)
        return Question(asked, url=url, version=version)
    parts = text.split(":")
    if len(parts) in (2, 3) and all(parts):
        url = f"pkg:maven/{quote(parts[0], safe='')}/{quote(parts[1], safe='')}"
        return Question(asked, url=url, version=parts[2] if len(parts) == 3 else None)
    if re.fullmatch(r"@[^/\s]+/[^/\s]+", text):
        return Question(asked, url="pkg:npm/" + "/".join(quote(part, safe="") for part in text.split("/")))
    name = text.rpartition("/")[2].lower()
    if not name:
        raise UsageError("contains", f"{asked!r} names nothing")
    return Question(asked, name=name)


def _split_url(text: str) -> tuple[str, str | None]:
    """Return a package URL in the form that the index has, and its version."""
    plain = text.partition("#")[0].partition("?")[0]
    kind, slash, rest = plain.removeprefix("pkg:").strip("/").partition("/")
    path, at, version = rest.rpartition("@") if "@" in rest.rpartition("/")[2] else (rest, "", "")
    names = [quote(unquote(name), safe="") for name in path.split("/") if name]
    if not slash or not names:
        raise UsageError("contains", f"{text!r} is no package URL")
    if kind.lower() == "pypi":
        names[-1] = python_name(names[-1])
    return "/".join([f"pkg:{kind.lower()}", *names]), unquote(version) if at else None


def contains(session: Session, question: Question, product: str | None = None, most: int = MOST) -> Answer:
    """Answer.

    Args:
        session: of the register.
        question: what is asked for.
        product: only baselines of this product.
        most: places that the answer names.
    """
    hits = _climbed(_matches(question))
    rows = session.execute(_found(hits, product).limit(most + 1)).all()
    cut = len(rows) > most
    places: dict[tuple[str, str, str], Place] = {}
    for row in rows[:most]:
        place = _place(row)
        key = (place.product, place.baseline, place.path)
        # What a file in it says is better than what its name says.
        if key not in places or place.component:
            places[key] = place
    everything = session.scalars(
        select(Baseline)
        .where(*([Baseline.product == product] if product else []))
        .order_by(Baseline.product, Baseline.added.desc(), Baseline.label.desc())
    ).all()
    order = {(baseline.product, baseline.label): number for number, baseline in enumerate(everything)}
    listed = sorted(places.values(), key=lambda place: (order[place.product, place.baseline], place.path))
    having = {(place.product, place.baseline) for place in listed}
    without = [one for one in everything if (one.product, one.label) not in having]
    return Answer(
        question=question,
        places=listed,
        without=[] if cut else without,
        sources_only=[] if cut else [one for one in without if one.kind == "git" and one.source is None],
        unread=unread(session, product, most=most),
        cut=cut,
    )


def unread(session: Session, product: str | None = None, label: str | None = None, most: int = MOST) -> list[Unread]:
    """Return the archives that the index could not look into, or not wholly."""
    damaged = (
        select(*_columns(), Container.finding.label("finding"), Container.told.label("told"), literal(0).label("depth"))
        .join(Container, Container.sha256 == Content.sha256)
        .where(Container.finding.is_not(None))
    )
    hits = _climb(damaged.cte("damaged", recursive=True), "finding", "told")
    query = _found(hits, product, "finding", "told").limit(most)
    if label:
        query = query.where(Baseline.label == label)
    return [Unread(row.product, row.label, row.path, row.finding, row.told) for row in session.execute(query)]


def _columns() -> list[ColumnElement[Any]]:
    return [Content.container.label("container"), cast(Content.path, Text).label("path")]


_OWN = ("component", "component_version", "name", "sha256")


def _matches(question: Question) -> ColumnElement[bool]:
    if question.sha256:
        return Content.sha256 == question.sha256
    if question.url:
        name = unquote(question.url.rpartition("/")[2]).lower()
        wanted = [Content.component_name == name, Content.component == question.url]
        return and_(*wanted, *([Content.component_version == question.version] if question.version else []))
    name = question.name or ""
    stem = stem_of(name)
    whole = [] if name == stem else [or_(Content.name == name, Content.name.startswith(f"{name}.", autoescape=True))]
    component: ColumnElement[bool] = Content.component_name.in_({name, python_name(name)})
    if version := version_of(name):
        component = or_(component, and_(Content.component_name == stem, Content.component_version == version))
    return or_(and_(Content.stem == stem, *whole), component)


def _climbed(matching: ColumnElement[bool]) -> CTE:
    own = [getattr(Content, name).label(name) for name in _OWN]
    start = select(*_columns(), *own, literal(0).label("depth")).where(matching)
    return _climb(start.cte("hit", recursive=True), *_OWN)


def _climb(below: CTE, *kept: str) -> CTE:
    """Go from what was found to all that it lies in: container by container, by digests."""
    around, holder = aliased(Content), aliased(Container)
    path = cast(around.path, Text) + literal("!", Text) + below.c.path
    return below.union_all(
        select(around.container, path, *(below.c[name] for name in kept), below.c.depth + 1)
        .join(holder, holder.id == below.c.container)
        .join(around, around.sha256 == holder.sha256)
        .where(below.c.depth < _DEEPEST)
    )


def _found(hits: CTE, product: str | None, *kept: str) -> Any:
    columns = [hits.c[name] for name in kept or _OWN]
    query = select(Baseline.product, Baseline.label, hits.c.path, *columns).join(
        hits, hits.c.container == Baseline.container
    )
    return query.where(Baseline.product == product) if product else query


def _place(row: Any) -> Place:
    if row.component:
        path = place_of(row.path)
        own = row.sha256 if path == row.path else None
        return Place(row.product, row.label, path, row.component, row.component_version, own)
    return Place(row.product, row.label, row.path, None, version_of(row.name), row.sha256)
