"""The policy of a product: whose signatures count, and how many are needed for what.

- Persons, purposes, custody and roles come from here by key; a statement never says who made it.
- A key stands here once: it belongs to one person and has one purpose. Its id is the SHA-256 of the key itself.
- What is demanded of a release, its rules say (`rules`); the strictest of those that match.
- A demand that the policy's own active keys could never meet is refused: it would be a mistake or an attack.
- Unknown keys are ignored unless `critical` names them; unknown words (purposes, custodies, states) are refused.
- Versions count up from 1; each names the digest of the one before.

The bytes are the payload of an envelope that `trust` verifies before they come here.
"""

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
from patchline.patches.rules import MOST_PERSONS, ROLE, Demand, EmergencyRule, Release, Rule, read_emergency, read_rules

POLICY_TYPE = "application/vnd.patchline.policy+json"
FORMAT = 1
RECALL_MAX_AGE_DAYS = 45
KNOWN_NAMES = frozenset(
    [
        "format",
        "product",
        "version",
        "previous",
        "critical",
        "persons",
        "rules",
        "emergency",
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
        "role",
        "max_hours",
    ]
)
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
class Policy:
    """A policy as read. `data` is the envelope's payload, `digest` its SHA-256."""

    data: bytes
    digest: str
    product: str
    version: int
    previous: str | None
    keys: Mapping[str, PolicyKey]
    rules: tuple[Rule, ...]
    emergency: EmergencyRule | None
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
            rules=read_rules(fields),
            emergency=read_emergency(fields),
            root_steps=fields.boolean("root_steps"),
            recalls=_digests(fields, "recalls"),
            recall_max_age_days=fields.integer("recall_max_age_days", 1, 3650),
        )
        for rule in policy.rules:
            _check_reachable(policy, Demand(rule.threshold, rule.independent, rule.reproduced or 0, rule.roles))
        if policy.emergency is not None:
            _check_reachable(policy, policy.emergency.demand)
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
    values = fields.texts(key, most=1_000_000, limit=64, pattern=identifiers.DIGEST)
    if list(values) != sorted(set(values)):
        fields.fail("value", f".{key} is not sorted without repeats")
    return frozenset(values)


def _read_persons(fields: Fields) -> dict[str, PolicyKey]:
    if len(fields.document) > MOST_PERSONS:
        fields.fail("value", f" names more than {MOST_PERSONS} persons")
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


def _check_reachable(policy: Policy, demand: Demand) -> None:
    """Refuse a demand that all active approvers together could not meet."""
    approvers = [key for key in policy.keys.values() if key.purpose is Purpose.APPROVER and key.active]
    persons = {key.person for key in approvers}
    for name, needed, there in (
        ("threshold", demand.threshold, len(persons)),
        ("independent", demand.independent, independent_custodies((key.person, key.custody) for key in approvers)),
        ("reproduced", demand.reproduced, len(persons)),
    ):
        if needed > there:
            raise TrustError("unreachable", f"the policy's {name} of {needed} cannot be reached with {there} approvers")
    if missing := demand.roles.difference(*[key.roles for key in approvers]):
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
