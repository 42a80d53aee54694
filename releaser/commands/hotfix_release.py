"""`patchline hotfix publish|ratify|hold|recall`: what the channel offers."""

from pathlib import Path

import click

from patchline.patches.errors import UsageError
from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.passphrases import passphrase_for, passphrase_option
from patchline.patches.terminal import confirm, example, json_option, note, yes_option
from patchline.releaser import approvals, recalls
from patchline.releaser.channel_home import open_channel
from patchline.releaser.commands.hotfix_make import report_revision
from patchline.releaser.commands.hotfix_review import report_taken
from patchline.releaser.commands.options import clock, register_options, the_person, the_register
from patchline.releaser.commands.queueing import left_to_worker, queue_option
from patchline.releaser.hotfixes import find, label
from patchline.releaser.policies import newest_root
from patchline.releaser.publishing import Release, follow, publish, put_again
from patchline.releaser.recalling import read_recall_file, statement_words
from patchline.releaser.tables.hotfixes import Hotfix
from patchline.releaser.work import asking

FILE = click.Path(path_type=Path)
_LINE = 1024


@click.command(
    "publish", epilog=example("patchline hotfix publish HF-2026-0012 --release HF-2026-0012-r1.hotfix.sha256")
)
@click.argument("identifier", metavar="ID")
@click.option("--release", type=FILE, help="What `bundle release` wrote; its .sig lies beside it.")
@queue_option
@register_options
@passphrase_option
@json_option
def publish_command(identifier: str, release: Path | None, *, queue: bool) -> None:
    """Put an approved hotfix into the channel, or finish what was cut off."""
    given = read_release(release) if release else None
    with the_register() as register:
        if queue:
            root = newest_root(register)
            with register.attempt("hotfix.publish", identifier, the_person(), clock()) as change:
                wish, named = asking.publication(change, identifier, root, given)
            told = left_to_worker(register, wish)
        else:
            channel = open_channel(register, passphrase_for)
            named = publish(register, channel, the_person(), clock(), identifier, given)
            wish, told = None, "is published"
        with register.read() as session:
            revision = find(session, named)
    report_revision(revision, told, zip=revision.zip_sha256, size=revision.zip_size, job=wish)


def read_release(path: Path) -> Release:
    """Read what `bundle release` wrote: the line, and its signature beside it."""
    signature = path.with_name(f"{path.name}.sig")
    return Release(read_file(path, limit=_LINE), read_file(signature, limit=_LINE))


@click.command("ratify", epilog=example("patchline hotfix ratify HF-2026-0012 --statement ada.approval"))
@click.argument("identifier", metavar="ID")
@click.option("--statement", type=FILE, required=True, help="What `bundle approve` wrote, without --emergency.")
@register_options
@passphrase_option
@json_option
def ratify_command(identifier: str, statement: Path) -> None:
    """Take ordinary approvals of an emergency release in, and offer it with them."""
    data = read_file(statement, limit=LIMITS.sidecar)
    with the_register() as register:
        channel, root, by = open_channel(register, passphrase_for), newest_root(register), the_person()
        with register.attempt("hotfix.ratify", identifier, by, clock()) as change:
            taken = approvals.ratify(change, identifier, data, root)
        put_again(register, channel, by, clock(), label(taken.revision))
    report_taken(taken)


@click.command("hold", epilog=example("patchline hotfix hold HF-2026-0012 --reason 'orders are lost, see CASE-77'"))
@click.argument("identifier", metavar="ID")
@click.option("--reason", help="Why; customers read it.")
@click.option("--lift", is_flag=True, help="Take the hold back.")
@register_options
@passphrase_option
@json_option
def hold_command(identifier: str, reason: str | None, lift: bool) -> None:
    """Hold a published hotfix back: no site applies it until that is lifted."""
    if lift == (reason is not None):
        raise UsageError("options", "give --reason, or --lift")
    action = "hotfix.lift" if lift else "hotfix.hold"
    with the_register() as register:
        channel = open_channel(register, passphrase_for)
        with register.attempt(action, identifier, the_person(), clock()) as change:
            held = recalls.lift(change, identifier) if reason is None else recalls.hold(change, identifier, reason)
            product = change.session.get_one(Hotfix, held.hotfix).product
        follow(register, channel, product, clock())
    report_revision(held, "is published again" if lift else "is held back")


@click.command(
    "recall", epilog=example("patchline hotfix recall HF-2026-0012 --statement HF-2026-0012-r1.recall.jsonl")
)
@click.argument("identifier", metavar="ID")
@click.option(
    "--statement", "statements", type=FILE, multiple=True, required=True,
    help="What `recall propose`, `confirm` or `reinstate` wrote; several.",
)  # fmt: skip
@register_options
@passphrase_option
@yes_option
@json_option
def recall_command(identifier: str, statements: tuple[Path, ...]) -> None:
    """Take signed recalls in: one person holds it back, two recall it for good. Or take a recall back."""
    files = [read_recall_file(path) for path in statements]
    for file in files:
        note("\n".join(statement_words(file.statement)))
    if not confirm(f"Take this into the register and the channel for {identifier}?"):
        raise UsageError("declined", "nothing was changed")
    with the_register() as register:
        channel, root = open_channel(register, passphrase_for), newest_root(register)
        with register.attempt("hotfix.recall", identifier, the_person(), clock()) as change:
            found = recalls.take(change, identifier, files, root)
            product = change.session.get_one(Hotfix, found.hotfix).product
        follow(register, channel, product, clock())
    report_revision(found, f"is {found.state}")
