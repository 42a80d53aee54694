"""`patchline bundle recipe|build`: from a source and what people wrote to a bundle."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from patchline.patches import identifiers
from patchline.patches.errors import UsageError
from patchline.patches.files import write_file
from patchline.patches.identifiers import fingerprint
from patchline.patches.manifest import KINDS, SEVERITIES
from patchline.patches.progress import progress
from patchline.patches.terminal import example, json_option, note, report
from patchline.patches.wording import counted
from patchline.releaser.building import Built, FolderOrigin, GitOrigin, Wanted, build
from patchline.releaser.composing import Order
from patchline.releaser.hotfix_building import filled
from patchline.releaser.people import read_people
from patchline.releaser.recipe import Authored, read_recipe
from patchline.releaser.recipe_draft import draft_recipe

FILE = click.Path(path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])


class Pair(click.ParamType[tuple[str, str]]):
    """Two texts with an equals sign between them."""

    name = "pair"

    def __init__(self, metavar: str) -> None:
        self.metavar = metavar

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return the form for `--help`."""
        return self.metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return both sides."""
        left, equals, right = str(value).partition("=")
        if not equals or not left or not right:
            self.fail(f"{value!r} is not {self.metavar}", param, ctx)
        return left, right


@click.command(
    "recipe", epilog=example("patchline bundle recipe --repo . --base v1.0.0 --head v1.0.1 --out hotfix.toml")
)
@click.option("--repo", type=FILE, required=True, help="The git repository.")
@click.option("--base", required=True, metavar="REF", help="The released baseline.")
@click.option("--head", required=True, metavar="REF", help="What it should become.")
@click.option("--out", type=FILE, required=True, help="The recipe to write.")
@json_option
def recipe(repo: Path, base: str, head: str, out: Path) -> None:
    """Write a commented recipe from what differs, to be edited."""
    draft = draft_recipe(repo, base, head)
    write_file(out, draft.text.encode())
    report(
        {"recipe": str(out), "paths": len(draft.paths), "fixes": list(draft.fixes)},
        f"{out}: {counted(len(draft.paths), 'path')}, {counted(len(draft.fixes), 'fix', 'fixes')} named by commits. "
        "Edit it, then build with --recipe.",
    )


_OPTIONS = (
    click.option("--repo", type=FILE, help="The git repository."),
    click.option("--base", metavar="REF", help="The released baseline."),
    click.option("--head", metavar="REF", help="What it should become."),
    click.option("--subdir", metavar="D", help="Only this folder of the repository is the product."),
    click.option("--base-dir", type=FILE, help="Instead of git: a folder of built files, as released."),
    click.option("--head-dir", type=FILE, help="Instead of git: a folder of built files, as it should become."),
    click.option("--source", metavar="TEXT", help="For folders: where they come from."),
    click.option(
        "--contributor", "contributors", multiple=True, metavar="PERSON", help="For folders: who wrote it; several."
    ),
    click.option("--kind", type=click.Choice(KINDS), help="By default the recipe's, else one-off."),
    click.option("--severity", type=click.Choice(SEVERITIES), help="By default the recipe's, else moderate."),
    click.option("--title", help="By default the recipe's, else that of the first fix."),
    click.option("--fix", "fixes", type=Pair("ID=TITLE"), multiple=True, help="What it mends; several."),
    click.option("--fix-paths", type=Pair("ID=GLOB"), multiple=True, help="Which paths belong to a fix; several."),
    click.option("--recipe", "recipe_file", type=FILE, help="What people wrote: hotfix.toml."),
    click.option("--people", type=FILE, help="Who is behind which e-mail address."),
    click.option("--repository", metavar="NAME", help="Name of the source; by default the product."),
    click.option("--onto", type=FILE, multiple=True, help="An earlier bundle that it may meet at a site; several."),
    click.option(
        "--allow", type=Pair("PATH=REASON"), multiple=True, help="A finding of the scan that may pass; several."
    ),
    click.option("--strict-archives", is_flag=True, help="Archives that were only packed anew count as changed."),
)


def build_options(command: Command) -> Command:
    """Add the options that say what to build from and what people say of it."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(
    "build",
    epilog=example(
        "patchline bundle build --repo . --base v1.0.0 --head v1.0.1 --id HF-2026-0001 \\",
        "  --product shop --baseline 1.0.0 --fix BUG-1='Login works again' --out HF-2026-0001-r1.hotfix",
    ),
)
@click.option("--id", "identifier", required=True, help="The hotfix's id, such as HF-2026-0012.")
@click.option("--product", required=True, help="The product it is for.")
@click.option("--baseline", required=True, help="The product's version it is for.")
@click.option(
    "--revision", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Higher than any built before."
)
@build_options
@click.option("--out", type=FILE, required=True, help="The bundle to write.")
@json_option
def build_command(identifier: str, product: str, baseline: str, revision: int, out: Path, **given: Any) -> None:
    """Build a bundle from two refs of a repository or from two folders."""
    built = build_for(Order(identifier, product, (baseline,), revision), out, given)
    report(built_document(built), built_text(built))


