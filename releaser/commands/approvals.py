"""`patchline approvals`: what was signed in a person's name."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from patchline.patches.errors import SettingsError, UsageError
from patchline.patches.keys import PublicKey
from patchline.patches.signers import keys_folder
from patchline.patches.terminal import Lazy, LazyGroup, example, json_option, json_wanted, note, report
from patchline.patches.wording import counted
from patchline.releaser.commands.key import named_public
from patchline.releaser.own_signatures import Watched, signed_here
from patchline.releaser.trust_files import read_trust
from patchline.releaser.watching import Found, Watcher

FILE = click.Path(path_type=Path)


@click.group(
    cls=LazyGroup,
    table={
        "notify": Lazy(
            "patchline.releaser.commands.approvals_notify", "notify", "Tell approvers what waits for them, once a day."
        )
    },
    epilog=example("patchline approvals watch --key ada --channel https://updates.example/"),
)
def approvals() -> None:
    """See what was signed in your name."""


@approvals.command(
    epilog=example(
        "patchline approvals watch --key ada --channel https://updates.example/ --trust shop.trust",
        "patchline approvals watch --key ada --key ada-browser.pem HF-2026-0012-r1.zip",
    )
)
@click.argument("files", nargs=-1, type=FILE, metavar="[FILE...]")
@click.option("--key", "names", multiple=True, required=True, metavar="NAME|PEM", help="A key of yours; several.")
@click.option("--channel", metavar="URL|DIR", help="Every release and recall of a channel or kit.")
@click.option("--trust", "trust_file", type=FILE, help="Whose root the channel must follow; default: its own first.")
@click.option("--accept", is_flag=True, help="Take everything that is shown as signed by yourself.")
@click.option("--all", "everything", is_flag=True, help="Show also what you have seen before, and read it anew.")
@json_option
def watch(
    files: tuple[Path, ...],
    names: tuple[str, ...],
    channel: str | None,
    trust_file: Path | None,
    accept: bool,
    everything: bool,
) -> None:
    """List what is new of all that your keys signed; exit 10 when something is there that you did not sign here."""
    if not files and channel is None:
        raise UsageError("options", "give --channel, or files to look into")
    folder, keys = keys_folder(), [named_public(name) for name in names]
    before = Watched.read(folder)
    watcher = Watcher(keys, frozenset() if everything else before.looked)
    found = [one for path in files for one in watcher.in_file(path)]
    if channel is not None:
        root = read_trust(trust_file).root if trust_file else None
        found += watcher.in_channel(channel, root, datetime.now(UTC))
    known = signed_here(folder) | before.accepted
    with _unknown_told(found, known, accept):
        _show(found, known, before, keys, watcher.problems, everything=everything)
        after = before.after(
            (one.mark for one in found if one.genuine), _read_through(watcher, found, known, accept), accept=accept
        )
        after.write(folder)


def _read_through(watcher: Watcher, found: list[Found], known: frozenset[str], accept: bool) -> set[str]:
    """Return the releases that need not be read again: none of them as long as something in them is unknown."""
    settled = accept or all(one.genuine and one.mark in known for one in found)
    return watcher.looked if settled else set()


@contextmanager
def _unknown_told(found: list[Found], known: frozenset[str], accept: bool) -> Iterator[None]:
    """Fail once everything was shown, if something in it was not signed by the person here."""
    yield
    unknown = {one.mark for one in found if one.mark not in known and not (accept and one.genuine)}
    if unknown:
        error = SettingsError("unknown-signatures", f"{counted(len(unknown), 'signature')} in your name made elsewhere")
        raise click.exceptions.Exit(error.exit_code) if json_wanted() else error


def _show(
    found: list[Found],
    known: frozenset[str],
    before: Watched,
    keys: list[PublicKey],
    problems: list[str],
    *,
    everything: bool,
) -> None:
    fingerprints = {key.keyid: key.fingerprint for key in keys}
    documents = [
        {
            "key": fingerprints[one.keyid],
            "signed": one.signed,
            "what": one.words,
            "where": one.place,
            "genuine": one.genuine,
            "known": one.mark in known,
            "new": one.mark not in before.shown,
        }
        for one in _distinct(found)
    ]
    for problem in problems:
        note(f"not read: {problem}")
    lines = [_line(one) for one in documents if everything or one["new"] or not one["known"]]
    document = {"signatures": documents, "problems": problems}
    report(document, "\n".join(lines) or "nothing new was signed in your name")


def _distinct(found: list[Found]) -> list[Found]:
    """Return each signature once, where it was found first; a false one beside a genuine one stays."""
    return list({(one.mark, one.genuine): one for one in reversed(found)}.values())[::-1]


def _line(one: dict[str, Any]) -> str:
    if not one["genuine"]:
        return f"FALSE    {one['what']} ({one['where']}): it bears your key's name and does not fit it"
    return f"{'yours' if one['known'] else 'UNKNOWN':8} {one['what']} ({one['where']})"
