"""A site whose vendor has a channel: releases, policy, recalls and checkpoint in it, all really signed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from patchline.patches import channel, documents, envelopes
from patchline.patches.manifest import Manifest
from patchline.patches.recall_list import Entry, Held, RecallList
from patchline.patches.recall_statements import Recall, Revision
from patchline.patches.release_zip import write_release
from patchline.patches.site import command_options
from patchline.patches.site.command_options import the_site
from patchline.patches.statements import PAYLOAD_TYPE
from patchline.patches.trust import Trust, trust_document
from tests import vendor
from tests.forged_channels import NOW, Channel
from tests.programs import Outcome, run
from tests.samples import fix
from tests.worlds import Hotfix, World

BASE = {"a.txt": b"a old\n", "b.txt": b"b old\n", "c.txt": b"c old\n"}
README = "A release.\n"


def policy(version: int = 1, previous: bytes | None = None, **changes: Any) -> envelopes.Envelope:
    document = vendor.policy_document(product="demo", root_steps=True, version=version, **changes)
    if version > 1:
        document["previous"] = documents.digest(previous or policy(version - 1).payload)
    return vendor.policy_envelope(document)


@contextmanager
def clock_at(now: datetime) -> Iterator[None]:
    """Let the programs' clock say this."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return now

    with patch.object(command_options, "datetime", Clock):
        yield


@dataclass
class Shop:
    """Vendor and site."""

    folder: Path
    now: datetime = NOW
    url: str | None = None
    customer: str | None = None
    channel: Channel = field(init=False)
    world: World = field(init=False)
    number: int = 0

    def __post_init__(self) -> None:
        self.channel = Channel(self.folder / "channel", self.now)
        data = trust_document(
            product="demo",
            root=self.channel.roots[0],
            policy=policy(),
            channel=self.url,
            customer=self.customer,
        )
        self.world = World(self.folder / "site", BASE, now=self.now, trust=Trust.parse(data))
        self.put_policy(policy())
        self.put_recalls()
        self.put_checkpoint(1)
        self.channel.commit()

    # The vendor's side

    def put_policy(self, envelope: envelopes.Envelope) -> None:
        self.channel.put(channel.policy_target("demo"), documents.encode(envelope.as_document()))

    def put_recalls(self, held: Iterable[Held] = (), recalled: Iterable[Entry] = (), issued: datetime | None = None):
        self.number += 1
        made = RecallList.make("demo", self.number, issued or self.now, held, recalled)
        self.channel.put(channel.recalls_target("demo"), made.data)

    def put_checkpoint(self, count: int, head: str = "a" * 64) -> None:
        document = {"format": 1, "count": count, "head": head, "time": "2026-11-22T12:00:00Z"}
        self.channel.put(channel.CHECKPOINT, documents.encode(document))

    def hotfix(self, name: str = "HF-2026-0001", path: str = "a.txt", **more: Any) -> Hotfix:
        content = more.pop("content", f"{path} of {name}\n".encode())
        more.setdefault("fixes", [fix(f"BUG-{name}")])
        return self.world.hotfix({path: content}, name=name, **more)

    def release(self, hotfix: Hotfix) -> bytes:
        """The release zip of a hotfix."""
        folder = self.folder / "made" / hotfix.manifest.digest[:8]
        folder.mkdir(parents=True, exist_ok=True)
        bundle = folder / f"{hotfix.manifest.label}.hotfix"
        bundle.write_bytes(hotfix.path.read_bytes())
        for ending in (".provenance.jsonl", ".approvals.jsonl"):
            beside = hotfix.path.with_name(hotfix.path.name + ending)
            bundle.with_name(bundle.name + ending).write_bytes(beside.read_bytes())
        path = folder / f"{hotfix.manifest.label}.zip"
        write_release(path, README, bundle)
        return path.read_bytes()

    def publish(self, *hotfixes: Hotfix, commit: bool = True) -> None:
        for hotfix in hotfixes:
            self.channel.put(target(hotfix.manifest), self.release(hotfix))
        if commit:
            self.channel.commit()

    # The site's side

    def site(self, *arguments: object, expect: int = 0, **more: Any) -> Outcome:
        options = ("--root", self.world.root, "--state", self.world.state)
        with clock_at(self.now):
            return run("patchline-site", *arguments, *options, expect=expect, **more)

    def fetch(self, source: object = None, *arguments: object, expect: int = 0) -> Any:
        source = self.channel.folder if source is None else source
        return self.site("fetch", "--from", source, "--json", *arguments, expect=expect).document

    def standings(self, source: object = None) -> dict[str, str]:
        return {offer["release"]: offer["standing"] for offer in self.fetch(source)["offers"]}

    def level(self) -> str:
        return self.site("inventory", "--json").document["level"]["label"]

    def opened(self):
        return the_site(self.world.root, self.world.state)


def target(manifest: Manifest) -> str:
    return channel.HotfixName(manifest.target.product, manifest.hotfix, manifest.revision).target


def recalled(manifest: Manifest, by=("ada", "ben"), replacement: Manifest | None = None) -> Entry:
    statement = Recall.make(manifest, reason="it loses orders", now=NOW, replacement=replacement)
    signed = tuple(envelopes.sign(statement.as_payload(), PAYLOAD_TYPE, vendor.signer(name)) for name in by)
    return Entry(Revision.of(manifest), signed)


def held(manifest: Manifest) -> Held:
    return Held(Revision.of(manifest), "we look into a report")
