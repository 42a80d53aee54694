"""`patchline baseline`: the files of a released baseline."""

from pathlib import Path

import click

from patchline.patches import identifiers
from patchline.patches.documents import digest
from patchline.patches.errors import UsageError
from patchline.patches.files import write_file
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.baselines import list_commit, list_folder
from patchline.releaser.recipe import read_recipe
from patchline.releaser.trees import Roots

FILE = click.Path(path_type=Path)


@click.group(
    epilog=example("patchline baseline files --repo . --ref v1.0 --product shop --baseline 1.0 --out 1.0.json")
)
def baseline() -> None:
    """List the files of a released baseline."""


@baseline.command(
    epilog=example("patchline baseline files --dir shop-1.0 --product shop --baseline 1.0 --out 1.0.json")
)
@click.option("--repo", type=FILE, help="The git repository.")
@click.option("--ref", metavar="REF", help="The released commit.")
@click.option("--dir", "folder", type=FILE, help="Instead of git: a folder as released.")
@click.option("--product", required=True, help="The product.")
@click.option("--baseline", "version", required=True, help="Its version.")
@click.option("--recipe", type=FILE, help="A recipe whose roots count; by default all of it is root app.")
@click.option("--out", type=FILE, required=True, metavar="LIST", help="The list to write.")
@json_option
def files(
    repo: Path | None,
    ref: str | None,
    folder: Path | None,
    product: str,
    version: str,
    recipe: Path | None,
    out: Path,
) -> None:
    """Write the list of a baseline's files, for trust files and for `patchline-site init --files`."""
    if (repo is None) == (folder is None) or (repo is None) != (ref is None):
        raise UsageError("options", "give either --repo and --ref, or --dir")
    if not identifiers.PRODUCT.fullmatch(product) or not identifiers.VERSION.fullmatch(version):
        raise UsageError("options", f"{product!r} {version!r} is no product and version")
    roots = Roots(read_recipe(recipe).roots if recipe else {"app": ""})
    if repo is not None and ref is not None:
        data = list_commit(repo, ref, product, version, roots)
    else:
        data = list_folder(folder or Path(), product, version, roots)
    write_file(out, data)
    found = digest(data)
    report({"list": str(out), "product": product, "baseline": version, "sha256": found}, f"{out}\nsha256 {found}")
