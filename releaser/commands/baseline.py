"""`patchline baseline`: released versions, pinned, and what lies in them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from patchline.patches import identifiers
from patchline.patches.documents import digest
from patchline.patches.errors import UsageError
from patchline.patches.files import write_file
from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser.baselines import list_commit, list_folder
from patchline.releaser.catalogue import Release, add_baseline, list_baselines, the_baseline, the_product
from patchline.releaser.commands.options import (
    clock,
    home_option,
    register_options,
    the_person,
    the_register,
)
from patchline.releaser.contains import Unread, unread
from patchline.releaser.recipe import read_recipe
from patchline.releaser.tables.catalogue import Baseline, Container
from patchline.releaser.trees import Roots

FILE = click.Path(path_type=Path)


@click.group(epilog=example("patchline baseline add 4.1.2 --product shop --tag v4.1.2"))
def baseline() -> None:
    """Add, list and show released baselines."""


@baseline.command(
    epilog=example(
        "patchline baseline add 4.1.2 --product shop --tag v4.1.2",
        "patchline baseline add 3.9 --product shop --artefacts dist/3.9 --source 'build 1207 of the release farm'",
    )
)
@click.argument("label", metavar="VERSION")
@click.option("--product", required=True, metavar="P", help="The product.")
@click.option("--repo", type=FILE, help="The git repository; by default the product's.")
@click.option("--tag", metavar="TAG", help="The released tag; it is pinned to its commit.")
@click.option("--artefacts", type=FILE, multiple=True, help="What was built: one folder, or files; several.")
@click.option("--source", metavar="TEXT", help="Where the artefacts come from.")
@click.option("--recipe", type=FILE, help="A recipe whose roots count; by default all of it is root app.")
@click.option("--support-ends", metavar="DATE", help="Until when it is supported: YYYY-MM-DD.")
@register_options
@json_option
def add(label: str, product: str, recipe: Path | None, support_ends: str | None, **given: Any) -> None:
    """Add a released version, frozen, and index what lies in it and in its archives."""
    release = Release(
        product=product,
        label=label,
        repository=given["repo"],
        tag=given["tag"],
        artefacts=given["artefacts"],
        source=given["source"],
        roots=read_recipe(recipe).roots if recipe else None,
        support_ends=_date(support_ends) if support_ends else None,
    )
    person, now = the_person(), clock()
    with the_register() as register:
        with register.refusals_told("baseline.add", f"{product} {label}", person, now):
            made = add_baseline(register, release, person, now)
        with register.read() as session:
            container, findings = session.get_one(Container, made.container), unread(session, product, label)
    report(_document(made, container, findings), _shown(made, container, findings))


def _date(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError("date", f"{text!r} is no date") from None


@baseline.command("list", epilog=example("patchline baseline list --product shop"))
@click.option("--product", metavar="P", help="Only those of this product.")
@home_option
@json_option
def list_command(product: str | None) -> None:
    """List the baselines, newest first."""
    with the_register() as register, register.read() as session:
        if product:
            the_product(session, product)
        found = list_baselines(session, product)
    lines = [
        f"{one.product} {one.label}  {_origin(one)}  added {one.added:%Y-%m-%d} by {one.added_by}" for one in found
    ]
    report([_facts(one) for one in found], "\n".join(lines) or "no baseline yet: patchline baseline add")


@baseline.command(epilog=example("patchline baseline show 4.1.2 --product shop --out 4.1.2.json"))
@click.argument("label", metavar="VERSION")
@click.option("--product", required=True, metavar="P", help="The product.")
@click.option("--out", type=FILE, metavar="LIST", help="Write the list of its files, for trust files and sites.")
@home_option
@json_option
def show(label: str, product: str, out: Path | None) -> None:
    """Show a baseline, and what of it the index could not look into."""
    with the_register() as register, register.read() as session:
        found = the_baseline(session, product, label)
        container, findings = session.get_one(Container, found.container), unread(session, product, label)
        if out:
            write_file(out, found.files)
    report(_document(found, container, findings), _shown(found, container, findings))


def _facts(one: Baseline) -> dict[str, Any]:
    return {
        "product": one.product,
        "baseline": one.label,
        "kind": one.kind,
        "tag": one.tag,
        "commit": one.commit_id,
        "tree": one.tree_id,
        "source": one.source,
        "files_sha256": one.files_sha256,
        "added": time_text(one.added),
        "added_by": one.added_by,
        "support_ends": time_text(one.support_ends) if one.support_ends else None,
    }


def _document(one: Baseline, container: Container, findings: list[Unread]) -> dict[str, Any]:
    return {
        **_facts(one),
        "files": container.entries,
        "not_looked_into": [{"path": found.path, "finding": found.finding, "told": found.told} for found in findings],
    }


def _origin(one: Baseline) -> str:
    parts = [f"{one.tag} = {(one.commit_id or '')[:12]}"] if one.tag else []
    return ", ".join([*parts, *([f"artefacts: {one.source}"] if one.source else [])])


def _shown(one: Baseline, container: Container, findings: list[Unread]) -> str:
    lines = [
        f"{one.product} {one.label}: {counted(container.entries, 'file')}",
        *([f"tag      {one.tag}", f"commit   {one.commit_id}"] if one.tag else []),
        *([f"source   {one.source}"] if one.source else []),
        f"list     sha256 {one.files_sha256}",
        f"added    {one.added:%Y-%m-%d} by {one.added_by}",
        *([f"support  until {one.support_ends:%Y-%m-%d}"] if one.support_ends else []),
        *(f"not looked into: {found.path}: {found.told}" for found in findings),
    ]
    return "\n".join(lines)


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
