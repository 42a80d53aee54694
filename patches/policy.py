"""The policy of a product: whose signatures count, and how many are needed for what.

- Persons, purposes, custody and roles come from here by key; a statement never says who made it.
- A key stands here once: it belongs to one person and has one purpose. Its id is the SHA-256 of the key itself.
- A rule matches on what it names; all rules that match apply together, the strictest of each demand wins. A rule
  without `match` must exist, so no release is without a rule. A severity this client does not know matches every one.
- A demand that the policy's own active keys could never meet is refused: it would be a mistake or an attack.
- Unknown keys are ignored unless `critical` names them; unknown words (purposes, custodies, states) are refused.
- Versions count up from 1; each names the digest of the one before.

The bytes are the payload of an envelope that `trust` verifies before they come here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from patchline.patches import documents, identifiers
from patchline.patches.errors import TrustError
from patchline.patches.fields import Fields
from patchline.patches.keys import PublicKey
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import SEVERITIES, Manifest

POLICY_TYPE = "application/vnd.patchline.policy+json"
FORMAT = 1
RECALL_MAX_AGE_DAYS = 45
ROLE = re.compile(r"[a-z][a-z0-9-]{0,31}")
KNOWN_NAMES = frozenset(
    [
        "format",
        "product",
        "version",
        "previous",
        "critical",
        "persons",
        "rules",
        "root_steps",
        "recalls",
        "recall_max_age_days",
        "keys",
        "keyid",
        "public",
        "purpose",
        "custody",
        "roles",
        "status",
        "retired",
        "match",
        "severity",
        "scope",
        "source",
        "root",
        "irreversible",
        "threshold",
        "independent",
        "reproduced",
    ]
)
_MOST_PERSONS = 10_000
_MOST_KEYS = 100


class Purpose(StrEnum):
    """What a key is for; one thing."""

    APPROVER = "approver"
    BUILDER = "builder"
    RELEASE = "release"


class Custody(StrEnum):
    """Where a key lies: on its person's own machine, in their browser, or in the vendor's Vault."""

    CLI = "cli"
    BROWSER = "browser"
    TRANSIT = "transit"


class Scope(StrEnum):
    """For whom a release is: all customers, or those it names."""

    ALL = "all"
    CUSTOMERS = "customers"


@dataclass(frozen=True)
class PolicyKey:
    """A key of a person.

    Attributes:
        retired: None while the key is in use or revoked, else the manifests its old signatures still count for.
    """

    person: str
    public: PublicKey
    purpose: Purpose
    custody: Custody
    roles: frozenset[str]
    revoked: bool
    retired: frozenset[str] | None

    @property
    def active(self) -> bool:
        """Tell whether new signatures count."""
        return not self.revoked and self.retired is None

    def refusal(self, manifest: str) -> str | None:
        """Return why a signature for this manifest counts for nothing (`revoked`, `retired`), or None."""
        if self.revoked:
            return "revoked"
        return "retired" if self.retired is not None and manifest not in self.retired else None


@dataclass(frozen=True)
class Release:
    """What rules match on."""

    severity: str
    scope: Scope
    source: str
    root: bool
    irreversible: bool

    @classmethod
    def of(cls, manifest: Manifest, scope: Scope) -> "Release":
        """Return what there is to match in a manifest that goes to this scope."""
        return cls(
            severity=manifest.severity,
            scope=scope,
            source=str(manifest.provenance["kind"]),
            root=any(step.root for step in manifest.steps),
            irreversible=any(step.irreversible for step in manifest.steps),
        )


@dataclass(frozen=True)
class Demand:
    """What approvals must add up to.

    Attributes:
        threshold: distinct persons.
        independent: of these, with a signature that no browser page made; all keys in Vault are one.
        reproduced: of these, who rebuilt the manifest.
        roles: each must be held by one of them.
    """

    threshold: int
    independent: int
    reproduced: int
    roles: frozenset[str]

    def joined(self, other: "Demand") -> "Demand":
        """Return the strictest of both."""
        return Demand(
            max(self.threshold, other.threshold),
            max(self.independent, other.independent),
            max(self.reproduced, other.reproduced),
            self.roles | other.roles,
        )


@dataclass(frozen=True)
class Rule:
    """A demand on releases that match. None matches everything; `reproduced` None means the default."""

    severity: frozenset[str] | None
    scope: Scope | None
    source: str | None
    root: bool | None
    irreversible: bool | None
    threshold: int
    independent: int
    reproduced: int | None
    roles: frozenset[str]

    @property
    def matches_all(self) -> bool:
        """Tell whether the rule names no condition."""
        conditions = (self.severity, self.scope, self.source, self.root, self.irreversible)
        return all(condition is None for condition in conditions)

    def matches(self, release: Release) -> bool:
        """Tell whether the rule applies."""
        if self.severity is not None and release.severity in SEVERITIES and release.severity not in self.severity:
            return False
        pairs = (
            (self.scope, release.scope),
            (self.source, release.source),
            (self.root, release.root),
            (self.irreversible, release.irreversible),
        )
        return all(named is None or named == found for named, found in pairs)

    def demand(self, release: Release) -> Demand:
        """Return what it demands of a release. By default one person must rebuild what goes to all from git."""
        by_default = 1 if release.source == "git" and release.scope is Scope.ALL else 0
        reproduced = by_default if self.reproduced is None else self.reproduced
        return Demand(self.threshold, self.independent, reproduced, self.roles)


@dataclass(frozen=True)
class Policy:
    """A policy as read. `data` is the envelope's payload, `digest` its SHA-256."""

    data: bytes
    digest: str
    product: str
    version: int
    previous: str | None
    keys: Mapping[str, PolicyKey]
    rules: tuple[Rule, ...]
    root_steps: bool
    recalls: frozenset[str]
    recall_max_age_days: int

    @classmethod
    def parse(cls, payload: bytes) -> "Policy":
        """Read a policy from verified bytes.

        Raises:
            TrustError: it breaks a rule.
            DocumentError: it is not canonical JSON.
        """
        fields = Fields(documents.decode(payload, what="policy", limit=LIMITS.sidecar), "policy", TrustError)
        _check_client(fields)
        version = fields.integer("version", 1, 1 << 50)
        policy = cls(
            data=payload,
            digest=documents.digest(payload),
            product=fields.text("product", pattern=identifiers.PRODUCT),
            version=version,
            previous=_read_previous(fields, version),
            keys=MappingProxyType(_read_persons(fields.object("persons"))),
            rules=_read_rules(fields),
            root_steps=fields.boolean("root_steps"),
            recalls=_digests(fields, "recalls"),
            recall_max_age_days=fields.integer("recall_max_age_days", 1, 3650),
        )
        for rule in policy.rules:
            _check_reachable(policy, rule)
        return policy

    def public_keys(self) -> dict[str, PublicKey]:
        """Return every key by its id, revoked and retired ones too: all of them are known."""
        return {keyid: key.public for keyid, key in self.keys.items()}

    def demand(self, release: Release) -> Demand:
        """Return the strictest demand of all rules that match."""
        demand = Demand(1, 0, 0, frozenset())
        for rule in self.rules:
            if rule.matches(release):
                demand = demand.joined(rule.demand(release))
        return demand


