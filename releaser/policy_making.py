"""Making the next policy: from a recipe, the version before or nothing, plus what is to change.

Everything made here is read back by the rules of `patches`, so nothing leaves that a site would refuse for its form.
"""

import tomllib
from dataclasses import dataclass, field
from typing import Any

from patchline.patches import documents
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import NotFoundError, TrustError, UsageError
from patchline.patches.fields import Fields
from patchline.patches.identifiers import plain_fingerprint
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
from patchline.patches.rules import EmergencyRule

RELEASE_PERSON = "release"
"""Who holds the release key, when only the key is named."""


@dataclass(frozen=True)
class NewKey:
    """A key to be added to a policy."""

    person: str
    public: PublicKey
    purpose: Purpose
    custody: Custody = Custody.CLI
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class OldKey:
    """A key that is to count no more.

    Attributes:
        fingerprint: of the key, as a person tells it.
        manifests: digests for which what it signed still counts; None when it is revoked and counts for nothing.
    """

    fingerprint: str
    manifests: frozenset[str] | None = None


@dataclass(frozen=True)
class Changes:
    """What is new in a policy.

    Attributes:
        threshold: of the rule without `match`; None keeps what it is.
        recalled: digests of manifests.
        emergency: the rule for emergencies; None keeps what it is.
    """

    added: tuple[NewKey, ...] = ()
    old: tuple[OldKey, ...] = ()
    recalled: frozenset[str] = field(default_factory=frozenset)
    threshold: int | None = None
    emergency: EmergencyRule | None = None


def policy_payload(
    product: str, changes: Changes, *, previous: Policy | None = None, recipe: bytes | None = None
) -> bytes:
    """Make a policy: from a recipe, else from the previous one, else a first one; then change it.

    Args:
        product: what it is for.
        changes: keys that come in or go out, and more.
        previous: the version before.
        recipe: the whole document as TOML, without `version` and `previous`; left out members get their defaults.

    Raises:
        TrustError, SignatureError, DocumentError: the result breaks a rule.
        NotFoundError: a key that is to count no more is not there.
        UsageError: a first policy without a threshold, a recipe that is none, or a release key that is not P-256.
    """
    document = _start(product, previous, recipe)
    if previous is None and recipe is None and changes.threshold is None:
        raise UsageError("options", "a first policy needs --threshold")
    if changes.recalled:
        document["recalls"] = sorted(changes.recalled.union(document["recalls"]))
    for old in changes.old:
        _end(document, old)
    for key in changes.added:
        _add(document, key)
    for rule in document["rules"] if changes.threshold is not None else []:
        if not rule.get("match"):
            rule["threshold"] = changes.threshold
    if changes.emergency is not None:
        rule = changes.emergency
        document["emergency"] = {"role": rule.role, "max_hours": rule.max_hours, "threshold": rule.threshold}
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


def _end(document: dict[str, Any], old: OldKey) -> None:
    """Retire or revoke a key; a retired one may still be revoked, and never comes back."""
    keys = (key for person in document["persons"].values() for key in person["keys"])
    wanted = plain_fingerprint(old.fingerprint)
    for key in keys:
        if plain_fingerprint(PublicKey.from_pem(key["public"]).fingerprint) == wanted:
            if key["status"] == "revoked":
                raise TrustError("key-ended", f"key {old.fingerprint} is revoked already")
            # What was recalled needs no signatures any more.
            kept = None if old.manifests is None else sorted(old.manifests.difference(document["recalls"]))
            key["status"] = "revoked" if kept is None else {"retired": kept}
            return
    raise NotFoundError("policy-key", f"the policy has no key {old.fingerprint}")


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
    if fields.has("recalls"):
        fields.texts("recalls", most=1_000_000)
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
