"""A vendor's channel in a folder or in memory, with keys that follow from names, and a customer's eyes on it."""

import shutil
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from patchline.patches import channel as form
from patchline.patches import documents
from patchline.patches.recall_list import Held, RecallList
from patchline.patches.recall_statements import Revision
from patchline.patches.stored_zip import write_members
from patchline.releaser import ceremony
from patchline.releaser.channel import Channel
from patchline.releaser.channel_roots import Offline, take_in
from patchline.releaser.channel_writing import OnlineKeys
from patchline.releaser.stores import Store
from tests import vendor
from tests.vendor import NOW, OFFLINE, signer

YEAR = timedelta(days=365)
NAMES = OFFLINE


def root(version=1, names=NAMES, online="online", previous=None, signers=None, now=NOW):
    made = ceremony.make_root(
        [signer(name).public for name in names], 2, now, online=signer(online).public, previous=previous
    )
    for name in names[:2] if signers is None else signers:
        made = ceremony.sign_root(made, signer(name))
    assert made.version == version
    return made


def kit_root(names=NAMES, kit="kit", previous=None, signers=None, now=NOW):
    made = ceremony.make_root(
        [signer(name).public for name in names], 2, now, kit=signer(kit).public, previous=previous
    )
    for name in names[:2] if signers is None else signers:
        made = ceremony.sign_root(made, signer(name))
    return made


def targets(publisher="online", status="online", previous=None, signers=NAMES[:2], now=NOW):
    made = ceremony.make_targets([signer(publisher).public], [signer(status).public], now, previous=previous)
    for name in signers:
        made = ceremony.sign_targets(made, signer(name))
    return made


@cache
def ceremony_of(**more):
    """Root, root of kits and targets of the first ceremony; signing them in pure Python takes its time."""
    return Offline.of([root(), kit_root(), targets(**more)])


def keys(online="online", publisher=None, former=()):
    key = signer(online)
    return OnlineKeys(signer(publisher or online), key, key, key, tuple(signer(name) for name in former))


def begun(store, now=NOW, **more):
    """A channel that has taken in the first ceremony's papers."""
    channel = Channel(store, keys(**more))
    publisher = {"publisher": more["publisher"]} if "publisher" in more else {}
    take_in(channel, ceremony_of(**publisher), now)
    return channel


def name(number=1, revision=1):
    return form.HotfixName("demo", f"HF-2026-{number:04}", revision).target


def zip_of(folder: Path, number=1, revision=1, line=b"same", more=b"") -> Path:
    """A file in the form of a release zip."""
    bundle = f"HF-2026-{number:04}-r{revision}.hotfix"
    parts = {"README.txt": b"read me\n", bundle: b"bundle %d" % number}
    parts |= {f"{bundle}.approvals.jsonl": more, f"{bundle}.sha256": line}
    path = folder / f"{number}-{revision}-{documents.digest(line + more)[:6]}.zip"
    with path.open("w+b") as out:
        write_members(out, [(part, len(data), BytesIO(data)) for part, data in parts.items()])
    return path


def publish(channel, folder, number=1, now=NOW, **more):
    listed = channel.upload(name(number, more.get("revision", 1)), zip_of(folder, number, **more))
    with channel.changing(now) as edit:
        edit.put(listed)
    return listed


def recalls(number=1, held=(), now=NOW):
    """A recall list that holds hotfixes by their numbers."""
    entries = [Held(Revision(f"HF-2026-{one:04}", 1, documents.digest(b"%d" % one)), "it bites") for one in held]
    return RecallList.make("demo", number, now, entries, ()).data


def policy(version=1):
    previous = "0" * 64 if version > 1 else None
    document = vendor.policy_document(version=version, previous=previous)
    return documents.encode(vendor.policy_envelope(document).as_document())


class StoreFetcher(FetcherInterface):
    """Fetches from a store, as a web server would serve it."""

    def __init__(self, store: Store):
        self.store, self.fetched = store, []

    def _fetch(self, url):
        path = url.removeprefix("http://channel/")
        data = self.store.read(path, 1 << 30)
        if data is None:
            raise DownloadHTTPError(path, 404)
        self.fetched.append(path)
        yield data


def updater(store, folder: Path, bootstrap=None, at: datetime = NOW) -> Updater:
    """python-tuf's own client, as it is, at a time of ours; metadata is kept in the folder."""
    found = Updater(
        str(folder),
        "http://channel/metadata/",
        target_dir=str(folder),
        target_base_url="http://channel/targets/",
        fetcher=StoreFetcher(store),
        bootstrap=documents.encode((bootstrap or root()).document),
    )
    found._trusted_set.reference_time = at.astimezone(UTC)
    return found


def seen_by_tuf(store, folder: Path, *names, at: datetime = NOW, bootstrap=None) -> dict[str, bytes | None]:
    """What python-tuf's own client takes from the channel."""
    folder.mkdir(exist_ok=True)
    client = updater(store, folder, bootstrap, at)
    client.refresh()
    found = {}
    for one in names:
        info = client.get_targetinfo(one)
        if info is not None:
            path = folder / "target"
            client.download_target(info, str(path))
            found[one] = path.read_bytes()
        else:
            found[one] = None
    return found


def copy_of(store_folder: Path, to: Path) -> Store:
    shutil.copytree(store_folder, to)
    return Store.of_folder(to)


def listed_names(store) -> set[str]:
    return set(Channel(store, keys()).published().targets)
