"""Counting approvals: from verified statements to places filled by persons.

What counts for nothing, with its code:
    unknown-key   a key that the policy does not hold (it may have held it once)
    purpose       a key for something else than approving
    revoked       a revoked key
    retired       a retired key, and the manifest is not among those it still counts for
    contributor   the person is among the manifest's contributors
    builder       the person built the bundle
    scope         the approval is for other customers
One person fills one place, however many keys or statements they have; what any of them says counts for that place.

Rules may ask less of a release to named customers than of one to all. Approvals for named customers count by the
rules for the one, approvals for all by those for the other, both together only by both: so what was approved for all
never reaches anybody by the weaker rules.

An approval that says it is for an emergency counts by the policy's emergency rule alone, and the others never count by
that one: who was asked in a hurry has not agreed to more. The rule needs the person with the role, a key that is not
in a browser, and a hotfix without steps as root and without steps that cannot be undone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from patchline.patches.errors import ApprovalError
from patchline.patches.manifest import Manifest
from patchline.patches.policy import Policy, PolicyKey, Purpose, independent_custodies
from patchline.patches.rules import Demand, Release, Scope
from patchline.patches.statements import Approval


@dataclass(frozen=True)
class Signed:
    """A verified approval and the key that made it."""

    key: PolicyKey
    approval: Approval


@dataclass(frozen=True)
class Uncounted:
    """A signature that counts for nothing: by which key, of whom if known, and why."""

    keyid: str
    person: str | None
    code: str
    reason: str


@dataclass(frozen=True)
class Place:
    """What one person's approvals amount to."""

    person: str
    signed: tuple[Signed, ...]

    @property
    def reproduced(self) -> bool:
        """Tell whether the person rebuilt the manifest."""
        return any(one.approval.reproduced for one in self.signed)

    @property
    def roles(self) -> frozenset[str]:
        """The roles of the keys they used."""
        return frozenset().union(*[one.key.roles for one in self.signed])


def judge(signed: Signed, manifest: Manifest, customer: str | None, builders: frozenset[str]) -> Uncounted | None:
    """Return why an approval counts for nothing, or None when it counts."""
    key = signed.key
    refusal = key.refusal(manifest.digest)
    if key.purpose is not Purpose.APPROVER:
        code, reason = "purpose", f"is {key.person}'s key for {key.purpose}, not for approving"
    elif refusal is not None:
        code, reason = refusal, f"of {key.person} is {refusal}"
    elif key.person in manifest.contributors:
        code, reason = "contributor", f"is of {key.person}, who contributed to the hotfix"
    elif key.person in builders:
        code, reason = "builder", f"is of {key.person}, who built the bundle"
    elif not signed.approval.covers(customer):
        code, reason = "scope", f"of {key.person} approves for other customers"
    else:
        return None
    return Uncounted(key.public.keyid, key.person, code, f"key {key.public.keyid[:16]} {reason}")


def places(signed: Iterable[Signed]) -> tuple[Place, ...]:
    """Return one place for each person, sorted."""
    ordered = sorted(signed, key=lambda one: (one.key.person, one.key.public.keyid))
    return tuple(Place(person, tuple(group)) for person, group in groupby(ordered, key=lambda one: one.key.person))


def missing(found: Sequence[Place], demand: Demand) -> list[tuple[str, str]]:
    """Return what is lacking, as pairs of a code and words; nothing when the demand is met."""
    custodies = independent_custodies((place.person, one.key.custody) for place in found for one in place.signed)
    reproduced = sum(place.reproduced for place in found)
    absent = demand.roles.difference(*[place.roles for place in found])
    lacking = []
    if len(found) < demand.threshold:
        lacking.append(("quorum", f"{len(found)} of {demand.threshold} persons approved"))
    if custodies < demand.independent:
        lacking.append(
            ("independent", f"{custodies} of {demand.independent} approvals were made independently of the server")
        )
    if reproduced < demand.reproduced:
        lacking.append(("reproduced", f"{reproduced} of {demand.reproduced} approvers rebuilt the hotfix"))
    if absent:
        lacking.append(("roles", f"nobody approved as {', '.join(sorted(absent))}"))
    return lacking


