"""Making and signing roots, targets, policies and trust files: what people do on their own machines, with no home but theirs.

Everything made here is read back by the rules of `patches`, so nothing leaves that a site would refuse for its form.
"""

import copy
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuf.api.metadata import Metadata

from patchline.patches import channel, documents
from patchline.patches.delegations import SPEC_VERSION, Delegations, signed_part
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import TrustError, UsageError
from patchline.patches.fields import Fields
from patchline.patches.keys import Kind, PublicKey
from patchline.patches.policy import (
    FORMAT,
    POLICY_TYPE,
    RECALL_MAX_AGE_DAYS,
    Custody,
    Policy,
    Purpose,
    key_document,
)
from patchline.patches.root import KIT_TREE, ROLES, TREE_MARK, Root
from patchline.patches.signers import Signer
from patchline.patches.statements import time_text
from patchline.patches.tuf_keys import TufKey, TufSigner
from patchline.patches.tuf_roles import Role

RELEASE_PERSON = "release"
"""Who holds the release key, when only the key is named."""


def make_root(
    keys: Iterable[PublicKey],
    threshold: int,
    now: datetime,
    *,
    online: PublicKey | None = None,
    kit: PublicKey | None = None,
    previous: Root | None = None,
) -> Root:
    """Make a root to be signed: the same keys for root and targets, one key or none for snapshot and timestamp.

    Args:
        keys: of root and targets.
        threshold: how many of them must sign.
        now: the time it is made.
        online: the key of a channel's snapshot and timestamp.
        kit: the key of a kit's snapshot and timestamp, which makes it the root of kits.
        previous: the root that it follows, of the same tree.

    Raises:
        TrustError: the threshold is below 1 or above the number of keys, or `previous` is of the other tree.
        UsageError: both an online and a kit key.
    """
    if online and kit:
        raise UsageError("options", "the channel and its kits have roots of their own: give --online or --kit")
    if previous and previous.kit != (kit is not None):
        raise TrustError("root-tree", "the root of kits follows no root of the channel, nor the other way round")
    keys = list(keys)
    if not 1 <= threshold <= len({key.keyid for key in keys}):
        raise TrustError("root-threshold", f"the threshold is {threshold} of {len(keys)} keys")
    offline = [key.keyid for key in keys]
    others = [key for key in (online, kit) if key]
    moving = [key.keyid for key in others]
    holders = {"root": offline, "targets": offline, "snapshot": moving, "timestamp": moving}
    signed: dict[str, Any] = {
        "_type": "root",
        "spec_version": SPEC_VERSION,
        "version": previous.version + 1 if previous else 1,
        "expires": time_text(now + channel.LIVES[channel.ROOT]),
        "consistent_snapshot": True,
        "keys": {key.keyid: TufKey(key).to_dict() for key in [*keys, *others]},
        "roles": {
            name: {"keyids": holders[name], "threshold": threshold if holders[name] is offline else 1} for name in ROLES
        },
    }
    if kit:
        signed[TREE_MARK] = KIT_TREE
    return Root.read({"signed": signed, "signatures": []}, kit=kit is not None)


def sign_root(root: Root, signer: Signer) -> Root:
    """Return the root with one more signature."""
    return Root.read(_signed_by(root.document, signer), kit=root.kit)


def make_targets(
    publishers: Iterable[PublicKey], status: Iterable[PublicKey], now: datetime, *, previous: Delegations | None = None
) -> Delegations:
    """Make the top-level targets to be signed: who publishes hotfixes, and who signs the channel's status.

    Any one of the keys named is enough: they are online, on the machines that publish.

    Raises:
        ChannelError: a role without a key.
    """
    holders = ((channel.HOTFIXES, publishers), (channel.STATUS, status))
    roles = {name: Role({key.keyid: key for key in keys}, 1) for name, keys in holders}
    version = previous.version + 1 if previous else 1
    signed = signed_part(roles, version, time_text(now + channel.LIVES[channel.TARGETS]))
    return Delegations.read({"signed": signed, "signatures": []})


def sign_targets(targets: Delegations, signer: Signer) -> Delegations:
    """Return the top-level targets with one more signature."""
    return Delegations.read(_signed_by(targets.document, signer))


def _signed_by(document: dict[str, Any], signer: Signer) -> dict[str, Any]:
    metadata: Metadata[Any] = Metadata.from_dict(copy.deepcopy(document))
    metadata.sign(TufSigner(signer), append=True)
    return metadata.to_dict()