def _check_client(fields: Fields) -> None:
    if fields.integer("format", 0, 1_000_000) != FORMAT:
        fields.fail("format", f".format is {fields.document['format']}; this client knows {FORMAT}")
    for name in fields.texts("critical"):
        if name not in KNOWN_NAMES:
            fields.fail("critical", f" has the critical field {name!r}, unknown to this client")


def _read_previous(fields: Fields, version: int) -> str | None:
    previous = fields.sha256("previous") if fields.has("previous") else None
    if (version == 1) != (previous is None):
        fields.fail("policy-chain", ".previous must name the version before, and be null in version 1 only")
    return previous


def _digests(fields: Fields, key: str) -> frozenset[str]:
    values = fields.texts(key, most=1_000_000, limit=64, pattern=re.compile(r"[0-9a-f]{64}"))
    if list(values) != sorted(set(values)):
        fields.fail("value", f".{key} is not sorted without repeats")
    return frozenset(values)


def _read_persons(fields: Fields) -> dict[str, PolicyKey]:
    if len(fields.document) > _MOST_PERSONS:
        fields.fail("value", f" names more than {_MOST_PERSONS} persons")
    found: dict[str, PolicyKey] = {}
    for person in fields.document:
        fields.check_text("persons", person, limit=64, pattern=identifiers.PERSON)
        for entry in fields.object(person).objects("keys", most=_MOST_KEYS):
            key = _read_key(entry, person)
            if key.public.keyid in found:
                entry.fail("key-twice", f" is key {key.public.keyid[:16]} again; a key has one person and one purpose")
            found[key.public.keyid] = key
    return found


