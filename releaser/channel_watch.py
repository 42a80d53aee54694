"""An independent look at the channel from outside: as a customer sees it, with a trust file and no key.

It notices what the vendor's own side may not tell: a timer that does not renew, files that are gone, a web server or
cache that shows an earlier state, a list from which a hotfix vanished without a hold or recall, metadata that somebody
else signed. What was seen is kept, so that each look also compares with the one before.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from patchline.patches import channel, documents
from patchline.patches.audit_chain import Checkpoint
from patchline.patches.channel import HOTFIXES, SNAPSHOT, STATUS, TARGETS, TIMESTAMP
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import (
    ChannelError,
    ExpiredError,
    PatchlineError,
    RecallListError,
    SettingsError,
    TrustError,
)
from patchline.patches.fields import Fields
from patchline.patches.policy import Policy
from patchline.patches.progress import progress
from patchline.patches.recall_list import RecallList
from patchline.patches.root import Root
from patchline.patches.site.known import Known, Listed
from patchline.patches.site.metadata import Reading, read_tree
from patchline.patches.site.sources import Source
from patchline.patches.site.tree import Target, Tree
from patchline.patches.statements import time_text
from patchline.patches.trust import Trust, check_policy
from patchline.patches.wording import counted
from patchline.releaser.published import Versions

FORMAT = 1
STATE_LIMIT = 1 << 28
_ALWAYS = datetime(9999, 1, 1, tzinfo=UTC)
_SOON: Mapping[str, timedelta] = {
    "root": timedelta(days=180),
    TARGETS: timedelta(days=90),
    # Renewed when half is left; less than that means that nobody does.
    **{role: channel.LIVES[role] * 3 / 8 for role in (HOTFIXES, STATUS, SNAPSHOT, TIMESTAMP)},
}
_MOST_BYTES = 32 << 20


@dataclass(frozen=True)
class Watched:
    """What a look leaves for the next one: the newest root, and what was seen under it."""

    root: Root
    known: Known

    def as_bytes(self) -> bytes:
        """Return the document that is kept."""
        known = documents.decode(self.known.as_payload(), what="known", limit=STATE_LIMIT)
        return documents.encode({"format": FORMAT, "root": self.root.document, "known": known})

    @classmethod
    def parse(cls, data: bytes, trust: Trust) -> "Watched":
        """Read what an earlier look left.

        Raises:
            TrustError, InstallationError, DocumentError: it is something else.
        """
        fields = Fields(documents.decode(data, what="state", limit=STATE_LIMIT), "state", TrustError)
        fields.integer("format", FORMAT, FORMAT)
        root = Root.read(fields.object("root").document)
        root.check_self()
        known = Known.parse(documents.encode(fields.object("known").document))
        return cls(root if root.version >= trust.root.version else trust.root, known)


def read_versions(data: bytes) -> Versions:
    """Return the versions that a kept state shows, for `Channel.above`.

    Raises:
        TrustError, InstallationError, DocumentError: it is no state of a look.
    """
    fields = Fields(documents.decode(data, what="state", limit=STATE_LIMIT), "state", TrustError)
    fields.integer("format", FORMAT, FORMAT)
    known = Known.parse(documents.encode(fields.object("known").document)).versions
    numbers = {role: known[role].number for role in (TARGETS, HOTFIXES, STATUS, SNAPSHOT, TIMESTAMP) if role in known}
    return Versions(root=Root.read(fields.object("root").document).version, **numbers)


@dataclass(frozen=True)
class Look:
    """What one look showed.

    Attributes:
        findings: all that is wrong.
        watched: for the next look; what it was where the channel could not be read.
        expiries: of each role.
        targets: how many are listed.
    """

    findings: tuple[PatchlineError, ...]
    watched: Watched
    expiries: Mapping[str, datetime]
    targets: int


def look(source: Source, trust: Trust, watched: Watched | None, now: datetime, *, every_file: bool = False) -> Look:
    """Look at a channel as it is.

    Args:
        source: its web server or folder.
        trust: where to begin.
        watched: what the look before left.
        now: the time.
        every_file: look whether every file is there, not only those that are new.
    """
    before = watched or Watched(trust.root, Known())
    try:
        with tempfile.TemporaryDirectory(prefix="patchline-") as cache:
            tree = read_tree(source, Reading(before.root, before.known, Path(cache), now, stale_until=_ALWAYS))
    except PatchlineError as error:
        return Look((error,), before, {}, 0)
    root = tree.roots[-1] if tree.roots else before.root
    hotfixes = {name: one for name, one in tree.targets.items() if name.startswith(f"{HOTFIXES}/")}
    known = before.known.with_versions(tree.versions)
    known = known.with_hotfixes({name: Listed(one.sha256, one.size) for name, one in hotfixes.items()})
    known, told = _with_checkpoint(source, tree, known)
    findings = [
        *told,
        *_expiry_findings(tree, now),
        *_status_findings(source, tree, trust, root, now),
        *_vanished(source, tree, before.known),
        *_missing_files(source, hotfixes, {} if every_file else before.known.hotfixes),
    ]
    return Look(tuple(findings), Watched(root, known), tree.expiries, len(tree.targets))


def _expiry_findings(tree: Tree, now: datetime) -> Iterator[PatchlineError]:
    if tree.kit:
        yield ChannelError("wrong-tree", "this is a kit, not the channel")
    for role, expires in tree.expiries.items():
        left = expires - now
        if left <= timedelta(0):
            yield ExpiredError(role, f"{role} expired {counted((-left).days, 'day')} ago, on {time_text(expires)}")
        elif left < _SOON[role]:
            yield SettingsError(
                "channel-expiring", f"{role} expires in {counted(left.days, 'day')}, on {time_text(expires)}"
            )


def _status_findings(source: Source, tree: Tree, trust: Trust, root: Root, now: datetime) -> Iterator[PatchlineError]:
    """Look at policy and recall list of the trust file's product, as a site would."""
    policy = trust.policy
    try:
        data = _status(source, tree, channel.policy_target(trust.product))
        if data is not None:
            policy = _newest_policy(data, root, policy)
        recalls = _recalls(source, tree, trust.product)
    except PatchlineError as error:
        yield error
        return
    if recalls is not None:
        age, most = now - recalls.issued, timedelta(days=policy.recall_max_age_days)
        if age > most * 3 / 4:
            yield SettingsError(
                "channel-recalls", f"the recall list is {counted(age.days, 'day')} old, of {most.days} it may be"
            )


