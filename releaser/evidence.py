"""Test results that speak for a revision: JUnit XML, read within bounds, with the setup on which the tests ran.

Results are of one manifest: they are given after the build, stand in the statement that the builder then signs, and a
revision is not submitted with a provenance that lacks one. Built anew, it needs tests anew.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches import documents
from patchline.patches.errors import RefusedError, StateError, UsageError
from patchline.patches.files import read_file, write_file
from patchline.patches.limits import LIMITS, MIB
from patchline.patches.provenance import Provenance, with_evidence
from patchline.releaser.hotfixes import label, locked, move
from patchline.releaser.register import Change
from patchline.releaser.states import Action, State, check_moment
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.hotfixes import Evidence, Revision
from patchline.releaser.tables.setups import SetupFacet

KIND = "junit"
_MOST_BYTES = 64 * MIB
_MOST_DEPTH = 64
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+:/-]{0,99}")
_ENDS = {"failure": "failed", "error": "errors", "skipped": "skipped"}


@dataclass(frozen=True)
class Results:
    """What one file of test results says."""

    name: str
    sha256: str
    tests: int
    failed: int
    errors: int
    skipped: int

    @property
    def passed(self) -> int:
        """How many tests did what they should."""
        return self.tests - self.failed - self.errors - self.skipped


class _Counter:
    """Counts the tests of a file while it is read; no tree of it is ever made."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.tests = 0
        self.ends: dict[str, int] = dict.fromkeys(_ENDS.values(), 0)
        self._ended = False

    def start(self, name: str, _: Mapping[str, str]) -> None:
        if not self.path and name not in ("testsuites", "testsuite"):
            raise _Foreign(f"its first element is {name[:40]!r}")
        if len(self.path) >= _MOST_DEPTH:
            raise _Foreign("it is nested too deeply")
        if name == "testcase":
            self.tests += 1
            self._ended = False
        elif name in _ENDS and self.path[-1:] == ["testcase"] and not self._ended:
            self.ends[_ENDS[name]] += 1
            self._ended = True
        self.path.append(name)

    def end(self, _: str) -> None:
        self.path.pop()

    def doctype(self, *_: Any) -> None:
        raise _Foreign("it defines a document type, which may define anything")


class _Foreign(Exception):
    """Why a file is no file of test results."""


def read_results(path: Path) -> Results:
    """Read a file of test results; nothing that it names is fetched or expanded.

    Raises:
        RefusedError: it is no JUnit XML, or holds no test.
        MalformedError: it is too large or no file.
        NotFoundError: it is not there.
    """
    data = read_file(path, limit=_MOST_BYTES)
    counter, parser = _Counter(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = counter.start, counter.end
    parser.StartDoctypeDeclHandler = counter.doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, _Foreign, ValueError) as error:
        raise RefusedError("junit", f"{path} is no JUnit XML: {error}") from None
    if not counter.tests:
        raise RefusedError("junit", f"{path} holds no test")
    name = "".join(letter if letter.isprintable() else "?" for letter in path.name[:300])
    return Results(name, hashlib.sha256(data).hexdigest(), counter.tests, **counter.ends)


def attach(
    change: Change,
    identifier: str,
    results: Sequence[Results],
    setup: str | None,
    facets: Mapping[str, str | Sequence[str]],
) -> Revision:
    """Attach test results to a revision that was built; those that it has already are no matter.

    Args:
        change: under way.
        identifier: of the hotfix or revision.
        results: what was read.
        setup: name of the installation on which the tests ran; what a setup of the register is made of now is kept too.
        facets: what is particular about it, such as `database` and `postgresql 15`; instead of the setup's of that kind.

    Raises:
        StateError: it is not built, or was submitted.
        UsageError: a name is not allowed.
    """
    values = [value for said in facets.values() for value in ([said] if isinstance(said, str) else said)]
    for word in (*([setup] if setup else []), *facets, *values):
        if not _WORD.fullmatch(word):
            raise UsageError("hotfix-field", f"{word[:80]!r} is not allowed as name of a setup or facet")
    revision = locked(change, identifier)
    check_moment(Action.EVIDENCE, State(revision.state), label(revision))
    known = set(given_for(change.session, revision))
    made_of = {**_made_of(change.session, setup), **facets}
    fresh = [one for one in results if one.sha256 not in known]
    for one in {item.sha256: item for item in fresh}.values():
        facts = {
            **asdict(one),
            "passed": one.passed,
            "setup": setup,
            "facets": {kind: _alone(said) for kind, said in made_of.items()},
        }
        change.session.add(
            Evidence(
                revision=revision.id,
                manifest_sha256=revision.manifest_sha256,
                kind=KIND,
                name=one.name,
                sha256=one.sha256,
                facts=documents.encode(facts).decode(),
                added=change.now,
                added_by=change.by,
            )
        )
    change.session.flush()
    if fresh:
        move(change, revision, Action.EVIDENCE, State.BUILT, facts={"results": [one.sha256 for one in fresh]})
    return revision


def _made_of(session: Session, setup: str | None) -> dict[str, list[str]]:
    """Return the facets of a setup that the register knows, by their kind."""
    query = select(SetupFacet.kind, SetupFacet.value).join(Site, Site.id == SetupFacet.setup).where(Site.name == setup)
    found: dict[str, list[str]] = {}
    for kind, value in session.execute(query.order_by(SetupFacet.kind, SetupFacet.value)) if setup else ():
        found.setdefault(kind, []).append(value)
    return found


def _alone(said: str | Sequence[str]) -> str | list[str]:
    """Return one value as it is, and several as a list."""
    values = [said] if isinstance(said, str) else list(said)
    return values[0] if len(values) == 1 else values


def given_for(session: Session, revision: Revision) -> dict[str, dict[str, Any]]:
    """Return what is known of the test results of what a revision is now, by their digest."""
    query = (
        select(Evidence.sha256, Evidence.facts)
        .where(Evidence.revision == revision.id, Evidence.manifest_sha256 == revision.manifest_sha256)
        .order_by(Evidence.id)
    )
    return {row.sha256: json.loads(row.facts) for row in session.execute(query)}


def amend(statement: Path, manifest: str, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Write test results into the statement that a build left, for the builder to sign.

    Args:
        statement: the file beside the bundle.
        manifest: digest of what was tested.
        results: by digest, from `given_for`.

    Raises:
        StateError: the statement is of another build.
        StatementError: it is no provenance.
        NotFoundError: it is not there.
    """
    payload = read_file(statement, limit=LIMITS.sidecar)
    if Provenance.parse(payload, statement.name).manifest != manifest:
        raise StateError("other-build", f"{statement} is about another build than was tested")
    write_file(statement, with_evidence(payload, results), overwrite=True)


def unsigned(results: Mapping[str, Any], statements: Sequence[Provenance]) -> Iterator[str]:
    """Yield the digests of results that no statement of a builder names."""
    named = frozenset().union(*[one.evidence for one in statements])
    yield from (sha256 for sha256 in results if sha256 not in named)