def _read_key(fields: Fields, person: str) -> PolicyKey:
    public = PublicKey.from_pem(fields.text("public", limit=4096, lines=True))
    if fields.sha256("keyid") != public.keyid:
        fields.fail("keyid", f".keyid is not the digest of its key, {public.keyid[:16]}")
    revoked, retired = _read_status(fields)
    return PolicyKey(
        person=person,
        public=public,
        purpose=Purpose(fields.choice("purpose", tuple(Purpose))),
        custody=Custody(fields.choice("custody", tuple(Custody))),
        roles=frozenset(fields.texts("roles", most=100, pattern=ROLE)),
        revoked=revoked,
        retired=retired,
    )


def _read_status(fields: Fields) -> tuple[bool, frozenset[str] | None]:
    """Return whether a key is revoked, and the manifests of a retired one."""
    if isinstance(fields.document.get("status"), dict):
        return False, _digests(fields.object("status"), "retired")
    return fields.choice("status", ("active", "revoked")) == "revoked", None


def _read_rules(fields: Fields) -> tuple[Rule, ...]:
    rules = tuple(_read_rule(entry) for entry in fields.objects("rules", most=1000))
    if not any(rule.matches_all for rule in rules):
        fields.fail("no-rule", ".rules has none that matches everything")
    return rules


def _read_rule(fields: Fields) -> Rule:
    match = fields.object("match") if fields.has("match") else Fields({}, f"{fields.where}.match", TrustError)
    return Rule(
        severity=_read_severity(match) if match.has("severity") else None,
        scope=Scope(match.choice("scope", tuple(Scope))) if match.has("scope") else None,
        source=match.choice("source", ("folders", "git")) if match.has("source") else None,
        root=match.boolean("root") if match.has("root") else None,
        irreversible=match.boolean("irreversible") if match.has("irreversible") else None,
        threshold=_count(fields, "threshold", 1),
        independent=_count(fields, "independent", 0) if fields.has("independent") else 1,
        reproduced=_count(fields, "reproduced", 0) if fields.has("reproduced") else None,
        roles=frozenset(fields.texts("roles", most=100, pattern=ROLE)) if fields.has("roles") else frozenset(),
    )


def _read_severity(fields: Fields) -> frozenset[str]:
    values = fields.texts("severity", most=100)
    if not values or not set(values).issubset(SEVERITIES):
        fields.fail("value", f".severity must name some of {', '.join(SEVERITIES)}")
    return frozenset(values)


def _count(fields: Fields, key: str, least: int) -> int:
    """Return a number of persons; a threshold that nobody needs to reach has its own code."""
    value = fields.integer(key, -(1 << 52), 1 << 52)
    if not least <= value <= _MOST_PERSONS:
        fields.fail("threshold", f".{key} is {value}; it must be at least {least} and at most {_MOST_PERSONS}")
    return value


def _check_reachable(policy: Policy, rule: Rule) -> None:
    """Refuse a demand that all active approvers together could not meet."""
    approvers = [key for key in policy.keys.values() if key.purpose is Purpose.APPROVER and key.active]
    persons = {key.person for key in approvers}
    for name, needed, there in (
        ("threshold", rule.threshold, len(persons)),
        ("independent", rule.independent, independent_custodies((key.person, key.custody) for key in approvers)),
        ("reproduced", rule.reproduced or 0, len(persons)),
    ):
        if needed > there:
            raise TrustError("unreachable", f"the policy's {name} of {needed} cannot be reached with {there} approvers")
    if missing := rule.roles.difference(*[key.roles for key in approvers]):
        raise TrustError("unreachable", f"the policy demands roles that no approver has: {sorted(missing)}")


def independent_custodies(keys: Iterable[tuple[str, Custody]]) -> int:
    """Count custodies that no single page or administrator controls, given pairs of a person and their custody.

    A browser's key counts for nothing, since whoever serves the page chooses what is signed; all keys in Vault count
    once, since its administrator can use them all; a key on a person's own machine counts for that person.
    """
    pairs = set(keys)
    own = {person for person, custody in pairs if custody is Custody.CLI}
    in_vault = {person for person, custody in pairs if custody is Custody.TRANSIT}
    return len(own) + bool(in_vault - own)


def key_document(
    public: PublicKey, purpose: Purpose, custody: Custody = Custody.CLI, roles: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the document of a new, active key."""
    return {
        "keyid": public.keyid,
        "public": public.to_pem(),
        "purpose": purpose.value,
        "custody": custody.value,
        "roles": sorted(roles),
        "status": "active",
    }
