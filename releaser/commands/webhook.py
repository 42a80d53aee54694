"""`patchline webhook`: telling other programs what happens here."""

import click

from patchline.patches.errors import SourceError
from patchline.patches.terminal import example, json_option, note, report
from patchline.releaser.commands.options import (
    attempt,
    clock,
    page_options,
    page_text,
    paged,
    register_options,
    the_person,
    the_register,
)
from patchline.releaser.webhooks import delivering, keeping


@click.group(epilog=example("patchline webhook add https://chat.vendor.example/in --event 'hotfix.publish'"))
def webhook() -> None:
    """Tell other programs what happens, by signed messages."""


@webhook.command(
    epilog=example("patchline webhook add https://chat.vendor.example/in --event hotfix.publish --event 'recall.*'")
)
@click.argument("url")
@click.option("--event", "events", multiple=True, required=True, metavar="PATTERN", help="Which events; several.")
@register_options
@json_option
def add(url: str, events: tuple[str, ...]) -> None:
    """Make a webhook. What its messages are signed with is shown now and never again."""
    with the_register() as register, register.attempt("webhook.add", url, the_person(), clock()) as change:
        made = keeping.add(change, register, url, events)
    note("The receiver checks the header Patchline-Signature with it; it is not shown again.")
    report({**keeping.document(made.hook), "secret": made.secret}, f"webhook {made.hook.id}\n{made.secret}")


@webhook.command("list", epilog=example("patchline webhook list"))
@register_options
@json_option
def list_command() -> None:
    """List webhooks and how they stand."""
    with the_register() as register, register.read() as session:
        found = keeping.listed(session)
    report([keeping.document(row) for row in found], "\n".join(keeping.words(row) for row in found) or "no webhooks")


@webhook.command(epilog=example("patchline webhook test 3"))
@click.argument("number", type=int, metavar="NUMBER")
@register_options
@json_option
def test(number: int) -> None:
    """Send a message that tells of nothing, and say what was answered."""
    with the_register() as register, register.attempt("webhook.test", str(number), the_person(), clock()) as change:
        keeping.the_hook(change.session, number)
        change.record("webhook.test", str(number))
    with the_register() as register:
        result = delivering.ping(register, number, clock())
    if not result.taken:
        raise SourceError("webhook", f"the webhook {number}: {result.told}")
    report({"webhook": number, "status": result.status}, f"the webhook {number} {result.told}")


@webhook.command(epilog=example("patchline webhook remove 3"))
@click.argument("number", type=int, metavar="NUMBER")
@register_options
@json_option
def remove(number: int) -> None:
    """End a webhook for good."""
    with the_register() as register, register.attempt("webhook.remove", str(number), the_person(), clock()) as change:
        row = keeping.remove(change, register, number)
    report(keeping.document(row), f"the webhook {number} is removed")


@webhook.command(epilog=example("patchline webhook resume 3"))
@click.argument("number", type=int, metavar="NUMBER")
@register_options
@json_option
def resume(number: int) -> None:
    """Let a webhook go on that was disabled; it goes on where it was."""
    with attempt("webhook.resume", str(number)) as change:
        row = keeping.resume(change, number)
    report(keeping.document(row), f"the webhook {number} goes on")


@webhook.command(epilog=example("patchline webhook deliveries 3"))
@click.argument("number", type=int, metavar="NUMBER")
@page_options("ID")
@register_options
@json_option
def deliveries(number: int, after: str | None, limit: int) -> None:
    """List what was sent to a webhook and how that ended, the newest first."""
    with the_register() as register, register.read() as session:
        rows = keeping.attempts(session, number, int(after) if after and after.isdecimal() else None, limit + 1)
    shown, more = paged(rows, limit, lambda row: row.id)
    lines = [f"{row.at:%Y-%m-%d %H:%M}  event {row.sequence}  {row.outcome}  {row.told}" for row in shown]
    document = {"deliveries": [keeping.attempt_document(row) for row in shown], "after": more}
    report(document, page_text(lines, more, "nothing was sent yet"))
