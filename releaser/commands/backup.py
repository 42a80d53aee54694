"""`patchline backup` and `patchline restore`: the register as one file, and back."""

from pathlib import Path
from typing import Any

import click

from patchline.patches.errors import UsageError
from patchline.patches.terminal import example, json_option, note, report
from patchline.patches.wording import counted, readable_size
from patchline.releaser import adopting, restoring
from patchline.releaser import backup as saving
from patchline.releaser.backup_form import Index
from patchline.releaser.commands.options import clock, home_option, register_options, the_home, the_person, the_register
from patchline.releaser.published import read_published
from patchline.releaser.stores import Store

FILE = click.Path(path_type=Path)


@click.command(epilog=example("patchline backup --out register-2026-11-22.backup"))
@click.option("--out", type=FILE, required=True, help="The file to write.")
@home_option
@json_option
def backup(out: Path) -> None:
    """Save database, home, bundles and channel as they are, while everything runs; never an offline key."""
    with the_register() as register:
        saved = saving.save(register, out, clock())
    for path in saved.left_out:
        note(f"left out: {path}")
    for place, where in saved.index.elsewhere.items():
        note(f"not in the backup: {place}, which lies at {where}")
    size = out.stat().st_size
    document = {**_document(saved.index), "file": str(out), "size": size, "left_out": list(saved.left_out)}
    report(document, f"{out}: {readable_size(size)}, {_words(saved.index)}")


@click.command(
    epilog=example("patchline restore register-2026-11-22.backup --home /srv/patchline --channel /var/www/hotfixes")
)
@click.argument("file", type=FILE, required=False)
@click.option(
    "--database", metavar="URL", help="An empty database, or `sqlite`; default: as the backup's settings say."
)
@click.option(
    "--channel", metavar="PLACE", help="What was published, as it is now, or `lost`; default: as the settings say."
)
@click.option("--adopt", is_flag=True, help="Without FILE: try again what could not be taken in again at the restore.")
@register_options
@json_option
def restore(file: Path | None, database: str | None, channel: str | None, adopt: bool) -> None:
    """Make a home again from a backup, going on from what was published since; say what was lost."""
    if adopt != (file is None):
        raise UsageError("options", "give a backup's FILE, or --adopt")
    if file is None:
        _adopt()
        return
    order = restoring.Order(file, the_home(), the_person(), database, channel)
    done = restoring.restore(order, clock())
    document = {**_document(done.index), "home": str(order.home), "database": done.database}
    lost = [f"lost: {line}" for line in done.losses.words()]
    lines = [f"{order.home} restored from {_words(done.index)}", *(lost or ["nothing is known to be lost"])]
    lines += done.adopted.words()
    if done.adopted.left:
        lines.append("Mend what stands there, then: patchline restore --adopt; until then nothing can be published.")
    if channel == restoring.LOST:
        lines.append("Sites refuse what is published until its versions are above those that they have seen.")
    report({**document, "lost": done.losses.as_facts(), **done.adopted.as_facts()}, "\n".join(lines))


def _adopt() -> None:
    with the_register() as register, register.attempt("home.adopt", "home", the_person(), clock()) as change:
        store = Store.at(register.channel)
        adopted = adopting.adopt(register, store, read_published(store), change)
        change.record("home.adopt", "home", adopted.as_facts())
    report(adopted.as_facts(), "\n".join(adopted.words()) or "nothing is missing")


def _document(index: Index) -> dict[str, Any]:
    return {
        "made": index.made,
        "schema": index.schema,
        "audit": {"count": index.count, "head": index.head},
        "rows": sum(index.tables.values()),
        "files": len(index.files),
        "elsewhere": index.elsewhere,
    }


def _words(index: Index) -> str:
    rows, files = counted(sum(index.tables.values()), "row"), counted(len(index.files), "file")
    return f"{rows}, {files}, {counted(index.count, 'audit event')}, made {index.made}"
