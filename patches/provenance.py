"""Provenance: where a bundle came from and how it was built, as SLSA provenance v1 in an in-toto statement.

- Its subjects are the manifest (named `manifest.json`) and every container that may carry it; a site takes no other.
- It repeats product, hotfix, revision and source of the manifest and is refused where they differ.
- Everything that may differ between two builds of one manifest stands here and not in the manifest: tools, times,
  machine, scan, simulation. None of it decides anything at a site.
- `build` writes the statement's bytes beside the bundle; `sign` wraps those bytes after checking them. Test results of
  what was built come in between (`with_evidence`), so the builder signs them too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from patchline.patches import documents
from patchline.patches.errors import StatementError
from patchline.patches.fields import Fields
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import Manifest
from patchline.patches.statements import (
    MANIFEST_SUBJECT,
    Subject,
    check_names,
    encode_statement,
    read_statement,
    time_text,
)

PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:patchline:build:v1"
BUILDER = "urn:patchline:builder:v1"
TESTS = "tests"
"""Name of the byproducts that are test results."""


@dataclass(frozen=True)
class Scan:
    """The search for secrets: how many contents were read, the digest of the rules, and findings that were allowed."""

    contents: int
    rules: str
    allowed: tuple[tuple[str, str], ...] = ()
    """Pairs of a path (`root/path`) and the reason why its finding was allowed."""

    def as_document(self) -> dict[str, Any]:
        """Return it as annotations of a byproduct."""
        allowed = [{"path": path, "reason": reason} for path, reason in self.allowed]
        return {"contents": self.contents, "rules": self.rules, "allowed": allowed}


@dataclass(frozen=True)
class Simulation:
    """Apply, verify, roll back, compare, done in advance: how often, and on how many paths."""

    runs: int
    paths: int

    def as_document(self) -> dict[str, Any]:
        """Return it as annotations of a byproduct."""
        return {"runs": self.runs, "paths": self.paths, "result": "identical"}


@dataclass(frozen=True)
class BuildRecord:
    """What a builder notes about one build.

    Attributes:
        tools: names and versions, such as `{"patchline": "0.1.0", "python": "3.11.7", "git": "2.39.5", "zlib": …}`.
        machine: what kind it was (`linux x86_64`); no host or user name.
        started, finished: times of the build.
        invocation: an id of this run, random.
        payload: SHA-256 of the uncompressed payload archive; two builds of one manifest agree on it.
        recipe, people: SHA-256 of the recipe and of the people file, None where there was none.
        onto: manifest digests of the bundles given with `--onto`.
        unchanged_archives: paths of archives equal member by member, hence left out.
    """

    tools: Mapping[str, str]
    machine: str
    started: datetime
    finished: datetime
    invocation: str
    payload: str
    scan: Scan
    simulation: Simulation
    recipe: str | None = None
    people: str | None = None
    onto: tuple[str, ...] = ()
    unchanged_archives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Provenance:
    """A provenance statement as read. `record` is its predicate, for people."""

    manifest: str
    containers: frozenset[str]
    product: str
    hotfix: str
    revision: int
    source: dict[str, Any]
    record: dict[str, Any] = field(compare=False)

    @property
    def evidence(self) -> frozenset[str]:
        """Digests of the test results that it names."""
        details = self.record["runDetails"]
        found = [item for item in details.get("byproducts", []) if isinstance(item, dict) and item.get("name") == TESTS]
        return frozenset(str(item["digest"]["sha256"]) for item in found if "sha256" in item.get("digest", {}))

    def check_for(self, manifest: Manifest) -> None:
        """Raise StatementError unless this is about that very manifest."""
        check_names(manifest, self.product, self.hotfix, self.revision, "the provenance")
        if self.manifest != manifest.digest:
            raise StatementError("subject", f"the provenance is of manifest {self.manifest}, not {manifest.digest}")
        if self.source != source_of(manifest):
            raise StatementError("source", "the provenance names another source than the manifest")

    @classmethod
    def parse(cls, payload: bytes, what: str) -> "Provenance":
        """Read a provenance statement, from verified bytes or before signing.

        Raises:
            StatementError: it breaks a rule.
            DocumentError: it is not canonical JSON.
        """
        predicate, subjects = read_statement(payload, PROVENANCE_TYPE, what)
        manifests = [subject.sha256 for subject in subjects if subject.name == MANIFEST_SUBJECT]
        containers = frozenset(subject.sha256 for subject in subjects if subject.name != MANIFEST_SUBJECT)
        if len(manifests) != 1 or not containers:
            raise StatementError("subject-count", f"{what} must name one manifest and at least one container")
        definition = predicate.object("buildDefinition")
        if definition.text("buildType") != BUILD_TYPE:
            raise StatementError("build-type", f"{what} is of a build that this client does not know")
        given = definition.object("externalParameters")
        return cls(
            manifest=manifests[0],
            containers=containers,
            product=given.text("product"),
            hotfix=given.text("hotfix"),
            revision=given.integer("revision", 1, 10_000),
            source=given.object("source").document,
            record=_checked_record(predicate),
        )


def _checked_record(predicate: Fields) -> dict[str, Any]:
    """Return the predicate after looking that the parts people read are there."""
    details = predicate.object("runDetails")
    details.object("builder").text("id")
    details.object("metadata").text("invocationId")
    return predicate.document


def source_of(manifest: Manifest) -> dict[str, Any]:
    """Return what a provenance says about the source: all of the manifest's provenance but the list of commits."""
    return {key: value for key, value in manifest.provenance.items() if key != "commits"}


