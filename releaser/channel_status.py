"""What may become the newest policy, recall list, checkpoint or client of a channel: never something older.

Sites refuse what is older than what they have seen; so does the vendor's side, before a restored backup or a slip of
the hand puts it there.
"""

from collections.abc import Mapping

from patchline.patches import channel, documents
from patchline.patches.audit_chain import Checkpoint
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import ChannelError, RefusedError
from patchline.patches.policy import POLICY_TYPE, Policy
from patchline.patches.recall_list import RecallList
from patchline.patches.release import release_line

MOST_BYTES = 32 << 20
"""Of one document of the status role; the client may be larger."""


def check_status(name: str, known: bytes | None, new: bytes) -> None:
    """Refuse what may not follow under a name of the status role.

    Args:
        name: of the target.
        known: what is published there.
        new: what is to be.

    Raises:
        RefusedError: it is older, or another one of the same number.
        ChannelError: nothing is published under such a name.
        PatchlineError: the document breaks its own rules.
    """
    if name in {channel.CLIENT + ending for ending in channel.CLIENT_ENDINGS}:
        return
    after = _number(name, new)
    if known is None or known == new:
        return
    before = _number(name, known)
    if after[0] < before[0]:
        raise RefusedError("channel-older", f"{name}: number {after[0]} is older than {before[0]}, published already")
    if after[0] == before[0] and after[1] != before[1]:
        raise RefusedError("channel-fork", f"{name}: there are two different ones of number {after[0]}")


def _number(name: str, data: bytes) -> tuple[int, str]:
    """Return the number that must not fall, and what must not differ where it is equal."""
    product = name.rpartition("/")[2].removesuffix(".json")
    if name == channel.CHECKPOINT:
        checkpoint = Checkpoint.parse(data)
        return checkpoint.count, checkpoint.head
    if name == channel.policy_target(product):
        envelope = Envelope.from_document(documents.decode(data, what=name, limit=MOST_BYTES), name)
        envelope.require_type(POLICY_TYPE, name)
        policy = Policy.parse(envelope.payload)
        _require_product(name, policy.product, product)
        return policy.version, policy.digest
    if name == channel.recalls_target(product):
        recalls = RecallList.parse(data)
        _require_product(name, recalls.product, product)
        return recalls.number, documents.digest(data)
    raise ChannelError("target-name", f"{name[:200]!r} is no target of the channel's status")


def _require_product(name: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise RefusedError("channel-product", f"{name}: the document is of product {found!r}")


def check_client(files: Mapping[str, bytes], digest: str) -> None:
    """Refuse a client whose `.sha256` is of another one.

    Args:
        files: what lies beside the client, by their endings.
        digest: SHA-256 of the client.
    """
    if files[".sha256"] != release_line(channel.CLIENT.rpartition("/")[2], digest):
        raise RefusedError("channel-client", "the client's .sha256 is of another client")


def check_withdrawn(name: str, recalls: bytes | None) -> None:
    """Refuse to take a hotfix out of the list that no recall list holds or recalls.

    Sites warn of what vanishes without a word; so there is always a word.
    """
    revision = channel.HotfixName.read(name)
    found = RecallList.parse(recalls) if recalls else None
    named = [*(one.revision for one in found.held), *(one.revision for one in found.recalled)] if found else []
    if (revision.hotfix, revision.revision) not in {(one.hotfix, one.number) for one in named}:
        raise RefusedError("channel-vanish", f"{name} cannot vanish: no recall list holds or recalls it")
