"""`patchline bundle show|diff|rebuild`: what a bundle is, and whether it is what it says."""

from pathlib import Path

import click

from patchline.patches.errors import BuildError, UsageError
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.bundle_files import read_bundle
from patchline.releaser.people import read_people
from patchline.releaser.rebuilding import Scripts, compare_manifests, rebuild
from patchline.releaser.summary import summary_document, summary_text

FILE = click.Path(path_type=Path)


@click.command(epilog=example("patchline bundle show HF-2026-0001-r1.hotfix"))
@click.argument("file", type=FILE)
@json_option
def show(file: Path) -> None:
    """Show what a bundle is and does; says nothing about who signed it."""
    scripts = Scripts()
    found = read_bundle(file, scripts)
    report(summary_document(found), summary_text(found, scripts.contents))


@click.command(epilog=example("patchline bundle diff HF-2026-0001-r1.hotfix HF-2026-0001-r2.hotfix"))
@click.argument("first", metavar="FILE", type=FILE)
@click.argument("second", metavar="FILE", type=FILE)
@json_option
def diff(first: Path, second: Path) -> None:
    """Show where the manifests of two bundles differ."""
    one, other = read_bundle(first), read_bundle(second)
    lines = list(compare_manifests(one.manifest, other.manifest))
    document = {"first": one.manifest.digest, "second": other.manifest.digest, "differences": lines}
    report(document, "\n".join(lines) or "the manifests are the same")


@click.command("rebuild", epilog=example("patchline bundle rebuild HF-2026-0001-r1.hotfix --repo ."))
@click.argument("file", type=FILE)
@click.option("--repo", type=FILE, help="A clone of your own.")
@click.option("--base-dir", type=FILE, help="A folder of your own, as released.")
@click.option("--head-dir", type=FILE, help="A folder of your own, as it should become.")
@click.option("--onto", type=FILE, multiple=True, help="An earlier bundle it was built onto; several.")
@click.option("--people", type=FILE, help="The builder's people file.")
@json_option
@click.pass_context
def rebuild_command(
    ctx: click.Context,
    file: Path,
    repo: Path | None,
    base_dir: Path | None,
    head_dir: Path | None,
    onto: tuple[Path, ...],
    people: Path | None,
) -> None:
    """Build a bundle again from your own source and say whether it is the same."""
    if (repo is None) == (base_dir is None) or (base_dir is None) != (head_dir is None):
        raise UsageError("options", "give either --repo, or --base-dir and --head-dir")
    folders = (base_dir, head_dir) if base_dir is not None and head_dir is not None else None
    found = rebuild(file, repo=repo, folders=folders, onto=onto, people=read_people(people) if people else None)
    lines = [f"reproduced: {'true' if found.reproduced else 'false'}"]
    lines += [f"differs: {line}" for line in found.differences]
    lines += [f"not derived: {line}" for line in found.unsettled]
    report(found.as_document(), "\n".join(lines))
    if not found.reproduced:
        ctx.exit(BuildError.exit_code)
