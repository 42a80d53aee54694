"""The changes a site can go through, each from start to end: apply, roll back, recover, clean up.

Each takes an opened site, holds its lock, first finishes or undoes what a crash left, and then does its own work.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from patchline.patches.bundle import Container, NullStore, Store, stage
from patchline.patches.errors import NotFoundError, RefusedError, RelationError, refuse
from patchline.patches.manifest import Manifest
from patchline.patches.site import space, staging
from patchline.patches.site.emergencies import FACT, Emergencies, hours_of, ratify
from patchline.patches.site.installation import Installation, Progress, Result, quiet
from patchline.patches.site.inventory import level_of
from patchline.patches.site.ledger import Ledger
from patchline.patches.site.plan import Plan, plan_apply, plan_rollback
from patchline.patches.site.space import Needs
from patchline.patches.site.state import Site, locked
from patchline.patches.site.survey import Survey
from patchline.patches.situation import Choices, Key
from patchline.patches.stopping import finishing
from patchline.patches.verify import VerifiedManifest

Offered = tuple[VerifiedManifest, Container]
"""What was verified, and the opened file whose payload is still to be read."""


@dataclass(frozen=True)
class Consent:
    """What the person at the site, and the policy, allow beyond the usual."""

    choices: Choices = field(default_factory=Choices)
    root_steps: bool = False
    irreversible: bool = False
    recalled: frozenset[str] = frozenset()
    plan: str | None = None
    """Digest of the plan that was reviewed; another one is refused."""
    reference: str | None = None
    emergencies: Emergencies = field(default_factory=Emergencies)
    stale_until: datetime | None = None
    """Until when a person accepts what has expired, where something has."""


@dataclass(frozen=True)
class Context:
    """When it happens and who hears of its progress."""

    now: datetime
    progress: Progress = quiet


@dataclass
class _Change:
    """An opened and locked site, about to be changed.

    Attributes:
        needs: the room that the change needs, once it is known.
        recovered: what recovery did before.
    """

    installation: Installation
    needs: Needs = tuple
    recovered: Result = field(default_factory=lambda: Result("nothing"))


@contextmanager
def _changing(site: Site, context: Context) -> Iterator[_Change]:
    """Lock the site and bring it to rest; a disk that fails or fills while it is changed is told as our error."""
    with locked(site, context.now):
        change = _Change(Installation(site, context.now, context.progress))
        try:
            change.recovered = change.installation.recover()
            yield change
        except OSError as error:
            raise space.disk_failed(error, site, change.needs) from None


def recover(site: Site, context: Context) -> Result:
    """Finish or undo what a crash left."""
    with _changing(site, context) as change:
        return change.recovered


def plan_for(site: Site, offered: Iterable[Offered], consent: Consent, context: Context) -> Plan:
    """Work out what applying would do, reading every byte of the bundles and writing nothing."""
    bundles = [stage(verified, container, NullStore()) for verified, container in offered]
    survey = Survey(site, site.ledger(), context.now, consent.recalled)
    return _planned(
        survey,
        [bundle.manifest for bundle in bundles],
        consent,
        hours_of(bundle.verified for bundle in bundles),
        context.now,
    )


def _planned(
    survey: Survey, manifests: list[Manifest], consent: Consent, hours: Mapping[str, int], now: datetime
) -> Plan:
    """Work out what applying would do; an emergency whose hours are over is a problem like any other."""
    plan = plan_apply(survey, manifests, consent.choices, root_steps=consent.root_steps)
    plan.problems += consent.emergencies.overdue(hours, (layer.manifest for layer, _ in plan.layers), now)
    return plan


def apply(site: Site, offered: Iterable[Offered], consent: Consent, context: Context) -> tuple[Plan, Result]:
    """Apply hotfixes as one transaction.

    Raises:
        PatchlineError: refused, or undone; the site is as it was.
    """
    offered = list(offered)
    with _changing(site, context) as change:
        staged: staging.Stamps = {}
        try:
            plan, survey = _plan_staged(site, offered, consent, context, change, staged)
        except BaseException:
            with finishing(), contextlib.suppress(OSError):  # What stays is cleared by the next command.
                staging.clear(site)
            raise
        verified = [verified for verified, _ in offered]
        if plan.empty:
            staging.clear(site)
            result = Result("nothing")
        else:
            result = change.installation.execute(plan, survey, _facts(consent, plan, hours_of(verified)), staged)
        result.notes += [f"{label} is ratified" for label in ratify(change.installation.ledger, verified, context.now)]
        return plan, result


def _plan_staged(
    site: Site,
    offered: list[Offered],
    consent: Consent,
    context: Context,
    change: _Change,
    staged: staging.Stamps,
) -> tuple[Plan, Survey]:
    """Stage the payloads, noting them in `staged`, and work out what to do with them."""
    survey = Survey(site, change.installation.ledger, context.now, consent.recalled)

    def planned(manifests: list[Manifest]) -> Plan:
        return _planned(survey, manifests, consent, hours, context.now)

    manifests = [verified.manifest for verified, _ in offered]
    hours = hours_of(verified for verified, _ in offered)
    change.needs = lambda: space.needs_of_manifests(site, manifests)
    if short := space.missing(change.needs()):
        refuse(planned(manifests).problems or short)  # All problems at once; a full disk is not filled further.
    context.progress("verifying and staging")
    with survey.reading_ahead(entry.place for manifest in manifests for entry in manifest.files):
        bundles = [stage(verified, container, _store(site, verified, staged)) for verified, container in offered]
    plan = planned([bundle.manifest for bundle in bundles])
    _accept(plan, consent)
    consent.emergencies.require(hours, (layer.manifest for layer, _ in plan.layers))
    change.needs = lambda: space.needs_of_actions(site, plan.actions, plan.between, plan.spent)
    return plan, survey


def _facts(consent: Consent, plan: Plan, hours: Mapping[str, int]) -> dict[str, Any]:
    facts: dict[str, Any] = {"reference": consent.reference} if consent.reference else {}
    applied = {layer.manifest.digest for layer, _ in plan.layers}
    if urgent := {digest: granted for digest, granted in hours.items() if digest in applied}:
        facts[FACT] = urgent
    if consent.stale_until is not None:
        facts["accepted_stale_until"] = f"{consent.stale_until:%Y-%m-%d}"
    return facts


def _store(site: Site, verified: VerifiedManifest, staged: staging.Stamps) -> Store:
    return staging.SiteStore(site, verified.manifest, staged)


def _accept(plan: Plan, consent: Consent) -> None:
    plan.require()
    if consent.plan is not None and plan.digest != consent.plan:
        raise RefusedError("plan-changed", f"the plan is now {plan.digest[:12]}, not the {consent.plan[:12]} reviewed")
    if not consent.irreversible and any(step.irreversible for _, step in plan.steps):
        raise RefusedError("irreversible", "the hotfix has steps that cannot be undone")


def rollback(site: Site, target: str, *, to_level: bool, consent: Consent, context: Context) -> tuple[Plan, Result]:
    """Roll back one hotfix, or everything above a level, as one transaction.

    The target is a hotfix id or label or, with `to_level`, a level's label, digest, code or `baseline`.
    """
    with _changing(site, context) as change:
        ledger = change.installation.ledger
        if not to_level and _was_meant(change.recovered, ledger, target):
            return Plan("rollback", ledger.chain.head), change.recovered
        keys = _layers_above(site, ledger, target) if to_level else [_layer(ledger, target)]
        survey = Survey(site, ledger, context.now, consent.recalled)
        plan = plan_rollback(survey, keys, root_steps=consent.root_steps, accept_irreversible=consent.irreversible)
        plan.require()
        if plan.empty:
            return plan, Result("nothing")
        change.needs = lambda: space.needs_of_actions(site, plan.actions, plan.between, plan.spent)
        return plan, change.installation.execute(plan, survey, _facts(consent, plan, {}))


def _was_meant(recovered: Result, ledger: Ledger, target: str) -> bool:
    """Tell whether recovery has just ended the rollback that is asked for: a second one would take one layer more."""
    if recovered.outcome != "rolled-back":
        return False
    gone = [ledger.find(layer["transaction"], layer["number"]) for layer in ledger.chain.rows[-1]["layers"]]
    return any(target in (layer.hotfix, f"{layer.hotfix}-r{layer.revision}") for layer in gone)


def _layer(ledger: Ledger, name: str) -> Key:
    for layer in reversed(ledger.present):
        if name in (layer.hotfix, f"{layer.hotfix}-r{layer.revision}"):
            if layer.replaced_by is not None:
                above = ledger.find(*layer.replaced_by)
                raise RelationError("not-on-top", f"{above.label} took the place of {layer.label}")
            return layer.key
    raise NotFoundError("hotfix", f"{name} is not applied here")


def _layers_above(site: Site, ledger: Ledger, target: str) -> list[Key]:
    """Return the layers to take away, newest first, to come back to a level this site has had."""
    going: list[Key] = []
    layers = ledger.present
    while True:
        active = [layer for layer in layers if layer.replaced_by is None or layer.replaced_by in going]
        level = level_of(site.product, site.baseline, active)
        if target in (level.label, level.digest, level.code) or (target == "baseline" and not layers):
            return going
        if not layers:
            raise NotFoundError("level", f"this site was never at {target}")
        going.append(layers.pop().key)


@dataclass(frozen=True)
class Cleanup:
    """What a cleanup frees: the transactions that can no longer be rolled back, and the bytes."""

    transactions: list[str]
    freed: int


def cleanup(site: Site, keep: int, context: Context, *, dry_run: bool = False) -> Cleanup:
    """Free the earlier contents of all but the newest `keep` transactions; at least one is kept."""
    with _changing(site, context) as change:
        ledger = change.installation.ledger
        order = list(dict.fromkeys(layer.transaction for layer in ledger.layers if not layer.gone))
        old = [name for name in order[: -max(keep, 1)] if not ledger.find(name, 0).cleaned]
        surplus = _surplus_objects(change.installation, set(old))
        freed = sum(_size(site, item) for item in surplus)
        if old and not dry_run:
            ledger.append({"row": "cleanup", "time": context.now.isoformat(timespec="seconds"), "transactions": old})
        if not dry_run:  # Also what an earlier cleanup said it would free, and was killed before it did.
            freed = staging.drop_objects(site, surplus)
        return Cleanup(old, freed)


def _surplus_objects(installation: Installation, old: set[str]) -> list[tuple[str, str]]:
    ledger = installation.ledger
    needed = ledger.needed_objects(layer.key for layer in ledger.layers if layer.transaction in old)
    return [item for item in staging.objects(installation.site) if item not in needed]


def _size(site: Site, item: tuple[str, str]) -> int:
    return staging.object_size(site.roots[item[0]], item[1])
