"""Vectors of releases in an emergency: approved by few, for named customers and some hours."""

from typing import Any

from tests.vectors import keys, material, release
from tests.vectors.cases import Delivery, register
from tests.vectors.keys import Key
from tests.vectors.material import canonical, sha256
from tests.vectors.release import approval, deliver, envelope, lines

Document = dict[str, Any]
RULE: Document = {"role": "duty", "max_hours": 24, "threshold": 1}
SCRIPT = b"#!/bin/sh\nexit 0\n"


def policy(rule: Document | None = None, custody: str = "cli", **changes: Any) -> Document:
    """Return a policy in which Bob holds the role for emergencies."""
    document = release.with_key("bob", 0, roles=["duty"], custody=custody)
    return {**document, "emergency": RULE if rule is None else rule, **changes}


def trust(document: Document, customer: str | None = "c-1") -> bytes:
    signed = envelope(canonical(document), keys.ROOTS[:2], release.POLICY)
    return canonical(release.trust_document(signed, customer=customer))


def urgent(key: Key, hours: Any = 12, manifest: bytes | None = None, **changes: Any) -> Document:
    """Return an approval for an emergency."""
    given = {"scope": ["c-1"], "emergency": {"hours": hours}, **changes}
    return approval(manifest or canonical(material.document()), key, **given)


def emergency(
    name: str, code: str | None, *signed: Document, under: bytes | None = None, hours: int | None = None
) -> None:
    against = trust(policy()) if under is None else under
    register(f"emergency-{name}", code, lambda: deliver(approval_lines=lines(signed), trust=against), emergency=hours)


def with_step(**flags: bool) -> Delivery:
    step = {
        "id": "restart",
        "kind": "script",
        "phase": "start",
        "script": sha256(SCRIPT),
        "interpreter": "/bin/sh",
        "args": [],
        "timeout_s": 60,
        "root": False,
        "idempotent": True,
        "irreversible": False,
        "on": "apply",
        **flags,
    }
    scripts = [{"sha256": sha256(SCRIPT), "size": len(SCRIPT)}]
    manifest = canonical(material.document([], guidance=["none"], scripts=scripts, steps=[step]))
    signed = lines([urgent(keys.BOB, manifest=manifest)])
    return deliver(manifest=manifest, approval_lines=signed, trust=trust(policy()))


def ordinary(key: Key, **changes: Any) -> Document:
    return approval(canonical(material.document()), key, **changes)


BOB = urgent(keys.BOB)
TWO = {**RULE, "threshold": 2}
emergency("good", None, BOB, hours=12)
emergency("of-fewest-hours", None, urgent(keys.BOB, 20), urgent(keys.CAROL, 8), hours=8)
emergency("of-the-policys-hours", None, urgent(keys.BOB, 600), hours=24)
emergency("ratified", None, BOB, ordinary(keys.CAROL), ordinary(keys.DAN))
emergency("policy-without-rule", "approval.emergency-none", BOB, under=trust(release.policy_document()))
emergency("other-customer", "approval.scope", BOB, under=trust(policy(), "c-2"))
emergency("without-customer", "approval.scope", BOB, under=trust(policy(), None))
emergency("for-all", "statement.emergency", urgent(keys.BOB, scope="all"))
emergency("no-hours", "statement.value", urgent(keys.BOB, 0))
emergency("too-many-hours", "statement.value", urgent(keys.BOB, 721))
emergency("more-fields", "statement.approval-fields", urgent(keys.BOB, emergency={"hours": 1, "why": "now"}))
emergency("null", "statement.type", urgent(keys.BOB, emergency=None))
emergency("without-role", "approval.emergency-roles", urgent(keys.CAROL))
emergency("one-of-two", "approval.emergency-quorum", BOB, under=trust(policy(TWO)))
emergency("ordinary-beside", "approval.emergency-quorum", BOB, ordinary(keys.CAROL), under=trust(policy(TWO)))
emergency("of-the-author", "approval.contributor", urgent(keys.ADA))
emergency("in-a-browser", "approval.emergency-independent", BOB, under=trust(policy(custody="browser")))
register("emergency-step-as-root", "approval.emergency-steps", lambda: with_step(root=True))
register("emergency-step-for-good", "approval.emergency-steps", lambda: with_step(irreversible=True))
emergency("rule-of-nobody", "trust.unreachable", BOB, under=trust(policy({**RULE, "role": "king"})))
emergency("rule-threshold-0", "trust.threshold", BOB, under=trust(policy({**RULE, "threshold": 0})))
emergency("rule-of-a-year", "trust.value", BOB, under=trust(policy({**RULE, "max_hours": 8760})))
