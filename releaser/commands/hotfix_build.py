"""`patchline hotfix build`: the bundle of a revision, built here or elsewhere, into the register."""

import tempfile
from pathlib import Path
from typing import Any

import click

from patchline.patches.errors import UsageError
from patchline.patches.terminal import example, json_option, note, report
from patchline.releaser.building import UNKNOWN_PEOPLE
from patchline.releaser.commands.bundle_build import FILE, build_for, build_options, built_document, built_text
from patchline.releaser.commands.hotfix_make import report_revision
from patchline.releaser.commands.options import clock, register_options, the_person, the_register
from patchline.releaser.commands.queueing import left_to_worker, queue_option
from patchline.releaser.earlier_hotfixes import published_before
from patchline.releaser.hotfix_building import Planned, planned, take
from patchline.releaser.hotfixes import find
from patchline.releaser.people import read_people
from patchline.releaser.recipe import Authored, read_recipe
from patchline.releaser.register import Register
from patchline.releaser.work import asking, builds

_FOLDERS = ("base_dir", "head_dir", "source", "contributors")
_QUEUEABLE = ("head", "recipe_file", "people")


@click.command(
    "build",
    epilog=example(
        "patchline hotfix build HF-2026-0012 --head fix-total --people people.toml",
        "patchline hotfix build HF-2026-0012 --head fix-total --people people.toml --queue",
        "patchline hotfix build HF-2026-0012 --bundle HF-2026-0012-r1.hotfix",
    ),
)
@click.argument("identifier", metavar="ID")
@click.option("--bundle", type=FILE, help="One that was built elsewhere, with its provenance beside it.")
@build_options
@click.option("--out", type=FILE, help="The bundle to write; by default ID-rN.hotfix.")
@queue_option
@register_options
@json_option
def build_command(identifier: str, bundle: Path | None, out: Path | None, *, queue: bool, **given: Any) -> None:
    """Build the bundle of a hotfix for its baseline, onto what is published for that; or take one built elsewhere.

    Title, kind, severity and fixes are those of the draft, unless options or the recipe say others. What a worker builds
    with --queue has no signature yet: `hotfix show --save` writes what is to be signed.
    """
    if queue:
        _check_queueable({**given, "bundle": bundle, "out": out})
    with the_register() as register:
        if queue:
            _leave(register, identifier, given)
            return
        if bundle is not None:
            if out is not None or any(given.values()):
                raise UsageError("options", "--bundle was built already; give it alone")
            revision = take(register, identifier, bundle, the_person(), clock())
            report_revision(revision, "is built", manifest=revision.manifest_sha256)
            return
        with register.read() as session:
            asked = planned(session, identifier)
        path = out or Path(f"{asked.label}.hotfix")
        with tempfile.TemporaryDirectory(prefix="patchline-onto-") as folder:
            onto = published_before(register, asked.label, Path(folder))
            given |= {**_source(asked, given), "onto": (*given["onto"], *onto)}
            built = build_for(asked.order, path, given, asked.authored)
        revision = take(register, identifier, path, the_person(), clock())
    document = {**built_document(built), "state": str(revision.state), "onto": [file.stem for file in onto]}
    report(document, built_text(built))


def _source(asked: Planned, given: dict[str, Any]) -> dict[str, Any]:
    """Return the git source that the register knows, where no folders are given."""
    if any(given[name] for name in _FOLDERS):
        return {}
    return {"repo": given["repo"] or asked.repository, "base": given["base"] or asked.base}


def _check_queueable(given: dict[str, Any]) -> None:
    """Refuse options that a worker could not follow."""
    options = {parameter.name: parameter.opts[0] for parameter in click.get_current_context().command.params}
    if others := sorted(options[name] for name, value in given.items() if value and name not in _QUEUEABLE):
        raise UsageError(
            "options",
            "a worker builds from the product's repository, and takes --head, --recipe and --people; "
            f"{', '.join(others)} cannot go with --queue",
        )
    if not given["head"]:
        raise UsageError("options", "--head is missing")


def _leave(register: Register, identifier: str, given: dict[str, Any]) -> None:
    """Leave the build to a worker; of the file of people goes on who contributed, and nothing else."""
    authored = read_recipe(given["recipe_file"]) if given["recipe_file"] else Authored()
    people = read_people(given["people"]) if given["people"] else None
    # Git is asked between two changes, so that nobody waits for it.
    with register.attempt("hotfix.build", identifier, the_person(), clock()) as change:
        asking.check_building(change, identifier)
    order = builds.ordered(register, identifier, given["head"], authored, people)
    with register.attempt("hotfix.build", order.revision, the_person(), clock()) as change:
        wish = asking.building(change, order)
    if people is None:
        note(f"warning: {UNKNOWN_PEOPLE}")
    told = left_to_worker(register, wish)
    with register.read() as session:
        revision = find(session, order.revision)
    report_revision(revision, told, manifest=revision.manifest_sha256, head=order.head, job=wish)
