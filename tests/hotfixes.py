"""A register with a product, a baseline, a root and a policy, in which a test takes hotfixes through their lives.

Keys are those of `tests.vendor`, who signs in pure Python; files are real.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from patchline.patches import bundle, documents, envelopes
from patchline.patches.baselines import baseline_list
from patchline.patches.channel import HotfixName
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import ManifestError
from patchline.patches.fields import Fields
from patchline.patches.manifest import Manifest, read_state
from patchline.patches.provenance import provenance_payload, with_evidence
from patchline.patches.recall_statements import Recall, Reinstatement
from patchline.patches.release import release_line
from patchline.patches.root import Root
from patchline.patches.statements import PAYLOAD_TYPE, Subject
from patchline.releaser import approvals, bundles, hotfixes, intake, policies, publishing, recalls, submitting
from patchline.releaser.bundle_files import BundleFile, read_bundle
from patchline.releaser.channel import Channel
from patchline.releaser.publishing import Release
from patchline.releaser.recalling import RecallFile, read_recall_file
from patchline.releaser.register import Register
from patchline.releaser.stores import Store
from patchline.releaser.tables.catalogue import Baseline, Container, Product
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from tests import channels, vendor
from tests.registers import NOW
from tests.samples import NEW, OLD, entry, file_state, fix, manifest_document, sha256

CONTENTS = {sha256(data): data for data in (OLD, NEW)}
FILES = {"a.txt": b"old\n", "b.txt": b"b0\n", "c.txt": b"c0\n"}


def content(data: bytes) -> bytes:
    """Remember a content, so that bundles can be written that hold it."""
    CONTENTS[sha256(data)] = data
    return data


def changed(path: str, before: bytes, after: bytes, **more: Any) -> dict[str, Any]:
    return entry(path, file_state(content(before)), file_state(content(after)), **more)


@dataclass
class Life:
    """Somebody's day with one register."""

    register: Register
    folder: Path
    now: datetime = NOW

    @property
    def root(self) -> Root:
        return policies.newest_root(self.register)

    def later(self, **passed: float) -> None:
        self.now += timedelta(**passed)

    def change(self, by: str = "rita"):
        return self.register.change(by, self.now)

    @property
    def channel(self) -> Channel:
        return Channel(Store.at(self.register.channel), channels.keys())

    # The ground

    def prepare(self, policy: dict[str, Any] | None = None) -> "Life":
        channels.begun(Store.at(self.register.channel), self.now)
        with self.register.database.write() as session:
            session.add(Product(id="demo", name="Demo", added=self.now))
            session.flush()
        self.add_baseline("1.0")
        self.take_policy(policy or vendor.policy_document())
        return self

    def add_baseline(self, label: str, files: dict[str, bytes] = FILES) -> None:
        states = {path: read_state(Fields(file_state(data), "file", ManifestError)) for path, data in files.items()}
        listed = baseline_list("demo", label, {"app": states})
        container = int(documents.digest(listed)[:7], 16)
        with self.register.database.write() as session:
            session.add(Container(id=container, sha256=documents.digest(listed), entries=len(files)))
            session.flush()
            session.add(
                Baseline(
                    product="demo",
                    label=label,
                    kind="git",
                    tag=label,
                    commit_id="a" * 40,
                    tree_id="c" * 40,
                    files=listed,
                    files_sha256=documents.digest(listed),
                    container=container,
                    added=self.now,
                    added_by="rita",
                )
            )

    def take_policy(self, document: dict[str, Any], signers: tuple[str, ...] = vendor.OFFLINE[:2]) -> None:
        envelope = vendor.policy_envelope(document, signers)
        with self.change() as change:
            policies.take(change, "demo", documents.encode(envelope.as_document()), self.root)

    # The life of one

    def new(self, by: str = "cleo", **wanted: Any) -> str:
        given = {"product": "demo", "baseline": "1.0", "title": "Mend BUG-1", **wanted}
        with self.change(by) as change:
            return hotfixes.new(change, hotfixes.Wanted(**given)).hotfix

    def bundle(self, identifier: str, files: list[dict[str, Any]] | None = None, **changes: Any) -> BundleFile:
        """Write the bundle of a hotfix's last revision; by Walt, who is no approver."""
        with self.register.read() as session:
            revision = hotfixes.find(session, identifier)
            hotfix = session.get_one(Hotfix, revision.hotfix)
            given = {"hotfix": hotfix.id, "revision": revision.number, "title": hotfix.title, "contributors": ["walt"]}
            target = {"baselines": [hotfix.baseline], **changes.pop("target", {})}
        document = manifest_document(files, **{**given, **changes})
        document["target"] = {**document["target"], **target}
        manifest = Manifest.from_document(document)
        path = self.folder / f"{manifest.label}.{len(list(self.folder.iterdir()))}" / f"{manifest.label}.hotfix"
        path.parent.mkdir(parents=True)
        bundle.write(path, manifest, lambda member: [CONTENTS[member.sha256]])
        return read_bundle(path)

    def provenance(self, found: BundleFile, by: tuple[str, ...] = ("builder",), results: Any = None) -> bytes:
        payload = provenance_payload(found.manifest, [Subject(found.path.name, found.container)], vendor.RECORD)
        envelope = Envelope(PAYLOAD_TYPE, with_evidence(payload, results or {}), ())
        for name in by:
            envelope = envelope.signed_by(vendor.signer(name))
        return envelopes.write_sidecar([envelope])

    def build(self, identifier: str, by: str = "cleo", *, signed: bool = True, **changes: Any) -> BundleFile:
        found = self.bundle(identifier, **changes)
        size = bundles.keep(self.register, found)
        with self.change(by) as change:
            intake.take(change, identifier, found, size, self.provenance(found) if signed else b"")
        return found

    def submit(self, identifier: str, by: str = "cleo", **more: Any) -> Revision:
        with self.change(by) as change:
            return submitting.submit(change, identifier, self.root, **more)

    def reviewed(self, by: str = "cleo", wanted: dict[str, Any] | None = None, **changes: Any) -> str:
        """Make a hotfix that is in review."""
        identifier = self.new(by, **(wanted or {}))
        self.build(identifier, by, **changes)
        self.submit(identifier, by)
        return identifier

    def approval(self, identifier: str, key: str = "ada", **more: Any) -> bytes:
        with self.register.read() as session:
            manifest = Manifest.parse(hotfixes.find(session, identifier).manifest or b"")
        return envelopes.write_sidecar([vendor.approval(manifest, key, **more)])

    def approve(self, identifier: str, key: str = "ada", by: str = "rita", **more: Any) -> approvals.Taken:
        sidecar = self.approval(identifier, key, **more)
        with self.change(by) as change:
            return approvals.take(change, identifier, sidecar, self.root)

    def approved(self, by: str = "cleo", keys: tuple[str, ...] = ("ada", "ben"), **more: Any) -> str:
        """Make a hotfix that is approved."""
        identifier = self.reviewed(by, **more)
        for key in keys:
            self.approve(identifier, key)
        return identifier

    def release(self, identifier: str, key: str = "release") -> Release:
        """What the release key says of a hotfix's last revision."""
        with self.register.read() as session:
            kept = bundles.release_set(session, hotfixes.find(session, identifier))
        line = release_line(kept.name, kept.container)
        return Release(line, vendor.signer(key).sign(line))

    def publish(self, identifier: str, by: str = "rita", release: Release | None = None) -> str:
        return publishing.publish(
            self.register, self.channel, by, self.now, identifier, release or self.release(identifier)
        )

    def published(self, **more: Any) -> str:
        """Make a hotfix that the channel offers."""
        identifier = self.approved(**more)
        self.publish(identifier)
        return identifier

    def offered(self) -> list[str]:
        """What the channel lists of hotfixes, by their labels."""
        names = [name for name in self.channel.published().targets if name.startswith("hotfixes/")]
        found = [HotfixName.read(name) for name in sorted(names)]
        return [f"{one.hotfix}-r{one.revision}" for one in found]

    def follow(self) -> None:
        publishing.follow(self.register, self.channel, "demo", self.now)

    def recall_file(self, identifier: str, *keys: str, void: bool = False, **more: Any) -> RecallFile:
        """A recall file of a hotfix's last revision, signed by these keys."""
        with self.register.read() as session:
            manifest = Manifest.parse(hotfixes.find(session, identifier).manifest or b"")
        made = Recall.make(manifest, reason="loses orders", now=self.now, void=void, **more)
        return self._statement(made.as_payload(), keys)

    def reinstatement(self, identifier: str, *keys: str) -> RecallFile:
        with self.register.read() as session:
            revision = hotfixes.find(session, identifier)
            entry = recalls.entry_of(session, revision)
            manifest = Manifest.parse(revision.manifest or b"")
        made = Reinstatement.make(manifest, reason="it was the disk", recalls=frozenset(entry.digests), now=self.now)
        return self._statement(made.as_payload(), keys)

    def _statement(self, payload: bytes, keys: tuple[str, ...]) -> RecallFile:
        path = self.folder / f"{len(list(self.folder.iterdir()))}.recall.jsonl"
        envelopes_ = [envelopes.sign(payload, PAYLOAD_TYPE, vendor.signer(key)) for key in keys]
        path.write_bytes(envelopes.write_sidecar(envelopes_))
        return read_recall_file(path)

    def recall(self, identifier: str, *files: RecallFile, by: str = "rita") -> None:
        with self.change(by) as change:
            recalls.take(change, identifier, files, self.root)
        self.follow()

    def hold(self, identifier: str, by: str = "cleo") -> None:
        with self.change(by) as change:
            recalls.hold(change, identifier, "breaks the login")
        self.follow()

    def lift(self, identifier: str) -> None:
        with self.change() as change:
            recalls.lift(change, identifier)
        self.follow()

    def state(self, identifier: str) -> str:
        with self.register.read() as session:
            return hotfixes.find(session, identifier).state


__all__ = ["FILES", "Life", "changed", "content", "fix"]
