"""`patchline audit`: check and write out what happened."""

import sys
from pathlib import Path
from typing import Any

import click

from patchline.patches.audit_chain import Checkpoint
from patchline.patches.files import write_atomically
from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser import auditing
from patchline.releaser.auditing import Verified
from patchline.releaser.commands.options import home_option, the_register

FILE = click.Path(path_type=Path)


@click.group(epilog=example("patchline audit verify --checkpoint kept-in-march.json"))
def audit() -> None:
    """Check and write out what happened."""


@audit.command(epilog=example("patchline audit verify --checkpoint kept-in-march.json"))
@click.option("--checkpoint", "files", type=FILE, multiple=True, help="A checkpoint kept outside; several.")
@home_option
@json_option
def verify(files: tuple[Path, ...]) -> None:
    """Check that no event was changed, dropped or added; without a checkpoint from outside only against itself."""
    checkpoints = [auditing.read_checkpoint(path) for path in files]
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
