"""Looking at a channel or kit: its metadata, and from its status role the newest policy, recall list and checkpoint.

A look changes nothing; what it found becomes what the site believes by `View.keep`.
"""

from datetime import datetime
from pathlib import Path

from patchline.patches import channel, documents
from patchline.patches.audit_chain import CHECKPOINT_LIMIT, Checkpoint
from patchline.patches.errors import ChannelError, TrustError
from patchline.patches.limits import LIMITS
from patchline.patches.recall_list import RecallList
from patchline.patches.recalls import KnownRecalls
from patchline.patches.site.known import Known
from patchline.patches.site.metadata import Reading, read_tree
from patchline.patches.site.sources import Source
from patchline.patches.site.tree import Look, Tree, read_target
from patchline.patches.site.view import View
from patchline.patches.trust import Trust


def look_at(source: Source, view: View, cache: Path, now: datetime, stale_until: datetime | None = None) -> Look:
    """Look at a source.

    Args:
        source: what was opened.
        view: what the site believes.
        cache: a folder for python-tuf.
        now: the site's time.
        stale_until: until when a person accepts what has expired.

    Raises:
        ExpiredError: metadata has expired, and nobody accepts it.
        VerificationError: it is forged, malformed, older than what was seen, or of another tree or product.
        SourceError: it cannot be read.
    """
    tree = read_tree(source, Reading(view.trust.root, view.known, cache, now, stale_until))
    return _Status(source, tree).look(view)


class _Status:
    """The targets of the status role of one source."""

    def __init__(self, source: Source, tree: Tree) -> None:
        self._source, self._tree = source, tree
        self._warnings = list(tree.warnings)

    def look(self, view: View) -> Look:
        product = view.trust.product
        if channel.policy_target(product) not in self._tree.targets:
            raise ChannelError("not-listed", f"{self._source.name} has nothing for the product {product}")
        trust = self._trust(view.trust)
        recalls = self._recalls(view.recalls, trust)
        seen = view.known.with_versions(self._tree.versions)
        if trust.policy.version != view.trust.policy.version:
            seen = seen.judged_anew()
        seen = self._checkpoint(seen)
        return Look(self._source, self._tree, View(trust, recalls, seen), tuple(self._warnings))

    def _read(self, name: str, limit: int) -> bytes | None:
        """Return a target, None where none of that name is listed."""
        target = self._tree.targets.get(name)
        return None if target is None else read_target(self._source, target, limit)

    def _trust(self, known: Trust) -> Trust:
        name = channel.policy_target(known.product)
        data = self._read(name, LIMITS.sidecar)
        policy = documents.decode(data or b"", what=name, limit=LIMITS.sidecar)
        try:
            return known.followed(self._tree.roots, policy)
        except TrustError as error:
            if error.code != "trust.policy-older":
                raise
            # Whoever handed a newer one over was quicker; the channel's is not taken.
            self._warnings.append(error.message)
            return known.followed(self._tree.roots)

    def _recalls(self, known: KnownRecalls | None, trust: Trust) -> KnownRecalls | None:
        name = channel.recalls_target(trust.product)
        data = self._read(name, LIMITS.manifest)
        if data is None:
            if known is not None:
                raise ChannelError("dropped", f"{self._source.name} has no list of recalls any more")
            self._warnings.append(f"{self._source.name} has no list of recalls")
            return None
        newest = RecallList.parse(data)
        return KnownRecalls.first(newest, trust.policy) if known is None else known.advanced(newest, trust.policy)

    def _checkpoint(self, seen: Known) -> Known:
        data = self._read(channel.CHECKPOINT, CHECKPOINT_LIMIT)
        if data is None:
            return seen
        seen, warning = seen.with_checkpoint(Checkpoint.parse(data))
        if warning:
            self._warnings.append(warning)
        return seen
