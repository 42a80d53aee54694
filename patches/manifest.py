"""The manifest: what a revision of a hotfix is, and every rule of its fields.

- The identity of a revision is the SHA-256 of the manifest's bytes; those bytes are canonical JSON.
- `Manifest.parse` is the only way to a Manifest; builders write a document and parse it back.
- There is no operation field: what happens to a path follows from its states before (`pre`) and after (`post`).
- Payload members are named by digest, never by path; which there must be follows from the states (`payload`).
- A kind, phase, class, state, guidance or step that this client does not know is refused, never skipped.
- Unknown keys are kept (the bytes are the identity), unless `critical` names them: then the manifest is refused.

Normative text: docs/bundle-format.md, "Manifest".
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from patchline.patches import documents, identifiers
from patchline.patches.errors import ManifestError
from patchline.patches.fields import Fields
from patchline.patches.limits import LIMITS
from patchline.patches.paths import PLATFORMS, check_link, check_path, check_twins, parents

FORMAT = 1
CLIENT = "1.0"
KINDS = ("cumulative", "diagnostic", "one-off")
SEVERITIES = ("low", "moderate", "important", "critical")
COVERAGES = ("full", "partial", "workaround")
FILE_CLASSES = ("asset", "code", "config")
PHASES = ("stop", "start", "health", "symptom")
INTERPRETERS = ("/bin/bash", "/bin/sh", "/usr/bin/bash", "/usr/bin/perl", "/usr/bin/python3", "/usr/bin/sh")
KNOWN_KEYS = frozenset(
    [
        "format",
        "hotfix",
        "revision",
        "kind",
        "severity",
        "title",
        "min_client",
        "critical",
        "target",
        "fixes",
        "relations",
        "provenance",
        "contributors",
        "files",
        "scripts",
        "steps",
        "checks",
        "guidance",
        "database",
        "expires",
        "notes",
    ]
)
_CLIENT = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STEP = re.compile(r"[a-z][a-z0-9-]{0,63}")
_GUIDANCE = re.compile(
    r"none|reload|restart-node|restart-service:[A-Za-z0-9@._:-]{1,128}|manual:[^\x00-\x1f\x7f]{1,2000}"
)


@dataclass(frozen=True)
class Absent:
    """Nothing at this path."""

    def as_document(self) -> dict[str, Any]:
        """Return the state as it stands in a manifest."""
        return {"type": "absent"}


@dataclass(frozen=True)
class Folder:
    """A folder, whatever lies in it."""

    def as_document(self) -> dict[str, Any]:
        """Return the state as it stands in a manifest."""
        return {"type": "folder"}


@dataclass(frozen=True)
class Link:
    """A symbolic link with this text as its target."""

    target: str

    def as_document(self) -> dict[str, Any]:
        """Return the state as it stands in a manifest."""
        return {"type": "link", "target": self.target}


@dataclass(frozen=True)
class File:
    """A regular file: SHA-256 of its content in hexadecimal, size in bytes, executable by its owner or not."""

    sha256: str
    size: int
    executable: bool

    def as_document(self) -> dict[str, Any]:
        """Return the state as it stands in a manifest."""
        return {"type": "file", "sha256": self.sha256, "size": self.size, "executable": self.executable}


State = Absent | Folder | Link | File
ABSENT = Absent()


def read_state(fields: Fields) -> State:
    """Read one state object."""
    kind = fields.choice("type", ("absent", "file", "folder", "link"), "client")
    if kind == "file":
        return File(fields.sha256("sha256"), fields.integer("size", 0, LIMITS.file), fields.boolean("executable"))
    if kind == "link":
        return Link(fields.text("target", limit=4096))
    return Folder() if kind == "folder" else ABSENT


@dataclass(frozen=True)
class Target:
    """What the hotfix is for: one product, its baselines, platforms, and products beside it."""

    product: str
    baselines: tuple[str, ...]
    platforms: tuple[str, ...]
    requires_products: tuple[tuple[str, tuple[str, ...]], ...]
    """Pairs of a product and the versions of it that will do."""


@dataclass(frozen=True)
class Fix:
    """One thing that is mended. Only coverage `full` counts in relations."""

    id: str
    title: str
    coverage: str
    symptom: str | None
    cause: str | None
    resolution: str | None
    cve: tuple[str, ...]
    kb: str | None
    component: str | None


@dataclass(frozen=True)
class Reference:
    """Another hotfix: from `revision` on for requires, up to it for supersedes and conflicts; None means any."""

    hotfix: str
    revision: int | None
    manifest: str | None = None
    """Digest of its manifest, for includes and merges."""


@dataclass(frozen=True)
class Relations:
    """How this hotfix stands to others."""

    requires: tuple[Reference, ...]
    conflicts: tuple[Reference, ...]
    supersedes: tuple[Reference, ...]
    includes: tuple[Reference, ...]
    merges: tuple[Reference, ...]


@dataclass(frozen=True)
class FileEntry:
    """One managed path: the states it may be found in and the one it gets."""

    root: str
    path: str
    pre: tuple[State, ...]
    post: State
    file_class: str
    optional: bool
    fixes: tuple[str, ...]

    @property
    def place(self) -> tuple[str, str]:
        """The pair of root and path, by which entries are sorted and unique."""
        return self.root, self.path

    def could_cover(self, other: "FileEntry") -> bool:
        """Tell whether this entry accepts what another one of the same place makes; it never makes the same of it."""
        return other.post in self.pre


@dataclass(frozen=True)
class Step:
    """A script of the payload that runs in a phase."""

    id: str
    kind: str
    phase: str
    script: str
    interpreter: str
    args: tuple[str, ...]
    timeout_s: int
    root: bool
    idempotent: bool
    irreversible: bool
    on: str


@dataclass(frozen=True, order=True)
class Member:
    """One member of the payload: its name in the archive, its SHA-256 and its size in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """A parsed manifest. `data` are its bytes, `digest` their SHA-256: the identity of the revision."""

    data: bytes
    digest: str
    hotfix: str
    revision: int
    kind: str
    severity: str
    title: str
    min_client: str
    target: Target
    fixes: tuple[Fix, ...]
    relations: Relations
    provenance: dict[str, Any]
    contributors: tuple[str, ...]
    files: tuple[FileEntry, ...]
    scripts: tuple[Member, ...]
    steps: tuple[Step, ...]
    checks: tuple[str, ...]
    guidance: tuple[str, ...]
    expires: str | None
    notes: str | None

    @classmethod
    def parse(cls, data: bytes) -> "Manifest":
        """Read and check a manifest.

        Raises:
            DocumentError: not canonical JSON within bounds.
            ManifestError: a field breaks its rule.
        """
        fields = Fields(documents.decode(data, what="manifest", limit=LIMITS.manifest), "manifest", ManifestError)
        _check_client(fields)
        target = _read_target(fields.object("target"))
        fixes = _read_fixes(fields)
        known = frozenset(fix.id for fix in fixes)
        manifest = cls(
            data=data,
            digest=documents.digest(data),
            hotfix=_identifier(fields, "hotfix"),
            revision=fields.integer("revision", 1, 10_000),
            kind=fields.choice("kind", KINDS, "client"),
            severity=fields.text("severity", limit=32, pattern=_STEP),
            title=fields.text("title"),
            min_client=fields.text("min_client", limit=9, pattern=_CLIENT),
            target=target,
            fixes=fixes,
            relations=_read_relations(fields.object("relations")),
            provenance=_read_provenance(fields.object("provenance")),
            contributors=_read_contributors(fields),
            files=tuple(
                _read_file(entry, known, target.platforms) for entry in fields.objects("files", most=LIMITS.entries)
            ),
            scripts=tuple(_read_script(entry) for entry in fields.objects("scripts", most=1000)),
            steps=tuple(_read_step(entry) for entry in fields.objects("steps", most=1000)),
            checks=fields.texts("checks", most=1000, pattern=_STEP),
            guidance=_read_guidance(fields),
            expires=fields.text("expires", pattern=_DATE) if fields.has("expires") else None,
            notes=fields.optional_text("notes", limit=100_000),
        )
        _check_whole(manifest, fields)
        return manifest

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Manifest":
        """Make a manifest from a document, by the same rules as one that came from outside."""
        return cls.parse(documents.encode(document, read_next=True))

    @property
    def label(self) -> str:
        """Identifier and revision, as in file names and levels: `HF-2026-0012-r1`."""
        return f"{self.hotfix}-r{self.revision}"

    @cached_property
    def full_fixes(self) -> frozenset[str]:
        """Ids of the fixes that count in relations."""
        return frozenset(fix.id for fix in self.fixes if fix.coverage == "full")

    @cached_property
    def entries(self) -> dict[tuple[str, str], FileEntry]:
        """The entries of `files` by root and path."""
        return {entry.place: entry for entry in self.files}

    @cached_property
    def payload(self) -> tuple[Member, ...]:
        """Every member the payload must have before `README.txt`, in archive order."""
        members = set(self.scripts)
        for entry in self.files:
            if isinstance(entry.post, File):
                members.add(Member(f"files/{entry.post.sha256}", entry.post.sha256, entry.post.size))
            if entry.file_class == "config":
                # The base of a later three-way merge.
                members.update(
                    Member(f"base/{state.sha256}", state.sha256, state.size)
                    for state in entry.pre
                    if isinstance(state, File)
                )
        return tuple(sorted(members))

    def readme(self) -> bytes:
        """Return the bytes of the payload's `README.txt`: one line for each entry of `files`."""
        lines = []
        for entry in self.files:
            sha256 = entry.post.sha256 if isinstance(entry.post, File) else "-" * 64
            lines.append(f"{sha256}  {entry.root}/{documents.encode_text(entry.path)}\n")
        return "".join(lines).encode()