def _newest_policy(data: bytes, root: Root, known: Policy) -> Policy:
    envelope = Envelope.from_document(documents.decode(data, what="policy", limit=_MOST_BYTES), "policy")
    policy = check_policy(envelope, root)
    if policy.version < known.version:
        raise TrustError("policy-older", f"the channel has policy {policy.version}, the trust file {known.version}")
    return policy


def _recalls(source: Source, tree: Tree, product: str) -> RecallList | None:
    data = _status(source, tree, channel.recalls_target(product))
    if data is None:
        return None
    found = RecallList.parse(data)
    if found.product != product:
        raise RecallListError("product", f"the recall list of {product} is of product {found.product}")
    return found


def _status(source: Source, tree: Tree, name: str) -> bytes | None:
    """Return a document of the status role, None where it is not listed."""
    target = tree.targets.get(name)
    if target is None:
        return None
    data = source.read(target.file, _MOST_BYTES)
    if len(data) != target.size or documents.digest(data) != target.sha256:
        raise ChannelError("target", f"{target.file} is not what is listed as {name}")
    return data


def _with_checkpoint(source: Source, tree: Tree, known: Known) -> tuple[Known, list[PatchlineError]]:
    """Take the checkpoint of the vendor's audit chain; one that is not a longer chain's is told."""
    try:
        data = _status(source, tree, channel.CHECKPOINT)
        if data is None:
            return known, []
        known, words = known.with_checkpoint(Checkpoint.parse(data))
    except PatchlineError as error:
        return known, [error]
    return known, [] if words is None else [ChannelError("checkpoint", words)]


def _vanished(source: Source, tree: Tree, known: Known) -> Iterator[PatchlineError]:
    """Look for hotfixes that are not listed any more and that no recall list names."""
    lists: dict[str, set[tuple[str, int]]] = {}
    for name in known.vanished(tree.targets):
        gone = channel.HotfixName.read(name)
        if gone.product not in lists:
            try:
                lists[gone.product] = _named(_recalls(source, tree, gone.product))
            except PatchlineError as error:
                lists[gone.product] = set()
                yield error
        if (gone.hotfix, gone.revision) not in lists[gone.product]:
            yield ChannelError("vanished", f"{name} was listed and is not any more, and no recall list says why")


def _named(recalls: RecallList | None) -> set[tuple[str, int]]:
    found: list[Any] = [*recalls.held, *recalls.recalled] if recalls else []
    return {(one.revision.hotfix, one.revision.number) for one in found}


def _missing_files(
    source: Source, listed: Mapping[str, Target], known: Mapping[str, Listed]
) -> Iterator[PatchlineError]:
    new = [one for name, one in listed.items() if name not in known or known[name].sha256 != one.sha256]
    with progress("looking at files", len(new), unit="items") as advance:
        for target in new:
            advance(1)
            try:
                with source.open(target.file, target.size) as stream:
                    # A web server is asked only when something is read.
                    stream.seek(target.size - 1)
                    stream.read(1)
            except PatchlineError as error:
                yield error
