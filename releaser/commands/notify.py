"""`patchline notify`: tell customers what they need, or what was recalled, and keep what was told."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from patchline.patches.errors import StateError, UsageError
from patchline.patches.files import write_file
from patchline.patches.statements import time_text
from patchline.patches.terminal import confirm, example, json_option, note, report, yes_option
from patchline.patches.wording import counted
from patchline.releaser.commands.options import clock, register_options, the_person, the_register
from patchline.releaser.commands.queueing import left_to_worker, queue_option
from patchline.releaser.documents.rollouts import pending_document, results_document
from patchline.releaser.hotfixes import find
from patchline.releaser.register import Register
from patchline.releaser.rollouts import drafting, notices
from patchline.releaser.rollouts.mail import REFUSED, Mail, message
from patchline.releaser.rollouts.notices import Pending, Result
from patchline.releaser.work import asking

FILE = click.Path(path_type=Path)
_NOBODY = "Patchline <patchline@localhost.localdomain>"


@click.command(
    epilog=example(
        "patchline notify HF-2026-0012",
        "patchline notify HF-2026-0012 --send",
    )
)
@click.argument("identifier", metavar="ID")
@click.option("--send", "by_mail", is_flag=True, help="Send by the mail server of the settings.")
@click.option("--csv", "csv_file", type=FILE, help="Write the messages into a CSV file, to be sent by other means.")
@click.option("--drafts", "folder", type=FILE, help="Write the messages into a folder as .eml files.")
@click.option("--dry-run", is_flag=True, help="Only show what would be told.")
@click.option("--again", is_flag=True, help="Tell also those who were told, or may have been.")
@click.option("--told", "shown_told", is_flag=True, help="Show what was told to whom and when.")
@queue_option
@yes_option
@register_options
@json_option
def notify(
    identifier: str,
    by_mail: bool,
    csv_file: Path | None,
    folder: Path | None,
    dry_run: bool,
    again: bool,
    shown_told: bool,
    queue: bool,
) -> None:
    """Draft one message for each affected contact; show all, then send them or write them out."""
    if sum((by_mail, csv_file is not None, folder is not None)) > 1:
        raise UsageError("options", "choose one of --send, --csv and --drafts")
    if queue and not by_mail:
        raise UsageError("options", "--queue leaves the sending to a worker; give it with --send")
    now = clock()
    with the_register() as register:
        if shown_told:
            _show_told(register, identifier)
            return
        with register.read() as session:
            drafts = drafting.draft(session, identifier, now)
            found = notices.pending(session, drafts.drafts)
        chosen = notices.to_tell(found, again=again)
        if dry_run or not chosen or not (by_mail or csv_file or folder):
            report(_document(drafts, found, []), _text(drafts, found))
            return
        note(_text(drafts, found))
        verb = "Send" if by_mail else "Write"
        if not confirm(f"{verb} {counted(len(chosen), 'message')}?"):
            raise UsageError("declined", "nobody was told")
        if queue:
            _leave(register, identifier, chosen)
            return
        if by_mail:
            results = notices.send(register, chosen, the_person(), now)
        else:
            results = _write(register, chosen, csv_file, folder)
    report(_document(drafts, found, results), results_text(results))
    if any(one.outcome == REFUSED for one in results):
        raise click.exceptions.Exit(StateError.exit_code)


def _leave(register: Register, identifier: str, chosen: Sequence[Pending]) -> None:
    with register.attempt("notice.ask", identifier, the_person(), clock()) as change:
        wish = asking.notification(change, chosen)
    told = left_to_worker(register, wish)
    report({"job": wish, "messages": len(chosen), "told": told}, f"{counted(len(chosen), 'message')}: {told}")


def _write(register: Register, chosen: Sequence[Pending], csv_file: Path | None, folder: Path | None) -> list[Result]:
    """Write messages into files, then keep that they were handed over."""
    now = clock()
    if csv_file is not None:
        write_file(csv_file, _csv(chosen), mode=0o600)
    elif folder is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for one in chosen:
            draft = one.draft
            mail = Mail(draft.name, draft.address, draft.subject, draft.body, draft.identity(one.attempt))
            data = message(mail, register.settings.smtp_from or _NOBODY, now).as_bytes()
            write_file(folder / f"{draft.customer}-{draft.contact}.eml", data, overwrite=True, mode=0o600)
    with register.change(the_person(), now) as change:
        return notices.hand_over(change, chosen, "csv" if csv_file is not None else "draft")


def _csv(chosen: Sequence[Pending]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("customer", "name", "address", "subject", "body"))
    for one in chosen:
        draft = one.draft
        writer.writerow(map(_cell, (draft.customer or "", draft.name, draft.address, draft.subject, draft.body)))
    return out.getvalue().encode()


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


def _show_told(register: Register, identifier: str) -> None:
    with register.read() as session:
        found = notices.told(session, find(session, identifier).id)
    document = [
        {
            "customer": one.customer,
            "address": one.notice.address,
            "purpose": one.notice.purpose,
            "at": time_text(one.notice.added),
            "by": one.notice.added_by,
            "outcome": one.outcome.outcome if one.outcome else "in-doubt",
            "said": one.outcome.told if one.outcome else None,
            "subject": one.notice.subject,
            "body": one.notice.body,
        }
        for one in found
    ]
    lines = [
        f"{one['at']}  {one['customer']}  {one['address']}  {one['outcome']}  {one['subject']}" for one in document
    ]
    report(document, "\n".join(lines) or "nobody was told")


def results_text(results: Sequence[Result]) -> str:
    """Return what became of messages for people."""
    return "\n".join(f"{one.draft.address}: {one.outcome or 'in doubt'} ({one.told})" for one in results)


def pending_text(found: Sequence[Pending]) -> list[str]:
    """Return drafts for people, each in full."""
    lines: list[str] = []
    for one in found:
        state = "" if one.at is None else f"  [{one.standing.replace('-', ' ')}, {one.at:%Y-%m-%d %H:%M}]"
        lines += [f"To: {one.draft.name} <{one.draft.address}>{state}", f"Subject: {one.draft.subject}"]
        lines += [f"  {line}" for line in one.draft.body.splitlines()]
    return lines


def _document(drafts: drafting.Drafts, found: Sequence[Pending], results: Sequence[Result]) -> dict[str, Any]:
    return {
        "revision": drafts.label,
        "purpose": drafts.purpose,
        "messages": pending_document(found),
        "left_out": {reason: list(names) for reason, names in drafts.left_out.items()},
        "without_contact": list(drafts.unreachable),
        "results": results_document(results),
    }


def _text(drafts: drafting.Drafts, found: Sequence[Pending]) -> str:
    lines = pending_text(found)
    lines += [f"not told, {reason}: {counted(len(names), 'site')}" for reason, names in drafts.left_out.items()]
    lines += [f"no contact: {', '.join(drafts.unreachable)}"] if drafts.unreachable else []
    new = len(notices.to_tell(found, again=False))
    return "\n".join([*lines, f"{drafts.label}: {counted(new, 'message')} to send, {len(found) - new} told before"])