def _check_client(fields: Fields) -> None:
    """Refuse what this client cannot understand before looking at anything else."""
    number = fields.integer("format", 0, 1_000_000)
    needed = fields.text("min_client", limit=9, pattern=_CLIENT)
    if number != FORMAT:
        fields.fail("format", f".format is {number}; this client knows {FORMAT}; client {needed} is needed")
    if _client_number(needed) > _client_number(CLIENT):
        fields.fail("client", f" needs client {needed}; this is {CLIENT}")
    for name in fields.texts("critical", most=1000):
        if name not in KNOWN_KEYS:
            fields.fail("critical", f" has the critical field {name!r}, unknown to this client; {needed} is needed")


def _client_number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _identifier(fields: Fields, key: str) -> str:
    value = fields.text(key, limit=64)
    if not identifiers.HOTFIX.fullmatch(value):
        fields.fail("identifier", f".{key} is {value[:80]!r}, not a hotfix id")
    return value


def _sorted_unique(fields: Fields, key: str, values: Iterable[Any]) -> None:
    """Refuse a list that is not in strictly rising order: one set has one encoding."""
    previous = None
    for value in values:
        if previous is not None and value <= previous:
            code = "duplicate" if value == previous else "unsorted"
            fields.fail(code, f".{key} is not sorted without repeats at {value!r}")
        previous = value


