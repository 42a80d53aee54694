"""Walking from the root a site knows to the newest one that a channel or kit has, and to the root of kits.

Each root is read strictly and must follow the one before (`root`); a gap, or more roots than anybody needs, is an
error of its own. The root of kits is a document apart: a threshold of the newest root's keys must have signed it, and
it names the same keys for root and targets.
"""

import re
from collections.abc import Iterator
from typing import Any

from patchline.patches import documents
from patchline.patches.channel import MOST_BYTES, ROOT, TARGETS, kit_root_file, metadata_file
from patchline.patches.errors import ChannelError, DocumentError, SourceError, TrustError
from patchline.patches.root import Root
from patchline.patches.site.sources import Source

MOST_ROOTS = 256
_KIT_ROOT = re.compile(r"([1-9][0-9]{0,8})\.kit-root\.json")


def newer_roots(source: Source, known: Root) -> list[Root]:
    """Return the roots that follow the known one, in their order.

    Raises:
        TrustError: one of them does not follow, or does not count.
        ChannelError: one is missing between two others, or there are too many.
        SourceError: the source cannot be read.
    """
    found = list(_walk(source, known))
    beyond = known.version + len(found) + 2
    if _read(source, metadata_file(ROOT, beyond)) is not None:
        raise ChannelError("root-gap", f"{source.name} has root {beyond}, but not root {beyond - 1}")
    return found


def _walk(source: Source, known: Root) -> Iterator[Root]:
    newest = known
    while (document := _read(source, metadata_file(ROOT, newest.version + 1))) is not None:
        if newest.version - known.version >= MOST_ROOTS:
            raise ChannelError("root-many", f"{source.name} has more than {MOST_ROOTS} roots after {known.version}")
        newer = Root.read(document)
        newest.check_successor(newer)
        yield newer
        newest = newer


def kit_root(source: Source, newest: Root) -> Root | None:
    """Return the newest root of kits of a source; None where there is none, which then is no kit.

    Args:
        source: what may be a kit.
        newest: the newest root of the channel that is known, those in the kit included.

    Raises:
        TrustError: it does not count.
        ChannelError: it is not of this vendor's channel.
    """
    numbers = [int(match[1]) for name in source.metadata() if (match := _KIT_ROOT.fullmatch(name))]
    if not numbers:
        return None
    found = Root.read(_read(source, kit_root_file(max(numbers))), kit=True)
    found.check_self()
    there, needed = len(newest.signers(found)), newest.roles[ROOT].threshold
    if there < needed:
        raise TrustError(
            "root-predecessor", f"the root of this kit was signed by {there} of {needed} keys of root {newest.version}"
        )
    for role in (ROOT, TARGETS):
        if found.roles[role] != newest.roles[role]:
            raise ChannelError("wrong-tree", f"the root of this kit names other {role} keys than root {newest.version}")
    return found


def signed_for_kits(source: Source, keyids: set[str]) -> bool:
    """Tell whether these keys are those by which a kit's timestamp counts, if a kit root lies where it may."""
    for number in range(1, 9):
        try:
            document = _read(source, kit_root_file(number))
            if document is not None and not keyids.isdisjoint(Root.read(document, kit=True).roles["timestamp"].keys):
                return True
        except (TrustError, SourceError, ChannelError):
            return False
    return False


def is_kit(source: Source) -> bool:
    """Tell whether a source says that it is a kit."""
    return any(_KIT_ROOT.fullmatch(name) for name in source.metadata())


def _read(source: Source, path: str) -> Any:
    """Return a document, None where there is none."""
    try:
        data = source.read(path, MOST_BYTES[ROOT])
    except SourceError as error:
        if error.code == "source.missing":
            return None
        raise
    try:
        return documents.decode(data, what=path, limit=MOST_BYTES[ROOT])
    except DocumentError as error:
        raise ChannelError("metadata", f"{source.name}: {error.message}") from None
