"""Setups as documents for scripts and pages; no fact of them is a secret."""

from datetime import datetime
from typing import Any

from patchline.patches.statements import time_text
from patchline.releaser.fleet.words import known_document
from patchline.releaser.setups.keeping import Known
from patchline.releaser.tables.setups import SetupCredential, SetupEndpoint


def setup_document(one: Known, now: datetime) -> dict[str, Any]:
    """Return a setup for scripts, without its endpoints."""
    return {
        "setup": one.site.name,
        "team": one.setup.team,
        "sensitive": one.setup.sensitive,
        "product": one.site.product,
        "baseline": one.state.baseline,
        "level": one.state.label,
        "known": known_document(one.state.evidence, one.state.as_of, now),
        "facets": [{"kind": facet.kind, "value": facet.value} for facet in one.facets],
        "version": one.setup.version,
        "added": time_text(one.setup.added),
        "added_by": one.setup.added_by,
    }


def whole_document(one: Known, now: datetime) -> dict[str, Any]:
    """Return a setup for scripts, with its endpoints."""
    endpoints = [_endpoint_document(*pair) for pair in one.endpoints]
    return {**setup_document(one, now), "endpoints": endpoints}


def _endpoint_document(endpoint: SetupEndpoint, credential: SetupCredential | None) -> dict[str, Any]:
    return {
        "endpoint": endpoint.name,
        "kind": endpoint.kind,
        "address": endpoint.address,
        "strategy": endpoint.strategy,
        "host_fingerprint": endpoint.host_fingerprint,
        "credential": credential
        and {
            "audience": credential.audience,
            "mount": credential.mount,
            "path": credential.path,
            "version": credential.number,
            "username": credential.username,
            "rotated": time_text(credential.rotated) if credential.rotated else None,
        },
    }
