"""Reading the metadata of a channel or kit, by python-tuf, and judging what it leaves to us.

python-tuf's `Updater` verifies timestamp, snapshot, targets, hotfixes and status as TUF has it: signatures, digests,
versions that never go back. Ours are

- the roots (`roots`), the form of targets (`delegations`), and that nobody hands names on;
- time: the site's clock is given, and a person may accept what has expired (`stale_until`);
- what is signed for longer than its role may live, is older than what the site has seen in whatever tree (`known`), or
  is of the other tree;
- one error with a code of its own for each of these, and for all that python-tuf finds.

What python-tuf keeps between two calls is a cache: it is verified each time, and nothing relies on it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from patchline.patches.tuf_library import TufTargets as Targets  # Before the rest of python-tuf, which it imports.

# isort: split
from tuf.api import exceptions as tuf
from tuf.api.serialization import DeserializationError
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from patchline.patches import channel, documents
from patchline.patches.channel import HOTFIXES, MOST_BYTES, ROOT, SNAPSHOT, STATUS, TARGETS, TIMESTAMP
from patchline.patches.delegations import Delegations
from patchline.patches.errors import ChannelError, DocumentError, ExpiredError, PatchlineError, SourceError
from patchline.patches.root import Root
from patchline.patches.site.known import Known, Version
from patchline.patches.site.roots import kit_root, newer_roots, signed_for_kits
from patchline.patches.site.sources import Source
from patchline.patches.site.tree import Target, Tree
from patchline.patches.statements import time_text
from patchline.patches.wording import counted

_ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
_SHARED = (TARGETS, HOTFIXES, STATUS)
"""Roles whose metadata is the same in the channel and in its kits."""
_FOLDER = "metadata/"


@dataclass(frozen=True)
class Reading:
    """What metadata is judged by.

    Attributes:
        root: the newest root of the channel that the site knows.
        known: what it has seen.
        cache: a folder of python-tuf's own.
        stale_until: until when a person accepts what has expired.
    """

    root: Root
    known: Known
    cache: Path
    now: datetime
    stale_until: datetime | None = None


def read_tree(source: Source, reading: Reading) -> Tree:
    """Read and judge the metadata of a channel or kit.

    Raises:
        ExpiredError: a role has expired, and nobody accepts it.
        ChannelError, TrustError: it is forged, malformed, older than what was seen, or of the other tree.
        SourceError: it cannot be read.
    """
    roots = newer_roots(source, reading.root)
    newest = roots[-1] if roots else reading.root
    for_kits = kit_root(source, newest)
    _check_channel(newest, source)
    root = for_kits or newest
    updater, delegations = _run(source, root, newest, reading.cache)
    roles = updater.roles()
    versions = _versions(root, delegations, roles, updater)
    reading.known.check(versions, what=source.name)
    expiries = {ROOT: min(root.expires, newest.expires)}
    expiries |= {name: one.expires.replace(tzinfo=UTC) for name, one in roles.items()}
    for role, expires in expiries.items():
        channel.check_life(role, expires, reading.now, kit=root.kit)
    warnings = tuple(_judge_expiry(expiries, reading))
    targets = {target.name: target for role in (HOTFIXES, STATUS) for target in _targets(roles[role])}
    return Tree(root.kit, tuple(roots), versions, expiries, targets, warnings)


def _check_channel(newest: Root, source: Source) -> None:
    if not newest.roles[TIMESTAMP].keys:
        raise ChannelError("no-roles", f"root {newest.version} names no keys for a channel; {source.name} has no newer")


def _judge_expiry(expiries: Mapping[str, datetime], reading: Reading) -> Iterator[str]:
    """Yield a warning for each role that has expired and is accepted.

    Raises:
        ExpiredError: nobody accepts it.
    """
    for role, expires in sorted(expiries.items(), key=lambda item: item[1]):
        if reading.now < expires:
            return
        days = counted((reading.now - expires).days, "day")
        error = ExpiredError(
            role,
            f"{role} expired {days} ago, on {time_text(expires)}; this machine's clock says {time_text(reading.now)}",
        )
        if reading.stale_until is None or reading.now >= reading.stale_until:
            raise error
        yield error.message


def _delegations(data: bytes, newest: Root) -> Delegations:
    """Read top-level targets, which python-tuf found to be signed."""
    try:
        document = documents.decode(data, what="targets", limit=MOST_BYTES[TARGETS])
    except DocumentError as error:
        raise ChannelError("metadata", error.message) from None
    there = document["signed"].get("delegations") or {}
    if len(there.get("roles", ())) > 2 or "succinct_roles" in there:
        raise ChannelError("handed-on", f"targets hand names on to {len(there.get('roles', ()))} roles, not to two")
    found = Delegations.read(document)
    found.check_signed(newest)
    return found


def _versions(
    root: Root, delegations: Delegations, roles: Mapping[str, Any], updater: "_Updater"
) -> dict[str, Version]:
    """Return the version of each role as `Known` takes it."""
    own = "kit-" if root.kit else ""
    keys = {name: root.roles[name].keys for name in (TIMESTAMP, SNAPSHOT, TARGETS)}
    keys |= {name: delegations.roles[name].keys for name in (HOTFIXES, STATUS)}
    versions = {
        (name if name in _SHARED else own + name): Version(
            roles[name].version,
            documents.digest(updater.kept(name)) if name in _SHARED else None,
            _digest_of_ids(signing),
        )
        for name, signing in keys.items()
    }
    # Roots are followed one by one and need no memory; a kit brings its own root anew each time.
    return versions | ({"kit-root": Version(root.version, None, _digest_of_ids(()))} if root.kit else {})


def _digest_of_ids(ids: Iterable[str]) -> str:
    return documents.digest("\n".join(sorted(ids)).encode())


def _targets(role: Targets) -> Iterator[Target]:
    for name, target in role.targets.items():
        sha256 = target.hashes.get("sha256")
        if sha256 is not None and len(sha256) == 64:
            channel.check_target_name(name)
            yield Target(name, sha256, target.length)


# python-tuf


class _Fetcher(FetcherInterface):
    """Gives python-tuf the metadata of a source, and no root: those were walked before.

    Attributes:
        role: whose metadata was asked for last.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.role = ROOT

    def _fetch(self, url: str) -> Iterator[bytes]:
        raise NotImplementedError("python-tuf asks for metadata alone")

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Return the bytes of one file of metadata."""
        role = url.removeprefix(_FOLDER).split(".")[-2]
        if role == ROOT:
            raise tuf.DownloadHTTPError("walked before", 404)
        self.role = role
        # What the snapshot says of a length may not lift the limit.
        return self._source.read(url, min(max_length, MOST_BYTES[role]))


class _Updater(Updater):
    """python-tuf's client, which believes that nothing expires: we judge that by the clock that we are given."""

    def __init__(self, folder: Path, fetcher: _Fetcher, root: Root) -> None:
        config = UpdaterConfig(
            timestamp_max_length=MOST_BYTES[TIMESTAMP],
            snapshot_max_length=MOST_BYTES[SNAPSHOT],
            targets_max_length=MOST_BYTES[TARGETS],
        )
        bootstrap = documents.encode(root.document)
        super().__init__(str(folder), _FOLDER, fetcher=fetcher, config=config, bootstrap=bootstrap)
        self._folder = folder
        self._trusted_set.reference_time = _ALWAYS

    def load_delegated(self) -> None:
        """Verify the metadata of the two delegated roles."""
        # Whatever the name, the role that answers for such names is loaded.
        for name in (f"{HOTFIXES}/-/-/-", channel.CHECKPOINT):
            self.get_targetinfo(name)

    def roles(self) -> dict[str, Any]:
        """Return what was verified of each role.

        Raises:
            ChannelError: a role is missing, or hands names on.
        """
        found = {name: self._trusted_set.get(name) for name in (TIMESTAMP, SNAPSHOT, *_SHARED)}
        for name, signed in found.items():
            if signed is None:
                raise ChannelError("handed-on", f"targets do not hand names on to {name} as they must")
            if name in (HOTFIXES, STATUS) and signed.delegations is not None:
                raise ChannelError("handed-on", f"{name} hands names on to other roles")
        return found

    def kept(self, role: str) -> bytes:
        """Return the bytes of a role's metadata that was verified."""
        return (self._folder / f"{role}.json").read_bytes()