def provenance_payload(manifest: Manifest, containers: list[Subject], record: BuildRecord) -> bytes:
    """Make the bytes of a provenance statement: the content of `<bundle>.statement.json`.

    Args:
        manifest: of the bundle that was built.
        containers: file name and SHA-256 of each container; one, as long as there are only full ones.
        record: what the builder noted.
    """
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "product": manifest.target.product,
                "baselines": list(manifest.target.baselines),
                "hotfix": manifest.hotfix,
                "revision": manifest.revision,
                "source": source_of(manifest),
            },
            "internalParameters": {
                "onto": list(record.onto),
                "unchangedArchives": list(record.unchanged_archives),
            },
            "resolvedDependencies": _dependencies(manifest, record),
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": dict(record.tools)},
            "metadata": {
                "invocationId": record.invocation,
                "startedOn": time_text(record.started),
                "finishedOn": time_text(record.finished),
                "machine": record.machine,
            },
            "byproducts": [
                {"name": "payload.tar", "digest": {"sha256": record.payload}},
                {"name": "scan", "annotations": record.scan.as_document()},
                {"name": "simulation", "annotations": record.simulation.as_document()},
            ],
        },
    }
    subjects = [Subject(MANIFEST_SUBJECT, manifest.digest), *containers]
    payload = encode_statement(subjects, PROVENANCE_TYPE, predicate)
    Provenance.parse(payload, "provenance").check_for(manifest)
    return payload


def with_evidence(payload: bytes, results: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return a statement that names test results too; those that it names already stay as they are.

    Args:
        payload: the statement, not signed yet.
        results: by the SHA-256 of each file of results, what people want to know of it.

    Raises:
        StatementError: it is no provenance.
        DocumentError: it is not canonical JSON.
    """
    known = Provenance.parse(payload, "the statement").evidence
    document = documents.decode(payload, what="the statement", limit=LIMITS.sidecar)
    byproducts = document["predicate"]["runDetails"].setdefault("byproducts", [])
    for sha256, facts in sorted(results.items()):
        if sha256 not in known:
            byproducts.append({"name": TESTS, "digest": {"sha256": sha256}, "annotations": dict(facts)})
    return documents.encode(document)


def _dependencies(manifest: Manifest, record: BuildRecord) -> list[dict[str, Any]]:
    """Return the sources as SLSA's resource descriptors."""
    source = manifest.provenance
    if source["kind"] == "git":
        uri = f"git+{source['repository']}"
        found = [
            {
                "name": name,
                "uri": uri,
                "digest": {"gitCommit": source[f"{name}_commit"], "gitTree": source[f"{name}_tree"]},
            }
            for name in ("base", "head")
        ]
    else:
        found = [{"name": name, "digest": {"sha256": source[f"{name}_files"]}} for name in ("base", "head")]
    named = (("recipe", record.recipe), ("people", record.people))
    return found + [{"name": name, "digest": {"sha256": digest}} for name, digest in named if digest is not None]