def build_for(named: Order, out: Path, given: dict[str, Any], planned: Authored | None = None) -> Built:
    """Build what the options of `build_options` say, for a hotfix whose names are known.

    Args:
        named: its names.
        out: the bundle to write.
        given: the options.
        planned: title, kind, severity and fixes that count where neither options nor recipe say them.
    """
    order = replace(
        named,
        kind=given["kind"],
        severity=given["severity"],
        title=given["title"],
        repository=given["repository"],
        fix_titles=dict(given["fixes"]),
        fix_paths=_patterns(given["fix_paths"]),
    )
    _check_names(order)
    authored = _authored(given["recipe_file"], given["subdir"])
    wanted = Wanted(
        order=order,
        authored=filled(authored, planned, fixes_named=bool(given["fixes"])) if planned else authored,
        origin=_origin(given),
        people=read_people(given["people"]) if given["people"] else None,
        onto=given["onto"],
        allow=dict(given["allow"]),
    )
    with progress(f"building {order.hotfix}") as advance:
        built = build(wanted, out, lambda: datetime.now(UTC), advance)
    for warning in built.warnings:
        note(f"warning: {warning}")
    return built


def _authored(recipe_file: Path | None, subdir: str | None) -> Authored:
    authored = read_recipe(recipe_file) if recipe_file else Authored()
    if subdir is None:
        return authored
    folder = subdir.strip("/")
    if not folder or any(part in ("", ".", "..") for part in folder.split("/")):
        raise UsageError("options", f"--subdir takes a folder of the repository, not {subdir!r}")
    return authored.below(folder)


def _check_names(order: Order) -> None:
    for option, value, pattern in (
        ("--id", order.hotfix, identifiers.HOTFIX),
        ("--product", order.product, identifiers.PRODUCT),
        ("--baseline", order.baselines[0], identifiers.VERSION),
    ):
        if not pattern.fullmatch(value):
            raise UsageError("options", f"{option} does not take {value!r}")
    for fix in order.fix_titles:
        if not identifiers.FIX.fullmatch(fix):
            raise UsageError("options", f"--fix does not take the id {fix!r}")


def _patterns(pairs: tuple[tuple[str, str], ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for fix, glob in pairs:
        found[fix] = (*found.get(fix, ()), glob)
    return found


_OF_GIT = ("repo", "base", "head")
_OF_FOLDERS = ("base_dir", "head_dir", "source", "contributors")


def _origin(given: dict[str, Any]) -> GitOrigin | FolderOrigin:
    """Return where to build from; exactly one kind of source must be given, whole."""
    git, folders = any(given[key] for key in _OF_GIT), any(given[key] for key in _OF_FOLDERS)
    if git and folders:
        raise UsageError("options", "give either --repo, --base and --head, or --base-dir and --head-dir")
    needed = _OF_FOLDERS if folders else _OF_GIT
    if missing := [key for key in needed if not given[key]]:
        shown = ", ".join("--" + key.replace("_", "-").replace("contributors", "contributor") for key in missing)
        raise UsageError("options", f"{shown} is missing")
    if git:
        return GitOrigin(given["repo"], given["base"], given["head"])
    return FolderOrigin(
        given["base_dir"], given["head_dir"], given["source"], given["contributors"], given["strict_archives"]
    )


def built_document(built: Built) -> dict[str, Any]:
    """Return what `--json` tells of a build."""
    manifest, record = built.manifest, built.record
    return {
        "bundle": str(built.path),
        "hotfix": manifest.hotfix,
        "revision": manifest.revision,
        "manifest": manifest.digest,
        "fingerprint": fingerprint(manifest.digest),
        "container": built.container,
        "paths": len(manifest.files),
        "payload_bytes": sum(member.size for member in manifest.payload),
        "outside": list(built.outside),
        "unchanged_archives": list(record.unchanged_archives),
        "allowed": [list(pair) for pair in record.scan.allowed],
        "simulated": record.simulation.runs,
        "warnings": list(built.warnings),
    }


def built_text(built: Built) -> str:
    """Return what people read of a build."""
    manifest = built.manifest
    lines = [
        f"{built.path}",
        f"{manifest.label}  {manifest.title}: {counted(len(manifest.files), 'path')}",
        f"manifest     {manifest.digest}",
        f"fingerprint  {fingerprint(manifest.digest)}",
        *(f"packed anew, left out: {path}" for path in built.record.unchanged_archives),
        *(f"outside of the roots, left out: {path}" for path in built.outside),
        f"Sign it: patchline bundle sign {built.path} --key BUILDER",
    ]
    return "\n".join(lines)
