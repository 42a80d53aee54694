"""Taking in what was signed offline: the channel's root, the root of its kits, the top-level targets.

All that is given goes in together or not at all. Roots form an unbroken chain from version 1, every one of them is
kept; the keys they name for the channel must be the ones at hand, or nothing could be published under them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from patchline.patches.channel import HOTFIXES, SNAPSHOT, STATUS, TIMESTAMP
from patchline.patches.delegations import Delegations
from patchline.patches.errors import ExpiredError, StateError, TrustError, UsageError
from patchline.patches.root import Root
from patchline.patches.statements import time_text
from patchline.releaser.channel import Channel
from patchline.releaser.channel_writing import Wanted, Writing
from patchline.releaser.published import Published, Versions

_ONLINE_ROLES = frozenset((HOTFIXES, STATUS, SNAPSHOT, TIMESTAMP))


@dataclass(frozen=True)
class Offline:
    """What a ceremony made, in the order of its versions."""

    roots: tuple[Root, ...]
    kit_roots: tuple[Root, ...]
    delegations: Delegations | None

    @classmethod
    def of(cls, found: Iterable[Root | Delegations]) -> "Offline":
        """Sort out what was given.

        Raises:
            UsageError: two top-level targets.
        """
        found = list(found)
        roots = sorted((one for one in found if isinstance(one, Root)), key=lambda root: root.version)
        delegations = [one for one in found if isinstance(one, Delegations)]
        if len(delegations) > 1:
            raise UsageError("options", "give one file of top-level targets, the newest")
        return cls(
            tuple(root for root in roots if not root.kit),
            tuple(root for root in roots if root.kit),
            delegations[0] if delegations else None,
        )


def take_in(channel: Channel, offline: Offline, now: datetime) -> Versions:
    """Publish what was signed offline, and sign anew what hangs on it.

    Args:
        channel: with the keys that the newest root and targets name.
        offline: new roots and targets; ones that are there already do no harm.
        now: the time.

    Returns:
        The versions published now.

    Raises:
        TrustError, ChannelError: something does not follow, or too few signed it.
        ExpiredError: a root or the targets have expired.
        SettingsError: other keys are named than are at hand.
        StateError: the first time, root or targets are missing.
    """
    with channel.store.exclusive():
        published = channel.published()
        roots = _chain(published.roots, offline.roots, "root")
        kit_roots = _chain(published.kit_roots, offline.kit_roots, "kit root")
        delegations = offline.delegations or published.delegations
        if not roots or delegations is None:
            raise StateError("channel-empty", "the channel begins with a root and top-level targets")
        _check(roots, kit_roots, delegations, published, now)
        new = roots[len(published.roots) :]
        return Writing(
            channel.store,
            channel.keys,
            published,
            Wanted(
                delegations,
                published.targets,
                roots=new,
                kit_roots=kit_roots[len(published.kit_roots) :],
                again=_ONLINE_ROLES if new or published.rotating else frozenset(),
                above=channel.seen,
            ),
            now,
        ).write()


def _chain(known: tuple[Root, ...], given: Iterable[Root], what: str) -> tuple[Root, ...]:
    """Return the chain with what is new; what is there already must be the same."""
    chain = list(known)
    for root in given:
        if root.version <= len(chain):
            if chain[root.version - 1].document["signed"] != root.document["signed"]:
                raise TrustError("root-fork", f"there are two different ones of {what} {root.version}")
            continue
        if root.version != len(chain) + 1:
            raise TrustError("root-gap", f"{what} {len(chain) + 1} is missing before {what} {root.version}")
        chain[-1].check_successor(root) if chain else root.check_self()
        chain.append(root)
    return tuple(chain)


def _check(
    roots: tuple[Root, ...],
    kit_roots: tuple[Root, ...],
    delegations: Delegations,
    published: Published,
    now: datetime,
) -> None:
    newest = roots[-1]
    delegations.check_signed(newest)
    if published.delegations:
        published.delegations.check_successor(delegations)
    _check_fresh(f"root {newest.version}", newest.expires, now)
    _check_fresh(f"targets {delegations.version}", delegations.expires, now)
    if kit_roots:
        check_kit_root(kit_roots[-1], newest)
        _check_fresh(f"kit root {kit_roots[-1].version}", kit_roots[-1].expires, now)


def check_kit_root(kit_root: Root, newest: Root) -> None:
    """Raise TrustError unless a site that knows the newest root accepts this root of kits."""
    for role in ("root", "targets"):
        if kit_root.roles[role] != newest.roles[role]:
            raise TrustError(
                "kit-root", f"kit root {kit_root.version} names other {role} keys than root {newest.version}"
            )
    there, needed = len(newest.signers(kit_root)), newest.roles["root"].threshold
    if there < needed:
        raise TrustError("kit-root", f"kit root {kit_root.version} was signed by {there} of {needed} root keys")
    online = newest.roles[SNAPSHOT].keys.keys() | newest.roles[TIMESTAMP].keys.keys()
    if online & (kit_root.roles[SNAPSHOT].keys.keys() | kit_root.roles[TIMESTAMP].keys.keys()):
        raise TrustError("kit-root", "one key signs both for the channel and for kits")


def _check_fresh(what: str, expires: datetime, now: datetime) -> None:
    if expires <= now:
        raise ExpiredError("offline", f"{what} expired on {time_text(expires)}")
