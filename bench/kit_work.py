"""Kits of many hotfixes, each really built, approved and published; made and taken in by the product's own code."""

import hashlib
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from patchline.patches import bundle, channel, documents, envelopes
from patchline.patches.envelopes import Envelope, write_sidecar
from patchline.patches.keys import Kind
from patchline.patches.manifest import Manifest
from patchline.patches.policy import POLICY_TYPE, Purpose, key_document
from patchline.patches.provenance import BuildRecord, Scan, Simulation, provenance_payload
from patchline.patches.recall_list import RecallList
from patchline.patches.release_zip import write_release
from patchline.patches.signers import LocalSigner, new_secret
from patchline.patches.site import creating, state
from patchline.patches.site.disk import Disk
from patchline.patches.site.fetching import fetch
from patchline.patches.site.offers import Standing
from patchline.patches.site.sources import opened_source
from patchline.patches.statements import PAYLOAD_TYPE, Approval, Subject
from patchline.patches.trust import Trust, trust_document
from patchline.releaser import ceremony
from patchline.releaser.channel import Channel
from patchline.releaser.channel_roots import Offline, take_in
from patchline.releaser.channel_writing import OnlineKeys
from patchline.releaser.kit_choice import Wish
from patchline.releaser.kits import make_kit
from patchline.releaser.policy_making import first_policy
from patchline.releaser.stores import Store

_PRODUCT, _BASELINE = "bench", "1.0"
_KIT_SECRET = "kit.secret"
_NAMES = ("holder", "online", "kit", "builder", "ada", "ben")


def prepare(folder: Path, count: int, size: int) -> None:
    """Make a channel with so many hotfixes of so many bytes each, and a site that lacks them all."""
    now = datetime.now(UTC)
    secrets = {name: new_secret(Kind.P256) for name in _NAMES}
    signers = {name: LocalSigner(Kind.P256, secret) for name, secret in secrets.items()}
    folder.mkdir(parents=True)
    (folder / _KIT_SECRET).write_bytes(secrets["kit"])
    trust = _trust(signers, now)
    published = _channel(folder, signers, trust, now)
    for number in range(1, count + 1):
        _publish(folder, published, signers, number, size, now)
    root = folder / "app"
    root.mkdir()
    new = creating.NewSite(_PRODUCT, _BASELINE, {"app": root}, (), trust.data, None)
    creating.create(new, folder / "state", Disk(), now)


def _trust(signers: dict[str, LocalSigner], now: datetime) -> Trust:
    holder = signers["holder"]
    root = ceremony.sign_root(ceremony.make_root([holder.public], 1, now, online=signers["online"].public), holder)
    document = first_policy(_PRODUCT)
    purposes = {"builder": Purpose.BUILDER, "ada": Purpose.APPROVER, "ben": Purpose.APPROVER}
    document["persons"] = {name: {"keys": [key_document(signers[name].public, use)]} for name, use in purposes.items()}
    document["rules"] = [{"threshold": 2, "reproduced": 0}]
    policy = Envelope(POLICY_TYPE, documents.encode(document), ()).signed_by(holder)
    return Trust.parse(trust_document(product=_PRODUCT, root=root, policy=policy))


def _channel(folder: Path, signers: dict[str, LocalSigner], trust: Trust, now: datetime) -> Channel:
    holder, online = signers["holder"], signers["online"]
    kit_root = ceremony.make_root([holder.public], 1, now, kit=signers["kit"].public)
    targets = ceremony.make_targets([online.public], [online.public], now)
    papers = [trust.root, ceremony.sign_root(kit_root, holder), ceremony.sign_targets(targets, holder)]
    made = Channel(Store.of_folder(folder / "store"), OnlineKeys.single(online))
    take_in(made, Offline.of(papers), now)
    with made.changing(now) as edit:
        edit.status(channel.policy_target(_PRODUCT), documents.encode(trust.policy_envelope.as_document()))
        edit.status(channel.recalls_target(_PRODUCT), RecallList.make(_PRODUCT, 1, now, (), ()).data)
    return made


def _publish(
    folder: Path, published: Channel, signers: dict[str, LocalSigner], number: int, size: int, now: datetime
) -> None:
    """Build, sign and publish one hotfix, which adds one file that no compression makes smaller."""
    work = folder / "work"
    work.mkdir()
    content = os.urandom(size)
    manifest = Manifest.from_document(_manifest(number, content))
    path = work / f"{manifest.label}.hotfix"
    written = bundle.write(path, manifest, lambda _: [content])
    record = BuildRecord({}, "bench", now, now, "0", written.payload, Scan(1, "0" * 64), Simulation(1, 1))
    payload = provenance_payload(manifest, [Subject(path.name, written.container)], record)
    built = envelopes.sign(payload, PAYLOAD_TYPE, signers["builder"])
    statement = Approval.make(manifest, scope=None, reproduced=False, now=now).as_payload()
    approved = [envelopes.sign(statement, PAYLOAD_TYPE, signers[name]) for name in ("ada", "ben")]
    path.with_name(f"{path.name}.provenance.jsonl").write_bytes(write_sidecar([built]))
    path.with_name(f"{path.name}.approvals.jsonl").write_bytes(write_sidecar(approved))
    write_release(work / "release.zip", "A release.\n", path)
    target = channel.HotfixName(_PRODUCT, manifest.hotfix, 1).target
    listed = published.upload(target, work / "release.zip")
    with published.changing(now) as edit:
        edit.put(listed)
    shutil.rmtree(work)


def _manifest(number: int, content: bytes) -> dict[str, Any]:
    post = {"type": "file", "sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "executable": False}
    entry = {"root": "app", "path": f"lib/{number}.bin", "pre": [{"type": "absent"}], "post": post}
    git = {"base_tag": _BASELINE, "base_commit": "a" * 40, "head_commit": "b" * 40, "base_tree": "c" * 40}
    return {
        "format": 1,
        "hotfix": f"HF-2026-{number:04}",
        "revision": 1,
        "kind": "one-off",
        "severity": "moderate",
        "title": f"Mend {number}",
        "min_client": "1.0",
        "critical": [],
        "target": {"product": _PRODUCT, "baselines": [_BASELINE], "platforms": ["linux"], "requires_products": []},
        "fixes": [{"id": f"BUG-{number}", "title": f"Mend {number}", "coverage": "full", "cve": []}],
        "relations": {"requires": [], "conflicts": [], "supersedes": [], "includes": [], "merges": []},
        "provenance": {"kind": "git", "repository": _PRODUCT, **git, "head_tree": "d" * 40, "commits": ["b" * 40]},
        "contributors": ["walt"],
        "files": [{**entry, "class": "code", "optional": False, "fixes": [f"BUG-{number}"]}],
        "scripts": [],
        "steps": [],
        "checks": [],
        "guidance": ["none"],
        "database": [],
    }


def make(folder: str) -> None:
    """Make a kit with everything."""
    key = LocalSigner(Kind.P256, (Path(folder) / _KIT_SECRET).read_bytes())
    make_kit(Store.of_folder(Path(folder) / "store"), key, Wish(), Path(folder) / "kit", datetime.now(UTC))


def take(folder: str) -> None:
    """Take the kit in at the site: metadata, approvals, and every byte of every release."""
    place = Path(folder)
    with (
        state.opened(place / "app", place / "state", Disk()) as site,
        opened_source(str(place / "kit")) as source,
    ):
        fetched = fetch(site, source, datetime.now(UTC), None)
    assert fetched.offers
    assert all(offer.standing is Standing.NEW for offer in fetched.offers)


WORK: dict[str, Callable[..., None]] = {"kit-make": make, "kit-take": take}