def _run(source: Source, root: Root, newest: Root, cache: Path) -> tuple[_Updater, Delegations]:
    """Have python-tuf verify all metadata below a root, which is the newest one or that of kits."""
    fetcher = _Fetcher(source)
    try:
        updater = _Updater(cache, fetcher, root)
        updater.refresh()
        delegations = _delegations(updater.kept(TARGETS), newest)
        updater.load_delegated()
        return updater, delegations
    except SourceError as error:
        if error.code == "source.missing" and fetcher.role == TIMESTAMP:
            raise SourceError("no-channel", f"{source.name} holds no channel: {error.message}") from None
        raise
    except (tuf.RepositoryError, tuf.DownloadError, ValueError, TypeError, KeyError) as error:
        raise _refusal(error, fetcher.role, source, root) from None


def _refusal(error: Exception, role: str, source: Source, root: Root) -> PatchlineError:
    """Return the error of ours for one of python-tuf's, which came up when a role's metadata was looked at."""
    name, text = source.name, str(error)
    if isinstance(error, tuf.UnsignedMetadataError):
        if role == TIMESTAMP and not root.kit and signed_for_kits(source, _keyids(source)):
            return ChannelError("wrong-tree", f"{name} is a kit, or serves a kit's metadata as the channel's")
        return ChannelError("forged", f"{role} of {name} is not signed by the keys that count: {text}")
    if isinstance(error, DeserializationError):
        return ChannelError("metadata", f"{role} of {name} is no TUF metadata")
    if isinstance(error, tuf.BadVersionNumberError):
        mixed = role in _SHARED or text.startswith("Expected snapshot version")
        words = "does not belong to the rest" if mixed else "is older than what this site has seen"
        return ChannelError("mixed" if mixed else "older", f"{role} of {name} {words}: {text}")
    if isinstance(error, tuf.LengthOrHashMismatchError):
        return ChannelError("mixed", f"{role} of {name} is not what was signed for it: {text}")
    if "missing info" in text or "not part of snapshot" in text or "does not contain" in text:
        return ChannelError("dropped", f"{name} does not list all its metadata any more: {text}")
    return ChannelError("metadata", f"{role} of {name} cannot be used: {text}")


def _keyids(source: Source) -> set[str]:
    """Return by which keys a timestamp says that it is signed."""
    try:
        document = json.loads(source.read(channel.metadata_file(TIMESTAMP, 0), MOST_BYTES[TIMESTAMP]))
        return {str(entry["keyid"]) for entry in document["signatures"]}
    except (SourceError, ValueError, KeyError, TypeError):
        return set()
