"""Keys that a person has confirmed: before signing a document they compare the fingerprint of every key new to them.

What was confirmed is remembered beside the person's own keys, per use: a key known as ada's approver key is new again
as somebody else's. The question never shows the fingerprint, or nobody would ask the key's person for it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from patchline.patches import documents
from patchline.patches.delegations import Delegations
from patchline.patches.errors import NotFoundError, RefusedError, TrustError
from patchline.patches.fields import Fields
from patchline.patches.files import read_file, write_file
from patchline.patches.identifiers import plain_fingerprint
from patchline.patches.keys import PublicKey
from patchline.patches.limits import LIMITS
from patchline.patches.policy import Policy
from patchline.patches.root import Root

FILE = "confirmed.json"
FORMAT = 1


@dataclass(frozen=True)
class Use:
    """A key and what it is used for, in words; `place` tells it from others of the same words in one document."""

    words: str
    public: PublicKey
    place: str = ""

    @property
    def line(self) -> str:
        """What is remembered of it."""
        return f"{self.public.keyid} {self.words}"


def uses_of_root(root: Root) -> list[Use]:
    """Return the keys a root puts into use."""
    online = {**root.roles["snapshot"].keys, **root.roles["timestamp"].keys}
    offline = {**root.roles["root"].keys, **root.targets.keys}
    found = [
        Use("offline key of the root", key, f" (number {number} of {len(offline)})")
        for number, key in enumerate(offline.values(), 1)
    ]
    words = "key of the kits" if root.kit else "online key of the channel"
    return found + [Use(words, key) for keyid, key in online.items() if keyid not in offline]


def uses_of_targets(targets: Delegations) -> list[Use]:
    """Return the keys that top-level targets put into use."""
    holders = (("publisher's key of the channel", targets.hotfixes), ("status key of the channel", targets.status))
    return [Use(words, key) for words, role in holders for key in role.keys.values()]


def uses_of_policy(policy: Policy) -> list[Use]:
    """Return the keys a policy puts into use; revoked ones it does not."""
    return [
        Use(f"{key.purpose} key of {key.person} for {policy.product}", key.public)
        for key in policy.keys.values()
        if not key.revoked
    ]


def confirm(
    uses: Iterable[Use], own: PublicKey, folder: Path, given: Sequence[str], ask: Callable[[str], str] | None
) -> list[Use]:
    """Compare the fingerprint of every key that is new to this person.

    Args:
        uses: of the document to be signed.
        own: the person's own key, which needs no comparing.
        folder: of the person's keys.
        given: fingerprints heard from the keys' persons.
        ask: asks the person for one; None when nobody is there to answer.

    Returns:
        The uses that were new; `remember` them once the document is signed.

    Raises:
        RefusedError: a fingerprint is missing or differs, or one was given that fits no new key.
    """
    known = _read(folder / FILE)
    new = [use for use in uses if use.line not in known and use.public != own]
    heard = {plain_fingerprint(text) for text in given}
    for use in new:
        if plain_fingerprint(use.public.fingerprint) in heard:
            continue
        answer = ask(f"Fingerprint of the {use.words}{use.place}, as its person tells it") if ask else None
        if answer is None or plain_fingerprint(answer) != plain_fingerprint(use.public.fingerprint):
            told = "no fingerprint given fits" if answer is None else "that is not the fingerprint of"
            raise RefusedError("fingerprint", f"{told} the {use.words}{use.place}, which is new to you")
    if unused := heard.difference(plain_fingerprint(use.public.fingerprint) for use in new):
        raise RefusedError("fingerprint-unused", f"{len(unused)} of the fingerprints given fit no new key")
    return new


def remember(uses: Iterable[Use], folder: Path) -> None:
    """Note confirmed uses beside the person's keys."""
    lines = _read(folder / FILE) | {use.line for use in uses}
    document = {"format": FORMAT, "confirmed": sorted(lines)}
    write_file(folder / FILE, documents.encode(document), overwrite=True, mode=0o600)


def _read(path: Path) -> set[str]:
    try:
        data = read_file(path, limit=LIMITS.sidecar)
    except NotFoundError:
        return set()
    fields = Fields(documents.decode(data, what=str(path)), str(path), TrustError)
    return set(fields.texts("confirmed", most=100_000))