@dataclass(frozen=True)
class NewKey:
    """A key to be added to a policy."""

    person: str
    public: PublicKey
    purpose: Purpose
    custody: Custody = Custody.CLI
    roles: tuple[str, ...] = ()


def policy_payload(
    product: str,
    added: Iterable[NewKey],
    *,
    threshold: int | None = None,
    previous: Policy | None = None,
    recipe: bytes | None = None,
) -> bytes:
    """Make a policy: from a recipe, else from the previous one, else a first one; then add keys.

    Args:
        product: what it is for.
        added: keys that come in.
        threshold: of the rule without `match`; None keeps what it is.
        previous: the version before.
        recipe: the whole document as TOML, without `version` and `previous`; left out members get their defaults.

    Raises:
        TrustError, SignatureError, DocumentError: the result breaks a rule.
        UsageError: a first policy without a threshold, a recipe that is none, or a release key that is not P-256.
    """
    document = _start(product, previous, recipe)
    if previous is None and recipe is None and threshold is None:
        raise UsageError("options", "a first policy needs --threshold")
    for key in added:
        _add(document, key)
    for rule in document["rules"] if threshold is not None else []:
        if not rule.get("match"):
            rule["threshold"] = threshold
    return _finished(document, product, previous)


def first_policy(product: str) -> dict[str, Any]:
    """Return a policy's document without persons; two distinct persons approve, unless said otherwise."""
    return {
        "format": FORMAT,
        "product": product,
        "version": 1,
        "previous": None,
        "critical": [],
        "persons": {},
        "rules": [{"threshold": 2, "independent": 1}],
        "root_steps": False,
        "recalls": [],
        "recall_max_age_days": RECALL_MAX_AGE_DAYS,
    }


def _start(product: str, previous: Policy | None, recipe: bytes | None) -> dict[str, Any]:
    if recipe is not None:
        return {**first_policy(product), **_read_recipe(recipe)}
    if previous is not None:
        found: dict[str, Any] = documents.decode(previous.data, what="policy")
        return found
    return first_policy(product)


def _add(document: dict[str, Any], key: NewKey) -> None:
    if key.purpose is Purpose.RELEASE and key.public.kind is not Kind.P256:
        raise UsageError("options", "the release key must be P-256, for people who check with openssl alone")
    person = document["persons"].setdefault(key.person, {"keys": []})
    person["keys"].append(key_document(key.public, key.purpose, key.custody, key.roles))


def _read_recipe(recipe: bytes) -> dict[str, Any]:
    """Return a recipe's document, in which the shapes that `_add` and thresholds rely on were checked."""
    try:
        given = tomllib.loads(recipe.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError("policy-recipe", f"the recipe is not TOML: {error}") from None
    if told := {"version", "previous"}.intersection(given):
        raise UsageError("policy-recipe", f"the recipe names {sorted(told)}, which follow from --previous")
    fields = Fields(given, "recipe", TrustError)
    persons = fields.object("persons") if fields.has("persons") else Fields({}, "recipe.persons", TrustError)
    for person in persons.document:
        for key in persons.object(person).objects("keys", most=100):
            _fill(key.document)
    for _ in fields.objects("rules", most=1000) if fields.has("rules") else ():
        pass
    return given


def _fill(key: dict[str, Any]) -> None:
    for name, default in (("custody", "cli"), ("roles", []), ("status", "active")):
        key.setdefault(name, default)
    if isinstance(key.get("public"), str):
        key.setdefault("keyid", PublicKey.from_pem(key["public"]).keyid)


def _finished(document: dict[str, Any], product: str, previous: Policy | None) -> bytes:
    document["version"] = previous.version + 1 if previous else 1
    document["previous"] = previous.digest if previous else None
    policy = Policy.parse(documents.encode(document))
    if policy.product != product or (previous and previous.product != product):
        raise TrustError("policy-product", f"the policy is for product {policy.product!r}, not {product!r}")
    if previous and (lost := previous.recalls.difference(policy.recalls)):
        raise TrustError("policy-recalls", f"the policy lacks the recall of {min(lost)}")
    return policy.data


def unsigned_policy(payload: bytes) -> Envelope:
    """Return a policy in an envelope, to be signed."""
    return Envelope(POLICY_TYPE, payload, ())