def count(
    policy: Policy, manifest: Manifest, counted: Sequence[Signed], uncounted: Sequence[Uncounted]
) -> tuple[Place, ...]:
    """Return the places that approvals fill, provided they are enough.

    Args:
        policy: whose rules apply.
        manifest: what was approved.
        counted: approvals that `judge` let pass.
        uncounted: the others, for the message.

    Raises:
        ApprovalError: they are not enough. Its code is the one reason why others did not count, if there is but one
            and persons are lacking, else what is lacking.
    """
    to_some = policy.demand(Release.of(manifest, Scope.CUSTOMERS))
    to_all = policy.demand(Release.of(manifest, Scope.ALL))
    named = places(one for one in counted if one.approval.scope is not None)
    unlimited = places(one for one in counted if one.approval.scope is None)
    ways = [(named, to_some), (unlimited, to_all), (places(counted), to_some.joined(to_all))]
    if not named or not unlimited:
        ways = ways[:1] if named else ways[1:2]
    for found, demand in ways:
        lacking = missing(found, demand)
        if not lacking:
            return found
    raise _not_enough(manifest, lacking, uncounted)


@dataclass(frozen=True)
class Approved:
    """By whom a manifest was approved enough.

    Attributes:
        emergency: hours it may be applied for, counted from when a site first saw it; None when the ordinary rules
            are met, whatever else was signed.
    """

    places: tuple[Place, ...]
    emergency: int | None = None


def decide(policy: Policy, manifest: Manifest, counted: Sequence[Signed], uncounted: Sequence[Uncounted]) -> Approved:
    """Return by whom a manifest was approved: by the ordinary rules if they are met, else by the emergency rule.

    Raises:
        ApprovalError: neither is met. Its code speaks of the emergency when somebody signed for one.
    """
    urgent = [one for one in counted if one.approval.emergency is not None]
    ordinary = [one for one in counted if one.approval.emergency is None]
    try:
        return Approved(count(policy, manifest, ordinary, uncounted))
    except ApprovalError as error:
        if not urgent:
            raise
        lacking = missing_in_emergency(policy, manifest, places(urgent))
        if lacking:
            words = "; ".join(text for _, text in lacking)
            raise ApprovalError(lacking[0][0], f"{error.message}; as an emergency: {words}") from None
    return Approved(places(urgent), _hours(policy, urgent))


def missing_in_emergency(policy: Policy, manifest: Manifest, found: Sequence[Place]) -> list[tuple[str, str]]:
    """Return what an emergency release is lacking, as pairs of a code and words; nothing when the rule is met."""
    if policy.emergency is None:
        return [("emergency-none", f"policy {policy.version} allows none")]
    release = Release.of(manifest, Scope.CUSTOMERS)
    if release.root or release.irreversible:
        what = "as root" if release.root else "that cannot be undone"
        return [("emergency-steps", f"the hotfix has steps {what}")]
    return [(f"emergency-{code}", words) for code, words in missing(found, policy.emergency.demand)]


def _hours(policy: Policy, urgent: Sequence[Signed]) -> int:
    """Return the shortest time that anybody granted, and never more than the policy does."""
    granted = [one.approval.emergency for one in urgent if one.approval.emergency is not None]
    return min([*granted, *([policy.emergency.max_hours] if policy.emergency else [])])


def _not_enough(
    manifest: Manifest, lacking: Sequence[tuple[str, str]], uncounted: Sequence[Uncounted]
) -> ApprovalError:
    code = lacking[0][0]
    reasons = {one.code for one in uncounted}
    if code == "quorum" and len(reasons) == 1:
        code = reasons.pop()
    words = "; ".join([text for _, text in lacking] + [one.reason for one in uncounted])
    return ApprovalError(code, f"{manifest.label} is not approved: {words}")