def _read_target(fields: Fields) -> Target:
    baselines = fields.texts("baselines", most=1000, limit=128, pattern=identifiers.VERSION)
    platforms = fields.texts("platforms", most=8)
    products = []
    for entry in fields.objects("requires_products", most=100):
        versions = entry.texts("versions", most=1000, limit=128, pattern=identifiers.VERSION)
        products.append((entry.text("product", pattern=identifiers.PRODUCT), versions))
    for key, values in (("baselines", baselines), ("platforms", platforms), ("requires_products", products)):
        _sorted_unique(fields, key, values)
    if not baselines or not platforms:
        fields.fail("empty", " needs at least one baseline and one platform")
    if unknown := set(platforms).difference(PLATFORMS):
        fields.fail("client", f".platforms names {sorted(unknown)}, unknown to this client")
    return Target(fields.text("product", pattern=identifiers.PRODUCT), baselines, platforms, tuple(products))


def _read_fixes(fields: Fields) -> tuple[Fix, ...]:
    fixes = tuple(_read_fix(entry) for entry in fields.objects("fixes", most=10_000))
    _sorted_unique(fields, "fixes", (fix.id for fix in fixes))
    return fixes


def _read_fix(fields: Fields) -> Fix:
    return Fix(
        id=fields.text("id", pattern=identifiers.FIX),
        title=fields.text("title"),
        coverage=fields.choice("coverage", COVERAGES, "client"),
        symptom=fields.optional_text("symptom"),
        cause=fields.optional_text("cause"),
        resolution=fields.optional_text("resolution"),
        cve=fields.texts("cve", most=1000, pattern=identifiers.CVE) if fields.has("cve") else (),
        kb=fields.optional_text("kb", limit=1000, lines=False),
        component=fields.optional_text("component", limit=300, lines=False),
    )


