"""Publishing into and refreshing from a channel of many hotfixes, and python-tuf bare doing the same."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import (  # type: ignore[attr-defined]  # it declares no public names
    Metadata,
    MetaFile,
    TargetFile,
)
from tuf.ngclient import FetcherInterface, Updater

from patchline.patches import channel as form
from patchline.patches import documents
from patchline.patches.channel import HOTFIXES, SNAPSHOT, TIMESTAMP
from patchline.patches.keys import Kind
from patchline.patches.root import Root
from patchline.patches.signers import LocalSigner, new_secret
from patchline.patches.site.known import Known
from patchline.patches.site.metadata import Reading, read_tree
from patchline.patches.site.sources import Folder
from patchline.patches.tuf_keys import TufSigner
from patchline.releaser import ceremony
from patchline.releaser.channel import Channel
from patchline.releaser.channel_roots import Offline, take_in
from patchline.releaser.channel_writing import OnlineKeys, Wanted, Writing
from patchline.releaser.published import ListedTarget
from patchline.releaser.stores import Store

_SECRET, _ADDED = "online.secret", "added"


def prepare(folder: Path, count: int) -> None:
    """Make a channel that lists so many hotfixes, and a file to be published."""
    now = datetime.now(UTC)
    secret = new_secret(Kind.P256)
    online, holder = LocalSigner(Kind.P256, secret), LocalSigner(Kind.P256, new_secret(Kind.P256))
    folder.mkdir(parents=True)
    (folder / _SECRET).write_bytes(secret)
    (folder / _ADDED).write_bytes(b"a small release" * 100)
    root = ceremony.sign_root(ceremony.make_root([holder.public], 1, now, online=online.public), holder)
    targets = ceremony.sign_targets(ceremony.make_targets([online.public], [online.public], now), holder)
    channel = _channel(folder)
    take_in(channel, Offline.of([root, targets]), now)
    listed = {name: ListedTarget(name, _digest(name), 1_234_567) for name in map(_name, range(count))}
    published = channel.published()
    Writing(channel.store, channel.keys, published, Wanted(targets, listed), now).write()


def _name(number: int, product: str = "demo") -> str:
    return form.HotfixName(product, f"HF-2026-{number:05}", 1).target


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _channel(folder: Path) -> Channel:
    online = LocalSigner(Kind.P256, (folder / _SECRET).read_bytes())
    return Channel(Store.of_folder(folder / "store"), OnlineKeys.single(online))


def publish(folder: str) -> None:
    """Publish one hotfix as `hotfix publish` does, once everything about it was checked."""
    channel = _channel(Path(folder))
    listed = channel.upload(_name(1, "more"), Path(folder) / _ADDED)
    with channel.changing(datetime.now(UTC)) as edit:
        edit.put(listed)


def tuf_publish(folder: str) -> None:
    """Do the same with python-tuf alone: no look at what is there, no lock, nothing made durable."""
    metadata, now = Path(folder) / "store" / "metadata", datetime.now(UTC)
    signer = TufSigner(LocalSigner(Kind.P256, (Path(folder) / _SECRET).read_bytes()))
    data = (Path(folder) / _ADDED).read_bytes()
    name = _name(1, "more")
    target = TargetFile.from_data(name, data, ["sha256"])
    place = Path(folder) / "store" / form.target_file(name, target.hashes["sha256"])
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    versions = [int(path.name.split(".")[0]) for path in metadata.glob(f"*.{HOTFIXES}.json")]
    hotfixes: Any = Metadata.from_file(str(metadata / f"{max(versions)}.{HOTFIXES}.json"))
    hotfixes.signed.targets[name] = target
    timestamp: Any = Metadata.from_file(str(metadata / "timestamp.json"))
    snapshot: Any = Metadata.from_file(str(metadata / f"{timestamp.signed.snapshot_meta.version}.{SNAPSHOT}.json"))
    for role, one, life in ((HOTFIXES, hotfixes, 365), (SNAPSHOT, snapshot, 30), (TIMESTAMP, timestamp, 7)):
        one.signed.version += 1
        one.signed.expires = now + timedelta(days=life)
        one.sign(signer)
        written = one.to_bytes()
        path = Path(folder) / "store" / form.metadata_file(role, one.signed.version)
        path.write_bytes(written)
        meta = MetaFile.from_data(one.signed.version, written, ["sha256"])
        if role == HOTFIXES:
            snapshot.signed.meta[f"{HOTFIXES}.json"] = meta
        elif role == SNAPSHOT:
            timestamp.signed.snapshot_meta = meta


def refresh(folder: str, cache: str) -> None:
    """Read and judge the channel's metadata as `patchline-site fetch` does."""
    found = read_tree(Folder(Path(folder) / "store"), Reading(_root(folder), Known(), Path(cache), datetime.now(UTC)))
    assert _name(0) in found.targets


def tuf_refresh(folder: str, cache: str) -> None:
    """Do the same with python-tuf's own client."""
    store = Path(folder) / "store"
    updater = Updater(
        cache, "metadata/", fetcher=_FolderFetcher(store), bootstrap=documents.encode(_root(folder).document)
    )
    updater.refresh()
    assert updater.get_targetinfo(_name(0)) is not None


def _root(folder: str) -> Root:
    data = (Path(folder) / "store" / form.metadata_file("root", 1)).read_bytes()
    return Root.read(documents.decode(data, what="root"))


class _FolderFetcher(FetcherInterface):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            yield (self._folder / url).read_bytes()
        except FileNotFoundError:
            raise DownloadHTTPError(url, 404) from None


WORK: dict[str, Callable[..., None]] = {
    "channel-publish": publish,
    "tuf-publish": tuf_publish,
    "channel-refresh": refresh,
    "tuf-refresh": tuf_refresh,
}
