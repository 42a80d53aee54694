"""What people write about a hotfix: `hotfix.toml`, read strictly.

    title = "Login works again behind a proxy"
    severity = "important"
    kind = "one-off"
    platforms = ["linux"]
    guidance = ["restart-service:portal"]
    optional = ["plugins/reports/**"]

    [roots]                      # which folder of the tree lands in which root of the site
    app = "server"
    etc = "conf"

    [classes]
    config = ["etc:**", "*.properties"]
    asset = ["**/*.png"]

    [[fixes]]
    id = "BUG-4711"
    title = "Login fails behind a proxy"
    paths = ["server/auth/**"]   # needed only with several fixes that no commit names

    [[steps]]
    id = "restart"
    phase = "start"
    script = "restart.sh"        # a file beside the recipe
    interpreter = "/bin/sh"

    [scan]
    names = "customers.txt"      # one name a line that must not appear in a bundle

An unknown key is a mistake, never ignored, and every mistake names its place. Options of the command line win over it.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from patchline.patches import identifiers
from patchline.patches.documents import digest
from patchline.patches.errors import RecipeError
from patchline.patches.files import read_file
from patchline.patches.manifest import COVERAGES, FILE_CLASSES, INTERPRETERS, KINDS, PHASES, SEVERITIES
from patchline.patches.paths import PLATFORMS
from patchline.releaser.toml_table import TomlTable

_LIMIT = 4 << 20
_SCRIPT = 16 << 20
_RELATIONS = ("conflicts", "includes", "merges", "requires", "supersedes")
_FIX_TEXTS = ("symptom", "cause", "resolution", "kb", "component")


@dataclass(frozen=True)
class Authored:
    """What people say about a hotfix, from a recipe, from options, or from a bundle that is rebuilt.

    Attributes:
        roots: prefix of the tree for each root.
        classes: patterns for each class; a path of no pattern is code.
        fixes: as they stand in a manifest.
        fix_paths: patterns for the fixes that were given some.
        steps: as they stand in a manifest.
        scripts: content by SHA-256.
        names: names that must not appear in what is new.
        allow: reason for each path in which a finding of the scan is allowed.
        digest: SHA-256 of the recipe file.
    """

    title: str | None = None
    severity: str | None = None
    kind: str | None = None
    expires: str | None = None
    notes: str | None = None
    platforms: tuple[str, ...] = ("linux",)
    guidance: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    requires_products: tuple[dict[str, Any], ...] = ()
    roots: dict[str, str] = field(default_factory=lambda: {"app": ""})
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    fixes: tuple[dict[str, Any], ...] = ()
    fix_paths: dict[str, tuple[str, ...]] = field(default_factory=dict)
    relations: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    steps: tuple[dict[str, Any], ...] = ()
    scripts: dict[str, bytes] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    allow: dict[str, str] = field(default_factory=dict)
    digest: str | None = None

    def below(self, folder: str) -> "Authored":
        """Return the same for a product that lies in one folder of the tree; roots are folders of that one."""
        return replace(self, roots={name: f"{folder}/{prefix}".rstrip("/") for name, prefix in self.roots.items()})


def read_recipe(path: Path) -> Authored:
    """Read a recipe and the files beside it that it names.

    Raises:
        RecipeError: a mistake, with the key or line where it stands.
        PatchlineError: a file cannot be read.
    """
    data = read_file(path, limit=_LIMIT)
    table = TomlTable.parse(data, path)
    steps, scripts = _read_steps(table, path.parent)
    fixes, fix_paths = _read_fixes(table)
    names, allow = _read_scan(table, path.parent)
    authored = Authored(
        title=table.text("title"),
        severity=table.choice("severity", SEVERITIES),
        kind=table.choice("kind", KINDS),
        expires=table.date("expires"),
        notes=table.text("notes", limit=100_000),
        platforms=tuple(sorted(set(table.texts("platforms", PLATFORMS)))) or ("linux",),
        guidance=table.texts("guidance"),
        optional=table.texts("optional"),
        requires_products=_read_products(table),
        roots=_read_roots(table),
        classes=_read_classes(table),
        fixes=fixes,
        fix_paths=fix_paths,
        relations=_read_relations(table),
        steps=steps,
        scripts=scripts,
        names=names,
        allow=allow,
        digest=digest(data),
    )
    table.end()
    return authored


def _read_roots(table: TomlTable) -> dict[str, str]:
    roots = table.table("roots")
    found: dict[str, str] = {}
    for name in roots.names():
        value = roots.take(name, str, "a folder of the tree")
        prefix = value.strip("/")
        if not identifiers.ROOT.fullmatch(name):
            raise roots.fail("value", name, "is not the name of a root")
        if any(part in (".", "..") for part in prefix.split("/")) and prefix != ".":
            raise roots.fail("value", name, f"must be a plain folder of the tree, not {value!r}")
        found[name] = "" if prefix == "." else prefix
    if len(set(found.values())) != len(found):
        raise RecipeError("value", f"{table.path}: two roots name the same folder")
    return found or {"app": ""}


def _read_classes(table: TomlTable) -> dict[str, tuple[str, ...]]:
    classes = table.table("classes")
    found = {name: classes.texts(name) for name in FILE_CLASSES}
    classes.end()
    return {name: patterns for name, patterns in found.items() if patterns}


def _read_products(table: TomlTable) -> tuple[dict[str, Any], ...]:
    found = []
    for entry in table.tables("requires_products"):
        product = entry.needed_text("product", pattern=identifiers.PRODUCT)
        found.append({"product": product, "versions": list(entry.texts("versions"))})
        entry.end()
    return tuple(sorted(found, key=lambda item: str(item["product"])))


def _read_fixes(table: TomlTable) -> tuple[tuple[dict[str, Any], ...], dict[str, tuple[str, ...]]]:
    fixes: dict[str, dict[str, Any]] = {}
    paths: dict[str, tuple[str, ...]] = {}
    for entry in table.tables("fixes"):
        identifier = entry.needed_text("id", pattern=identifiers.FIX)
        if identifier in fixes:
            raise entry.fail("duplicate", "id", f"{identifier!r} stands here twice")
        texts = {key: entry.text(key) for key in _FIX_TEXTS}
        fixes[identifier] = {
            "id": identifier,
            "title": entry.needed_text("title"),
            "coverage": entry.choice("coverage", COVERAGES) or "full",
            "cve": sorted(set(entry.texts("cve"))),
            **{key: text for key, text in texts.items() if text is not None},
        }
        if patterns := entry.texts("paths"):
            paths[identifier] = patterns
        entry.end()
    return tuple(fixes.values()), paths


def _read_relations(table: TomlTable) -> dict[str, list[dict[str, Any]]]:
    relations = table.table("relations")
    found = {key: [_read_reference(entry, key) for entry in relations.tables(key)] for key in _RELATIONS}
    relations.end()
    return found


def _read_reference(entry: TomlTable, relation: str) -> dict[str, Any]:
    found: dict[str, Any] = {"hotfix": entry.needed_text("hotfix", pattern=identifiers.HOTFIX)}
    revision = entry.integer("revision", 1, 10_000)
    if relation in ("requires", "includes", "merges"):
        revision = int(entry.needed("revision", revision))
    if revision is not None:
        found["revision"] = revision
    if relation in ("includes", "merges"):
        found["manifest"] = entry.needed_text("manifest", pattern=re.compile(r"[0-9a-f]{64}"))
    entry.end()
    return found


def _read_steps(table: TomlTable, folder: Path) -> tuple[tuple[dict[str, Any], ...], dict[str, bytes]]:
    steps, scripts = [], {}
    for entry in table.tables("steps"):
        script = _beside(entry, "script", folder)
        data = read_file(script, limit=_SCRIPT)
        scripts[digest(data)] = data
        steps.append(
            {
                "id": entry.needed_text("id"),
                "kind": "script",
                "phase": entry.needed("phase", entry.choice("phase", PHASES)),
                "script": digest(data),
                "interpreter": entry.needed("interpreter", entry.choice("interpreter", INTERPRETERS)),
                "args": list(entry.texts("args")),
                "timeout_s": entry.integer("timeout_s", 1, 86_400) or 300,
                "root": entry.flag("root"),
                "idempotent": entry.flag("idempotent"),
                "irreversible": entry.flag("irreversible"),
                "on": entry.choice("on", ("apply", "both", "rollback")) or "both",
            }
        )
        entry.end()
    return tuple(steps), scripts


def _beside(entry: TomlTable, key: str, folder: Path) -> Path:
    """Return the path of a file that lies beside the recipe or below."""
    name = entry.needed_text(key)
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise entry.fail("value", key, f"must lie beside the recipe, not at {name!r}")
    if not path.is_file():
        raise entry.fail("file", key, f"names {name!r}, which does not lie beside the recipe")
    return path


def _read_scan(table: TomlTable, folder: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    scan = table.table("scan")
    names: tuple[str, ...] = ()
    if "names" in scan.names():
        text = read_file(_beside(scan, "names", folder), limit=_LIMIT).decode("utf-8", "replace")
        names = tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    allow = {}
    for entry in scan.tables("allow"):
        allow[entry.needed_text("path")] = entry.needed_text("reason")
        entry.end()
    scan.end()
    return names, allow
