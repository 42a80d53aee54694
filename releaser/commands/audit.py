"""`patchline audit`: check and write out what happened."""

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click

from patchline.patches.audit_chain import Checkpoint
from patchline.patches.errors import UsageError
from patchline.patches.files import write_atomically
from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser import audit_pack, audit_pack_reading, auditing
from patchline.releaser.audit_pack import About
from patchline.releaser.audit_pack_reading import PackVerified
from patchline.releaser.auditing import Verified
from patchline.releaser.commands.options import clock, home_option, the_register

FILE = click.Path(path_type=Path)


@click.group(epilog=example("patchline audit verify --checkpoint kept-in-march.json"))
def audit() -> None:
    """Check and write out what happened."""


@audit.command(epilog=example("patchline audit verify --checkpoint kept-in-march.json"))
@click.option("--checkpoint", "files", type=FILE, multiple=True, help="A checkpoint kept outside; several.")
@click.option("--pack", "folder", type=FILE, help="Check the folder of an audit pack instead of the register.")
@home_option
@json_option
def verify(files: tuple[Path, ...], folder: Path | None) -> None:
    """Check that no event was changed, dropped or added; without a checkpoint from outside only against itself."""
    checkpoints = [auditing.read_checkpoint(path) for path in files]
    if folder is not None:
        checked = audit_pack_reading.check_pack(folder, checkpoints, clock())
        report(audit_pack_reading.as_document(checked), "\n".join(_pack_words(checked)))
        return
    with the_register() as register, register.read() as session:
        found = auditing.verify(session, checkpoints)
    document = {
        "count": found.count,
        "head": found.head,
        "waiting": found.waiting,
        "consistent": "outside" if found.outside else "itself",
        "checkpoints": [_document(one) for one in found.outside],
        "unchecked": [_document(one) for one in found.unchecked],
        "lost": [gap._asdict() for gap in found.gaps],
    }
    report(document, "\n".join(_words(found)))


def _words(found: Verified) -> list[str]:
    lines = [f"{counted(found.count, 'event')}, head {found.head}"]
    if found.waiting:
        lines.append(f"{counted(found.waiting, 'event')} more not chained yet")
    lines += [
        f"events {gap.first} to {gap.last} were lost by the restore that event {gap.told_by} tells"
        for gap in found.gaps
    ]
    lines += [
        f"not checked: the checkpoint of {counted(one.count, 'event')}, which was lost" for one in found.unchecked
    ]
    if not found.outside:
        return [*lines, "consistent with itself only: give a checkpoint that was kept outside with --checkpoint"]
    newest = max(found.outside, key=_length)
    lines.append(f"agrees with {counted(len(found.outside), 'checkpoint')} from outside")
    since = found.count - newest.count
    return [*lines, f"the newest covers {counted(newest.count, 'event')} until {newest.time}; {since:,} came since"]


def _length(checkpoint: Checkpoint) -> int:
    return checkpoint.count


def _document(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"count": checkpoint.count, "head": checkpoint.head, "time": checkpoint.time}


@audit.command(epilog=example("patchline audit export --out events.jsonl"))
@click.option("--out", type=FILE, help="The file to write; default: standard output.")
@home_option
@json_option
def export(out: Path | None) -> None:
    """Write all events, one a line, as JSON; with --json only how many, and the chain's head."""
    with the_register() as register, register.read() as session:
        if out is None:
            auditing.export(session, sys.stdout.buffer)
            return
        with write_atomically(out, mode=0o600) as file:
            count, head = auditing.export(session, file)
    report({"file": str(out), "count": count, "head": head}, f"{out}: {counted(count, 'event')}, head {head}")


@audit.command(epilog=example("patchline audit pack HF-2026-0012 --out for-the-auditor"))
@click.argument("hotfix", metavar="ID", required=False)
@click.option("--from", "start", metavar="DATE", help="Instead of a hotfix: everything from this day on.")
@click.option("--to", "end", metavar="DATE", help="Until the end of this day.")
@click.option("--out", type=FILE, required=True, help="The folder to make.")
@home_option
@json_option
def pack(hotfix: str | None, start: str | None, end: str | None, out: Path) -> None:
    """Make a folder that an auditor checks with no server: events, signatures, policies, roots."""
    if (hotfix is None) == (start is None and end is None):
        raise UsageError("options", "name a hotfix, or --from and --to")
    about = About(hotfix, _day(start) if start else "", _day(end, after=1) if end else "~")
    with the_register() as register:
        made = audit_pack.pack(register, about, out, clock())
    document = {"folder": str(out), "events": made.events, "count": made.count, "head": made.head}
    told = f"{out}: {counted(made.events, 'event')} {about.words}, {counted(len(made.revisions), 'revision')}"
    report({**document, "revisions": list(made.revisions)}, told)


def _day(text: str, after: int = 0) -> str:
    """Return the moment at which a day begins, or one after it."""
    try:
        day = date.fromisoformat(text) + timedelta(days=after)
    except ValueError:
        raise UsageError("date", f"{text!r} is no date") from None
    return f"{day.isoformat()}T00:00:00Z"


def _pack_words(found: PackVerified) -> list[str]:
    lines = [
        f"{counted(found.readable, 'event')} can be read; the chain holds up to event {found.count}, head {found.head}"
    ]
    lines += [f"events {first} to {last} were lost by a restore" for first, last in found.gaps]
    for one in found.verdicts:
        approved = f"approved by {', '.join(one.approvers)}, by policy {one.policy}"
        lines.append(f"{one.label}: {approved if one.reason is None else 'not approved: ' + one.reason}")
    if found.outside:
        return [*lines, f"agrees with {counted(len(found.outside), 'checkpoint')} from outside"]
    return [*lines, "consistent with itself only: give a checkpoint that was kept outside with --checkpoint"]
