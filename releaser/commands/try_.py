"""`patchline try`: takes a repository of yours through everything, once, in a temporary folder."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from patchline.patches.terminal import example, json_option, json_wanted, note, report
from patchline.patches.wording import counted
from patchline.releaser.narration import Narrator
from patchline.releaser.trying import Tried, try_out


@click.command("try", epilog=example("patchline try --repo . --base v1.0.0 --head v1.0.1"))
@click.option("--repo", type=click.Path(path_type=Path), required=True, help="A git repository; only read.")
@click.option("--base", required=True, metavar="REF", help="What customers have.")
@click.option("--head", required=True, metavar="REF", help="What they should get.")
@click.option("--allow", multiple=True, metavar="PATH=REASON", help="A finding of the scan that may pass; several.")
@click.option("--keep", is_flag=True, help="Keep the folder, to look at what is in it.")
@json_option
def try_(repo: Path, base: str, head: str, allow: tuple[str, ...], keep: bool) -> None:
    """Build a hotfix, approve it twice, apply it, kill it, recover and roll back, with throwaway keys.

    Everything happens in a temporary folder; the repository is only read. Each command is shown as people type it.
    """
    narrator = Narrator((lambda text: None) if json_wanted() else note)
    with _folder(keep) as folder:
        tried = try_out(repo, base, head, folder / "trial", narrator, allow)
    document = {**tried.as_document(), "commands": narrator.steps, "folder": str(folder) if keep else None}
    report(document, _text(tried, folder if keep else None))


@contextmanager
def _folder(keep: bool) -> Iterator[Path]:
    """Yield a temporary folder, removed at the end unless it is to be kept."""
    if not keep:
        with tempfile.TemporaryDirectory(prefix="patchline-try-") as name:
            yield Path(name)
        return
    folder = Path(tempfile.mkdtemp(prefix="patchline-try-"))
    note(f"Everything is kept in {folder}")
    yield folder


def _text(tried: Tried, kept: Path | None) -> str:
    killed = tried.killed
    lines = [
        "",
        f"{tried.hotfix} changes {counted(tried.paths, 'path')} from {tried.base} to {tried.head}.",
        f"  applied      identical to {tried.head}",
        f"  killed       when {killed.changed} of {killed.paths} paths were changed",
        f"  recovered    identical to {tried.recovered}",
        f"  rolled back  identical to {tried.base}",
        f"Look at it in {kept}" if kept else "Nothing of it is left, and nothing was written into the repository.",
    ]
    return "\n".join(lines)
