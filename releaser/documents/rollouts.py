"""Rollouts, freezes and messages as documents for programs."""

from collections.abc import Sequence
from typing import Any

from patchline.patches.statements import time_text
from patchline.releaser.rollouts.life import Found, Settings
from patchline.releaser.rollouts.listing import Recalled, Row
from patchline.releaser.rollouts.notices import Pending, Result
from patchline.releaser.rollouts.targets import Count, Measured
from patchline.releaser.tables.customers import Freeze
from patchline.releaser.tables.rollouts import RolloutStage


def rollout_document(found: Found, counts: Measured) -> dict[str, Any]:
    """Return a rollout as it stands."""
    one = found.rollout
    settings = {name: getattr(one, name) for name in vars(Settings())}
    return {
        "revision": found.label,
        "state": one.state,
        "reason": one.reason,
        "stage": one.stage,
        "settings": settings,
        "targets": counts.sites(),
        "errors": counts.errors,
        "silent": counts.all_silent,
        "stages": [_stage_document(counts, stage) for stage in counts.stages],
        "planned": time_text(one.planned),
        "planned_by": one.planned_by,
    }


def _stage_document(counts: Measured, stage: RolloutStage) -> dict[str, Any]:
    have, of = counts.soaked(stage.number)
    return {
        "stage": stage.number,
        "kind": stage.kind,
        "ring": stage.ring,
        "opened": time_text(stage.opened) if stage.opened else None,
        "soaked": have,
        "of": of,
        "silent": counts.silent.get(stage.number, 0),
        "counts": [_count_document(one) for one in counts.counts if one.stage == stage.number],
    }


def _count_document(one: Count) -> dict[str, Any]:
    return {
        "stand": one.stand,
        "sites": one.sites,
        "evidence": one.evidence,
        "oldest": time_text(one.oldest) if one.oldest else None,
        "newest": time_text(one.newest) if one.newest else None,
    }


def target_document(row: Any) -> dict[str, Any]:
    """Return a site of a rollout."""
    return {
        "site": row.name,
        "customer": row.customer,
        "stage": row.stage,
        "stand": row.stand,
        "evidence": row.evidence,
        "as_of": time_text(row.as_of) if row.as_of else None,
    }


def freeze_document(one: Freeze, site: str | None) -> dict[str, Any]:
    """Return a freeze; the site is its name."""
    return {
        "freeze": one.id,
        "product": one.product,
        "customer": one.customer,
        "site": site,
        "begins": time_text(one.begins),
        "ends": time_text(one.ends),
        "reason": one.reason,
    }


def pending_document(found: Sequence[Pending]) -> list[dict[str, Any]]:
    """Return drafts for `--json`."""
    return [
        {
            "customer": one.draft.customer,
            "person": one.draft.person,
            "name": one.draft.name,
            "address": one.draft.address,
            "subject": one.draft.subject,
            "body": one.draft.body,
            "standing": one.standing,
            "told": time_text(one.at) if one.at else None,
        }
        for one in found
    ]


def results_document(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return what became of messages for `--json`."""
    return [{"address": one.draft.address, "outcome": one.outcome or "in-doubt", "said": one.told} for one in results]


def listed_document(one: Row) -> dict[str, Any]:
    """Return a rollout as it stands in lists."""
    return {
        "revision": one.label,
        "title": one.title,
        "product": one.product,
        "state": one.state,
        "reason": one.reason,
        "stage": one.stage,
        "stages": one.stages,
        "automatic": one.automatic,
        "planned": time_text(one.planned),
        "changed": time_text(one.changed),
        "seen": one.seen,
        "problems": one.problems,
    }


def recalled_document(one: Recalled) -> dict[str, Any]:
    """Return a recalled revision as it stands in lists."""
    return {
        "revision": one.label,
        "title": one.title,
        "product": one.product,
        "severity": one.severity,
        "at": time_text(one.at) if one.at else None,
        "reason": one.reason,
        "runs": one.runs,
        "words": one.words,
    }
