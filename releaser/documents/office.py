"""Who acts in the register, and how well the home is, as documents."""

from typing import Any

from patchline.patches.statements import time_text
from patchline.releaser.doctor import Health
from patchline.releaser.emergencies import Emergency
from patchline.releaser.persons import Listed


def person_document(person: Listed) -> dict[str, Any]:
    """Return a person."""
    return {
        "id": person.id,
        "name": person.name,
        "roles": list(person.roles),
        "added": time_text(person.added),
        "disabled": time_text(person.disabled) if person.disabled else None,
    }


def health_document(health: Health) -> dict[str, Any]:
    """Return what the doctor has seen."""
    return {
        "findings": [vars(finding) for finding in health.findings],
        "expiries": {role: time_text(moment) for role, moment in sorted(health.expiries.items())},
        "losses": list(health.losses),
    }


def emergency_document(one: Emergency) -> dict[str, Any]:
    """Return an emergency release."""
    return {
        "revision": one.label,
        "published": time_text(one.published),
        "hours": one.hours,
        "ends": time_text(one.ends),
        "approved_by": list(one.approved_by),
        "ratified": time_text(one.ratified) if one.ratified else None,
    }
