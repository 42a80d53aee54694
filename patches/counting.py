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
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from patchline.patches.errors import ApprovalError
from patchline.patches.manifest import Manifest
from patchline.patches.policy import Demand, Policy, PolicyKey, Purpose, Release, Scope, independent_custodies
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


def _not_enough(
    manifest: Manifest, lacking: Sequence[tuple[str, str]], uncounted: Sequence[Uncounted]
) -> ApprovalError:
    code = lacking[0][0]
    reasons = {one.code for one in uncounted}
    if code == "quorum" and len(reasons) == 1:
        code = reasons.pop()
    words = "; ".join([text for _, text in lacking] + [one.reason for one in uncounted])
    return ApprovalError(code, f"{manifest.label} is not approved: {words}")