def _read_relations(fields: Fields) -> Relations:
    return Relations(
        requires=_read_references(fields, "requires", revision=True),
        conflicts=_read_references(fields, "conflicts"),
        supersedes=_read_references(fields, "supersedes"),
        includes=_read_references(fields, "includes", revision=True, manifest=True),
        merges=_read_references(fields, "merges", revision=True, manifest=True),
    )


def _read_references(
    fields: Fields, key: str, *, revision: bool = False, manifest: bool = False
) -> tuple[Reference, ...]:
    found = []
    for entry in fields.objects(key, most=10_000):
        number = entry.integer("revision", 1, 10_000) if revision or entry.has("revision") else None
        found.append(Reference(_identifier(entry, "hotfix"), number, entry.sha256("manifest") if manifest else None))
    _sorted_unique(fields, key, (reference.hotfix for reference in found))
    return tuple(found)


def _read_provenance(fields: Fields) -> dict[str, Any]:
    # Which folder of the source lies in which root; without it the whole source is root `app`.
    roots = {"roots": _read_source_roots(fields.object("roots"))} if fields.has("roots") else {}
    if fields.choice("kind", ("folders", "git"), "client") == "folders":
        return {
            "kind": "folders",
            "source": fields.text("source", limit=1000),
            "base_files": fields.sha256("base_files"),
            "head_files": fields.sha256("head_files"),
            **roots,
        }
    found: dict[str, Any] = {"kind": "git", "repository": fields.text("repository", limit=1000), **roots}
    found["base_tag"] = fields.text("base_tag") if fields.has("base_tag") else None
    for key in ("base_commit", "head_commit", "base_tree", "head_tree"):
        found[key] = fields.text(key, pattern=identifiers.COMMIT)
    found["commits"] = fields.texts("commits", most=1_000_000, pattern=identifiers.COMMIT)
    return found


def _read_source_roots(fields: Fields) -> dict[str, str]:
    for name, folder in fields.document.items():
        fields.check_text("name", name, pattern=identifiers.ROOT)
        if not isinstance(folder, str):
            fields.fail("type", f".{name} must be a string")
        if folder:
            fields.check_text(name, folder, limit=LIMITS.path)
    return dict(fields.document)


def _read_contributors(fields: Fields) -> tuple[str, ...]:
    found = fields.texts("contributors", most=100_000, pattern=identifiers.CONTRIBUTOR)
    _sorted_unique(fields, "contributors", found)
    if not found:
        fields.fail("empty", ".contributors names nobody")
    return found


def _read_file(fields: Fields, known_fixes: frozenset[str], platforms: tuple[str, ...]) -> FileEntry:
    path = _raw_path(fields)
    check_path(path, platforms)
    pre = tuple(read_state(entry) for entry in fields.objects("pre", most=1000))
    post = read_state(fields.object("post"))
    fixes = fields.texts("fixes", pattern=identifiers.FIX)
    if not pre:
        fields.fail("empty", ".pre names no state")
    if len(set(pre)) != len(pre):
        fields.fail("duplicate", ".pre names a state twice")
    if post in pre:
        fields.fail("pre-is-post", f" ({path!r}) already is as it should become in one of its accepted states")
    if isinstance(post, Link):
        check_link(path, post.target)
    if not known_fixes.issuperset(fixes) or (known_fixes and not fixes):
        fields.fail("fixes", f" ({path!r}) must name fixes of this hotfix, not {list(fixes)}")
    _sorted_unique(fields, "fixes", fixes)
    return FileEntry(
        root=fields.text("root", pattern=identifiers.ROOT),
        path=path,
        pre=pre,
        post=post,
        file_class=fields.choice("class", FILE_CLASSES, "client"),
        optional=fields.boolean("optional"),
        fixes=fixes,
    )


