"""The vendor's side of the channel: what may change in it, one change at a time.

- `changing` is the door for whoever publishes: within the block the newest state is at hand and nobody else publishes;
  at its end everything appears at once, or nothing. A block that was cut off at any instant is simply done again.
- A published hotfix is never replaced by another bundle and never vanishes without a hold or recall; nothing of the
  status role is followed by something older (`channel_status`).
- A store that lost its newest state, as after a restored backup, is not published on: sites have seen more. `above`
  takes the versions that were seen outside, and goes on after them.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from patchline.patches import channel
from patchline.patches.channel import HOTFIXES, SNAPSHOT, STATUS, TIMESTAMP
from patchline.patches.errors import LockedError, RefusedError, StateError
from patchline.patches.files import open_regular
from patchline.patches.progress import progress
from patchline.patches.release_zip import CLIENT_FILES, RELEASE_LINE, ReleaseZip
from patchline.releaser.channel_status import MOST_BYTES, check_client, check_status, check_withdrawn
from patchline.releaser.channel_writing import OnlineKeys, Wanted, Writing
from patchline.releaser.published import ListedTarget, Published, Versions, read_published
from patchline.releaser.stores import CHUNK, Store

_ONLINE_ROLES = (HOTFIXES, STATUS, SNAPSHOT, TIMESTAMP)
_ATTEMPTS = 8
_KEPT = 20
"""Earlier versions of each list that stay for clients that have just read the one before."""
_LISTS = re.compile(rf"metadata/([0-9]+)\.({HOTFIXES}|{STATUS}|{SNAPSHOT})\.json")


@dataclass(frozen=True)
class Renewal:
    """What `Channel.renew` signed again, and what only people with offline keys can."""

    versions: Versions
    renewed: tuple[str, ...]
    expiries: Mapping[str, datetime]


class Edit:
    """A channel's state that is being changed.

    Attributes:
        targets: every target by its name, as it will be listed.
        published: the state that is there.
    """

    def __init__(self, channel_store: Store, published: Published) -> None:
        self._store, self.published = channel_store, published
        self.targets: dict[str, ListedTarget] = dict(published.targets)
        self._status: dict[str, bytes] = {}

    def put(self, target: ListedTarget, *, replace: bool = False) -> None:
        """List a hotfix, the file of which was uploaded.

        Args:
            target: as `Channel.upload` returned it.
            replace: it may replace a zip of the same bundle, that has other sidecars by now.

        Raises:
            RefusedError: it is another bundle than the published one.
            StateError: its file is not there.
        """
        channel.HotfixName.read(target.name)
        known = self.targets.get(target.name)
        if self._store.size(target.file) != target.size:
            raise StateError("channel-upload", f"{target.file} is not in the channel's store")
        if known is not None and known.sha256 != target.sha256:
            same = replace and self._bundle_line(known) == self._bundle_line(target)
            if not same:
                raise RefusedError("channel-replaced", f"{target.name} is published already, and is another file")
        self.targets[target.name] = target

    def _bundle_line(self, target: ListedTarget) -> tuple[bytes, int]:
        with self._store.reader(target.file) as stream:
            release = ReleaseZip(stream, target.size, target.name)
            return release.sidecar(RELEASE_LINE), release.bundle_size

    def remove(self, name: str) -> None:
        """Take a hotfix out of the list; at the end of the block a recall list must hold or recall it."""
        self.targets.pop(name, None)

    def status(self, name: str, data: bytes) -> None:
        """Put or replace a document or file of the status role.

        Raises:
            RefusedError: what is published under this name is newer.
        """
        channel.check_target_name(name)
        known = self.published.targets.get(name)
        most = max(CLIENT_FILES.values()) if name.startswith(channel.CLIENT) else MOST_BYTES
        check_status(name, self._store.read(known.file, most) if known else None, data)
        self._status[name] = data
        self.targets[name] = ListedTarget(name, hashlib.sha256(data).hexdigest(), len(data))

    def recall_list(self, product: str) -> bytes | None:
        """Return a product's recall list as it will be, None where there is none."""
        name = channel.recalls_target(product)
        if name in self._status:
            return self._status[name]
        listed = self.targets.get(name)
        return self._store.read(listed.file, MOST_BYTES) if listed else None

    def finish(self) -> None:
        """Check what only the whole shows, and upload the status documents."""
        gone = {name for name in self.published.targets if name not in self.targets}
        for name in sorted(gone):
            check_withdrawn(name, self.recall_list(channel.HotfixName.read(name).product))
        self._check_client()
        for name, data in self._status.items():
            listed = self.targets[name]
            self._store.upload(listed.file, BytesIO(data), listed.size, listed.sha256)

    def _check_client(self) -> None:
        names = {channel.CLIENT + ending: ending for ending in channel.CLIENT_ENDINGS}
        given = {ending: self._status[name] for name, ending in names.items() if name in self._status}
        if not given:
            return
        if len(given) != len(names):
            raise RefusedError("channel-client", "the client goes with its .sha256 and .sha256.sig")
        check_client(given, self.targets[channel.CLIENT].sha256)


