"""The rules of a policy: what a release must match for a rule to apply, and what is demanded of it then.

- A rule matches on what it names; all rules that match apply together, the strictest of each demand wins. A rule
  without `match` must exist, so no release is without a rule. A severity this client does not know matches every one.
- The emergency rule stands beside them: it lets a few persons ship to named customers for some hours. A policy without
  one knows no emergencies.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from patchline.patches.errors import TrustError
from patchline.patches.fields import Fields
from patchline.patches.manifest import SEVERITIES, Manifest

ROLE = re.compile(r"[a-z][a-z0-9-]{0,31}")
MOST_PERSONS = 10_000
MOST_HOURS = 24 * 30
"""The longest that any policy may let an emergency last."""


class Scope(StrEnum):
    """For whom a release is: all customers, or those it names."""

    ALL = "all"
    CUSTOMERS = "customers"


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
class EmergencyRule:
    """What lets a release go to named customers before the other rules are met.

    Attributes:
        role: must be held by one of the persons.
        max_hours: longest time from when a site first saw it until nobody may apply it any more.
        threshold: distinct persons, of whom one at least signs with a key that is not in a browser.
    """

    role: str
    max_hours: int
    threshold: int

    @property
    def demand(self) -> Demand:
        """What emergency approvals must add up to."""
        return Demand(self.threshold, 1, 0, frozenset([self.role]))


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


def read_rules(fields: Fields) -> tuple[Rule, ...]:
    """Read the rules of a policy."""
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
    if not least <= value <= MOST_PERSONS:
        fields.fail("threshold", f".{key} is {value}; it must be at least {least} and at most {MOST_PERSONS}")
    return value


def read_emergency(fields: Fields) -> EmergencyRule | None:
    """Read the emergency rule of a policy, if it has one."""
    if not fields.has("emergency"):
        return None
    rule = fields.object("emergency")
    return EmergencyRule(
        role=rule.text("role", pattern=ROLE),
        max_hours=rule.integer("max_hours", 1, MOST_HOURS),
        threshold=_count(rule, "threshold", 1),
    )