def _raw_path(fields: Fields) -> str:
    """Return the path as it stands, its rule being that of `check_path` alone."""
    path = fields.document.get("path")
    if not isinstance(path, str):
        fields.fail("type" if "path" in fields.document else "missing", ".path must be a string")
    return str(path)


def _read_script(fields: Fields) -> Member:
    sha256 = fields.sha256("sha256")
    return Member(f"scripts/{sha256}", sha256, fields.integer("size", 0, 16 << 20))


def _read_step(fields: Fields) -> Step:
    return Step(
        id=fields.text("id", pattern=_STEP),
        kind=fields.choice("kind", ("script",), "client"),
        phase=fields.choice("phase", PHASES, "client"),
        script=fields.sha256("script"),
        interpreter=fields.choice("interpreter", INTERPRETERS, "step-interpreter"),
        args=fields.texts("args", most=100, limit=4096),
        timeout_s=fields.integer("timeout_s", 1, 86_400),
        root=fields.boolean("root"),
        idempotent=fields.boolean("idempotent"),
        irreversible=fields.boolean("irreversible"),
        on=fields.choice("on", ("apply", "both", "rollback"), "client"),
    )


def _read_guidance(fields: Fields) -> tuple[str, ...]:
    found = fields.texts("guidance", most=100, limit=2100)
    for text in found:
        if not _GUIDANCE.fullmatch(text):
            fields.fail("client", f".guidance {text[:80]!r} is unknown to this client")
    return found


def _check_whole(manifest: Manifest, fields: Fields) -> None:
    """Check what no single field can show."""
    _sorted_unique(fields, "files", (entry.place for entry in manifest.files))
    _sorted_unique(fields, "scripts", (script.sha256 for script in manifest.scripts))
    for root in {entry.root for entry in manifest.files}:
        check_twins([entry.path for entry in manifest.files if entry.root == root], manifest.target.platforms)
    _check_nesting(manifest)
    _check_steps(manifest, fields)
    _check_own_relations(manifest, fields)
    if fields.items("database", most=1000):
        fields.fail("client", ".database is not empty; a newer client is needed")
    if (manifest.kind == "diagnostic") != (manifest.expires is not None):
        fields.fail("value", ".expires is for a diagnostic hotfix, which must have it")
    if not (manifest.files or manifest.steps or manifest.guidance):
        fields.fail("empty", " changes nothing: no files, no steps, no guidance")
    if len({member.name for member in manifest.payload}) != len(manifest.payload):
        fields.fail("value", " states two sizes for one digest")
    if len(manifest.payload) + 1 > LIMITS.entries:
        fields.fail("value", f" needs more than {LIMITS.entries} payload members")
    if sum(member.size for member in manifest.payload) > LIMITS.payload_inflated:
        fields.fail("value", f" declares more than {LIMITS.payload_inflated} bytes of payload")


def _check_nesting(manifest: Manifest) -> None:
    """Refuse a path that remains below something that is no folder afterwards."""
    for entry in manifest.files:
        for folder in parents(entry.path) if entry.post != ABSENT else ():
            above = manifest.entries.get((entry.root, folder))
            if above is not None and not isinstance(above.post, Folder):
                raise ManifestError("path-below-file", f"path {entry.path!r} lies below {folder!r}, no folder")


def _check_steps(manifest: Manifest, fields: Fields) -> None:
    ids = [step.id for step in manifest.steps]
    if len(set(ids)) != len(ids):
        fields.fail("step", ".steps has an id twice")
    if {step.script for step in manifest.steps} != {script.sha256 for script in manifest.scripts}:
        fields.fail("step", ".steps and .scripts name different scripts")
    checks = [step.id for step in manifest.steps if step.phase in ("health", "symptom")]
    if list(manifest.checks) != checks:
        fields.fail("step", ".checks must name the health and symptom steps in order")


def _check_own_relations(manifest: Manifest, fields: Fields) -> None:
    relations = manifest.relations
    for key in ("requires", "conflicts", "includes", "merges"):
        if any(reference.hotfix == manifest.hotfix for reference in getattr(relations, key)):
            fields.fail("relation", f".relations.{key} names the hotfix itself")
    excluded = {reference.hotfix for reference in relations.conflicts}
    if excluded.intersection(reference.hotfix for reference in relations.requires):
        fields.fail("relation", ".relations requires and conflicts with one hotfix")
