"""`patchline channel`: keep the channel alive, look at it from outside, take in what was signed offline."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from patchline.patches import terminal
from patchline.patches.errors import NotFoundError, TrustError, UsageError, refuse
from patchline.patches.files import read_file, write_file
from patchline.patches.passphrases import passphrase_for, passphrase_option
from patchline.patches.site.sources import opened_source
from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option
from patchline.patches.trust import Trust
from patchline.releaser import channel_roots, channel_watch
from patchline.releaser.channel_home import open_channel
from patchline.releaser.channel_upkeep import keep_up
from patchline.releaser.channel_watch import STATE_LIMIT, Watched
from patchline.releaser.client_release import publish_client
from patchline.releaser.commands.options import clock, home_option, register_options, the_person, the_register
from patchline.releaser.published import Versions
from patchline.releaser.trust_files import PolicyFile, read_trust, read_trust_file

FILE = click.Path(path_type=Path)


@click.group(epilog=example("patchline channel renew"))
def channel() -> None:
    """Keep the channel alive and look at it from outside."""


@channel.command(epilog=example("patchline channel renew"))
@click.option(
    "--above",
    type=FILE,
    metavar="STATE",
    help="After a restored backup: go on above the versions in this state file of `patchline channel watch`.",
)
@click.option(
    "--client",
    type=FILE,
    metavar="PYZ",
    help="Put this patchline-site.pyz into the channel; `patchline bundle release` has signed it.",
)
@register_options
@passphrase_option
@json_option
def renew(above: Path | None, client: Path | None) -> None:
    """Publish what the register says and sign again what has lived half of its life; for a timer."""
    now = clock()
    with the_register() as register:
        found = open_channel(register, passphrase_for)
        if client is not None:
            publish_client(register, found, client, now)
        if above is None:
            renewal = keep_up(register, found, the_person, now)
            versions, renewed, expiries = renewal.versions, renewal.renewed, renewal.expiries
        else:
            versions = found.above(channel_watch.read_versions(read_file(above, limit=STATE_LIMIT)), now)
            renewed, expiries = ("hotfixes", "status", "snapshot", "timestamp"), found.published().expiries
    lines = [f"published again: {', '.join(renewed)}" if renewed else "nothing was due"]
    document = {"renewed": list(renewed), "versions": versions.as_document(), "expires": _times(expiries)}
    terminal.report(document, "\n".join([*lines, *_expiry_lines(expiries, now)]))


@channel.command(epilog=example("patchline channel watch --trust shop.trust --state shop.watch"))
@click.option("--trust", "trust_file", type=FILE, required=True, help="A trust file as a customer has it.")
@click.option("--from", "place", metavar="URL|DIR", help="Where to look; default: the trust file's channel.")
@click.option("--state", type=FILE, help="Keeps what was seen, to compare with the next time.")
@click.option("--all", "every_file", is_flag=True, help="Look whether every file is there, not only new ones.")
@json_option
def watch(trust_file: Path, place: str | None, state: Path | None, every_file: bool) -> None:
    """Look at the channel from outside as a customer would; needs no home and no key."""
    trust, now = read_trust(trust_file), clock()
    place = place or trust.channel
    if place is None:
        raise UsageError("options", "the trust file names no channel; give --from")
    with opened_source(place) as source:
        seen = channel_watch.look(source, trust, _read_state(state, trust), now, every_file=every_file)
    if state is not None:
        write_file(state, seen.watched.as_bytes(), overwrite=True)
    refuse(list(seen.findings))
    document = {"channel": place, "targets": seen.targets, "expires": _times(seen.expiries), "time": time_text(now)}
    terminal.report(document, "\n".join([f"{place}: all is well", *_expiry_lines(seen.expiries, now)]))


def _read_state(path: Path | None, trust: Trust) -> Watched | None:
    if path is None:
        return None
    try:
        return Watched.parse(read_file(path, limit=STATE_LIMIT), trust)
    except NotFoundError:
        return None


@channel.command(epilog=example("patchline channel root root.json kit-root.json targets.json"))
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="ROOT KIT_ROOT TARGETS...")
@click.option(
    "--former", metavar="NAME", multiple=True, help="A key of the home that the new root takes away; several."
)
@home_option
@passphrase_option
@json_option
def root(files: tuple[Path, ...], former: tuple[str, ...]) -> None:
    """Take in roots and targets that were made and signed offline, all at once; the first time, all of them."""
    found = [read_trust_file(path) for path in files]
    wrong = [path for path, one in zip(files, found, strict=True) if isinstance(one, Trust | PolicyFile)]
    if wrong:
        raise TrustError("unknown-document", f"{wrong[0]} is no root and no targets")
    offline = channel_roots.Offline.of(one for one in found if not isinstance(one, Trust | PolicyFile))
    now = clock()
    with the_register() as register:
        there = open_channel(register, passphrase_for, former)
        before, versions = there.published().versions, channel_roots.take_in(there, offline, now)
        expiries = there.published().expiries
    document = {"versions": versions.as_document(), "expires": _times(expiries)}
    terminal.report(document, "\n".join([*_version_lines(before, versions), *_expiry_lines(expiries, now)]))


def _version_lines(before: Versions, after: Versions) -> list[str]:
    old = before.as_document()
    changed = [
        f"{role.replace('_', ' ')} {number}" for role, number in after.as_document().items() if number != old[role]
    ]
    return [f"published: {', '.join(changed)}" if changed else "everything was there already"]


def _times(expiries: Mapping[str, datetime]) -> dict[str, Any]:
    return {role: time_text(moment) for role, moment in sorted(expiries.items())}


def _expiry_lines(expiries: Mapping[str, datetime], now: datetime) -> list[str]:
    first_first = sorted(expiries.items(), key=lambda pair: pair[1])
    return [f"  {role:<10} expires {time_text(moment)}, {_left(moment - now)}" for role, moment in first_first]


def _left(left: timedelta) -> str:
    return f"in {left.days} days" if left > timedelta(0) else "EXPIRED"