@dataclass(frozen=True)
class Channel:
    """A channel in its store, with the keys that publish.

    Attributes:
        seen: versions known to have been published, as the register noted them; older ones in the store are refused.
    """

    store: Store
    keys: OnlineKeys
    seen: Versions = field(default_factory=Versions)

    def published(self) -> Published:
        """Return the state that is there; raises as `read_published`."""
        return read_published(self.store)

    def upload(self, name: str, path: Path) -> ListedTarget:
        """Upload a file, which nobody finds before it is listed.

        Args:
            name: of the target.
            path: of the file.

        Raises:
            StateError: the file changed meanwhile.
        """
        channel.check_target_name(name)
        with open_regular(path) as file:
            digest, size = _measure(file)
            listed = ListedTarget(name, digest, size)
            file.seek(0)
            with progress(f"uploading {path.name}", size):
                self.store.upload(listed.file, file, size, digest)
        return listed

    @contextmanager
    def changing(self, now: datetime) -> Iterator[Edit]:
        """Change the channel in the block; at its end all of it is published at once, nothing if it changed nothing.

        Raises:
            StateError: there is no channel yet, a rotation was cut off, or the store is older than what was published.
            LockedError: on an object store, somebody else published meanwhile; nothing was changed.
            RefusedError: a change that may not be.
        """
        with self.store.exclusive():
            edit = Edit(self.store, self._ready())
            yield edit
            edit.finish()
            self._write(edit.published, edit.targets, now)

    def change(self, work: Callable[[Edit], None], now: datetime) -> None:
        """Do `changing`, again when somebody else was faster; `work` may be called several times."""
        for attempt in range(_ATTEMPTS):
            try:
                with self.changing(now) as edit:
                    work(edit)
                return
            except LockedError as error:
                if error.code != "locked.channel" or attempt == _ATTEMPTS - 1:
                    raise

    def renew(self, now: datetime) -> Renewal:
        """Sign again what has lived more than half of its life, and clear away lists long replaced; for a timer.

        Raises:
            StateError: as `changing`.
        """
        with self.store.exclusive():
            published = self._ready()
            due = frozenset(role for role in _ONLINE_ROLES if is_due(role, published.expiries[role], now))
            versions = self._write(published, published.targets, now, again=due)
            expiries = read_published(self.store).expiries if due else published.expiries
            self._clear(versions)
        return Renewal(versions, versions.newer_than(published.versions), expiries)

    def above(self, seen: Versions, now: datetime) -> Versions:
        """Sign everything again, with versions above those that were seen outside: for after a restored backup.

        Raises:
            StateError: a newer root or newer targets were seen, that must be taken in first.
        """
        with self.store.exclusive():
            published = self._begun()
            for role, there in (("root", published.versions.root), ("targets", published.versions.targets)):
                if seen.of(role) > there:
                    raise StateError(
                        "channel-behind", f"{role} {seen.of(role)} was seen; the channel's store has {there}"
                    )
            again = frozenset(_ONLINE_ROLES)
            return self._write(published, published.targets, now, again=again, above=seen)

    def _clear(self, versions: Versions) -> None:
        """Remove lists that nobody refers to any more: each publication writes all of it anew. Roots stay for ever."""
        old = [match for name in self.store.names("metadata/") if (match := _LISTS.fullmatch(name))]
        for match in old:
            if int(match[1]) < versions.of(match[2]) - _KEPT:
                self.store.delete(match[0])

    def _begun(self) -> Published:
        published = self.published()
        if published.delegations is None:
            raise StateError("channel-empty", "the channel has no root and no targets yet")
        if published.rotating:
            raise StateError("channel-rotation", f"root {len(published.roots)} was taken in only half")
        return published

    def _ready(self) -> Published:
        published = self._begun()
        there = published.versions
        for role, version in self.seen.as_document().items():
            if there.of(role) < version:
                raise StateError("channel-behind", f"{role} {version} was published; the store has {there.of(role)}")
        return published

    def _write(self, published: Published, targets: Mapping[str, ListedTarget], now: datetime, **more: Any) -> Versions:
        if published.delegations is None:
            raise StateError("channel-empty", "the channel has no root and no targets yet")
        return Writing(self.store, self.keys, published, Wanted(published.delegations, targets, **more), now).write()


def is_due(role: str, expires: datetime, now: datetime) -> bool:
    """Tell whether less than half of a role's life is left, or more than all of it.

    The latter comes of a clock that was wrong when it was signed; sites refuse it.
    """
    left, life = expires - now, channel.LIVES[role]
    return left < life / 2 or left > life + channel.CLOCKS


def _measure(file: BinaryIO) -> tuple[str, int]:
    """Return the SHA-256 and the size of what a file holds from here on."""
    hasher, size = hashlib.sha256(), 0
    while data := file.read(CHUNK):
        hasher.update(data)
        size += len(data)
    return hasher.hexdigest(), size
