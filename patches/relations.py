"""Deciding whether hotfixes fit what is applied already: one place, pure rules, no disk.

For each of the set that is offered, ordered by requires, then includes, then id (docs/bundle-format.md, "Relations"):

1. The whole hotfix: recalled, expired, wrong product, baseline or platform, requires unmet, declared conflict, older
   revision → refuse.
2. Already contained in other active hotfixes → nothing to do, said where.
3. What would it replace: the same hotfix with a lower revision; those it names in supersedes, includes or merges;
   those whose full fixes and paths it strictly contains.
4. Each path is judged against the site without the replaced ones (`judging`).

All refusals come at once; a skip or a replacement never hides a refusal for another.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush

from patchline.patches.errors import PatchlineError, RecalledError, RelationError
from patchline.patches.judging import judge
from patchline.patches.manifest import Manifest, Reference
from patchline.patches.situation import Choices, Decision, Hold, Installed, Key, Prospect, Situation, counted_fixes


def decide(offered: Iterable[Manifest], situation: Situation, choices: Choices) -> Decision:
    """Decide on a set of hotfixes that is to become one transaction."""
    decision = Decision()
    ordered = in_order(list({manifest.digest: manifest for manifest in offered}.values()), decision)
    site = Prospect(situation)
    for manifest in ordered:
        refusals = list(_refusals(manifest, ordered, site))
        decision.problems.extend(refusals)
        decision.warnings.extend(_other_products(manifest))
        if refusals:
            continue
        if where := _contained_in(manifest, site):
            decision.contained.append((manifest, where))
            continue
        layer, problems = judge(manifest, site, _replaced_by(manifest, site), choices)
        site.apply(layer)
        decision.problems.extend([*problems, *_left_without(site, layer.replaces, manifest)])
        decision.layers.append(layer)
    return decision


def in_order(offered: list[Manifest], decision: Decision) -> list[Manifest]:
    """Order a set by requires, then includes, then id."""
    by_id: dict[str, Manifest] = {}
    for manifest in sorted(offered, key=lambda item: (item.hotfix, item.revision)):
        if manifest.hotfix in by_id:
            decision.problems.append(
                RelationError("set-revisions", f"{by_id[manifest.hotfix].label} and {manifest.label} in one set")
            )
        by_id[manifest.hotfix] = manifest
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, manifest in by_id.items():
        before = (*manifest.relations.requires, *manifest.relations.includes)
        sorter.add(name, *(reference.hotfix for reference in before if reference.hotfix in by_id))
    try:
        return [by_id[name] for name in _smallest_first(sorter)]
    except CycleError as error:
        decision.problems.append(RelationError("cycle", f"these require each other: {', '.join(error.args[1])}"))
        return list(by_id.values())


def _smallest_first(sorter: TopologicalSorter[str]) -> Iterator[str]:
    sorter.prepare()
    ready = list(sorter.get_ready())
    heapify(ready)
    while ready:
        name = heappop(ready)
        yield name
        sorter.done(name)
        for following in sorter.get_ready():
            heappush(ready, following)


# The whole hotfix


def _refusals(manifest: Manifest, offered: list[Manifest], site: Prospect) -> Iterator[PatchlineError]:
    yield from _target_refusals(manifest, site.situation)
    for item in site.active:
        yield from _revision_refusals(manifest, item.manifest)
    # What the set brings takes the place of what is there under the same id.
    present = {other.hotfix: other for other in [*(item.manifest for item in site.active), *offered]}
    others = [other for name, other in present.items() if name != manifest.hotfix]
    for reference in manifest.relations.requires:
        if not _fulfilled(reference, others, site.installed):
            wanted = f"{reference.hotfix}-r{reference.revision} or later"
            yield RelationError("requires", f"{manifest.label} requires {wanted}, which is not applied here")
    for other in others:
        if _conflict(manifest, other) or _conflict(other, manifest):
            yield RelationError("conflict", f"{manifest.label} conflicts with {other.label}")


def _target_refusals(manifest: Manifest, situation: Situation) -> Iterator[PatchlineError]:
    label, target = manifest.label, manifest.target
    if manifest.digest in situation.recalled:
        yield RecalledError("policy", f"{label} was recalled")
    if manifest.expires is not None and manifest.expires < f"{situation.now:%Y-%m-%d}":
        yield RelationError("expired", f"{label} is a diagnostic that was to be used until {manifest.expires}")
    if target.product != situation.product:
        yield RelationError("product", f"{label} is for {target.product}; this site has {situation.product}")
    elif situation.baseline not in target.baselines:
        wanted = " or ".join(target.baselines)
        yield RelationError("baseline", f"{label} is for baseline {wanted}; this site has {situation.baseline}")
    if situation.platforms.isdisjoint(target.platforms):
        wanted, here = " or ".join(target.platforms), " and ".join(sorted(situation.platforms))
        yield RelationError("platform", f"{label} is for {wanted}; this site is {here}")


def _revision_refusals(manifest: Manifest, installed: Manifest) -> Iterator[PatchlineError]:
    if manifest.hotfix != installed.hotfix:
        return
    if manifest.revision < installed.revision:
        yield RelationError("older-revision", f"{installed.label} is applied, newer than {manifest.label}")
    elif manifest.revision == installed.revision and manifest.digest != installed.digest:
        yield RelationError(
            "other-manifest",
            f"another {manifest.label} is applied: {installed.digest[:12]}, not {manifest.digest[:12]}",
        )


def _fulfilled(reference: Reference, present: Iterable[Manifest], installed: Iterable[Installed]) -> bool:
    """Tell whether what is required is there, or was replaced by hotfixes in force that bring all of its fixes."""
    if any(_fulfils(manifest, reference) for manifest in present):
        return True
    in_force = _union(item for item in installed if item.active)
    replaced = [item for item in installed if not item.active and _fulfils(item.manifest, reference)]
    return any(item.fixes and item.fixes <= in_force for item in replaced)


def _fulfils(manifest: Manifest, wanted: Reference) -> bool:
    """Tell whether a hotfix, or one it includes, is the wanted one in that revision or a later one."""
    here = [(manifest.hotfix, manifest.revision)]
    here += [(other.hotfix, other.revision or 0) for other in manifest.relations.includes]
    return any(name == wanted.hotfix and revision >= (wanted.revision or 0) for name, revision in here)


def _union(installed: Iterable[Installed]) -> set[str]:
    return {fix for item in installed for fix in item.fixes}


def _conflict(manifest: Manifest, other: Manifest) -> bool:
    return any(_up_to(reference, other) for reference in manifest.relations.conflicts)


def _up_to(reference: Reference, manifest: Manifest) -> bool:
    return reference.hotfix == manifest.hotfix and (
        reference.revision is None or manifest.revision <= reference.revision
    )


def _other_products(manifest: Manifest) -> Iterator[str]:
    for product, versions in manifest.target.requires_products:
        yield f"{manifest.label} needs {product} {' or '.join(versions)} beside it; check that it is there"


# Contained, replaced


def _contained_in(manifest: Manifest, site: Prospect) -> str:
    """Say where a hotfix is contained already, or nothing."""
    if any(item.manifest.digest == manifest.digest for item in site.active):
        return manifest.label
    others = [
        item
        for item in site.active
        if item.manifest.hotfix != manifest.hotfix and item.manifest.digest not in site.situation.recalled
    ]
    fixes = counted_fixes(manifest)
    # An empty fix set takes part in no subset rule.
    if not fixes or not fixes <= _union(others):
        return ""
    return ", ".join(item.manifest.label for item in others if item.fixes & fixes)


def _replaced_by(manifest: Manifest, site: Prospect) -> list[Installed]:
    relations = manifest.relations
    named = (*relations.supersedes, *relations.includes, *relations.merges)
    return [
        item
        for item in site.active
        if (item.manifest.hotfix == manifest.hotfix and item.manifest.revision < manifest.revision)
        or any(_up_to(reference, item.manifest) for reference in named)
        or _strictly_contains(manifest, item.manifest)
    ]


def _strictly_contains(manifest: Manifest, other: Manifest) -> bool:
    fixes = counted_fixes(other)
    return bool(fixes) and fixes < counted_fixes(manifest) and other.entries.keys() <= manifest.entries.keys()


def _left_without(site: Prospect, replaced: list[Installed], by: Manifest) -> Iterator[PatchlineError]:
    """Say what would lose a hotfix that it requires, because that one is replaced."""
    present = [item.manifest for item in site.active]
    for item in replaced:
        for other in (manifest for manifest in present if manifest.digest != by.digest):
            for reference in other.relations.requires:
                if _fulfils(item.manifest, reference) and not _fulfilled(reference, present, site.installed):
                    message = f"{other.label} requires {item.manifest.label}, which {by.label} would replace"
                    yield RelationError("required", message)


# Rolling back


def decide_rollback(keys: list[Key], situation: Situation) -> list[PatchlineError]:
    """Return why these layers cannot be rolled back together; empty when they can.

    A layer can go when it is on top of all its stacks and nothing in force requires it; and what comes back, because
    it had been replaced, must fit what stays.
    """
    installed = situation.installed
    going = [item for item in installed if item.key in keys]
    back = [item for item in installed if item.replaced_by in keys and item.key not in keys]
    stays = [item for item in installed if item.active and item.key not in keys]
    after = [
        replace(item, replaced_by=None) if item.replaced_by in keys else item
        for item in installed
        if item.key not in keys
    ]
    problems: list[PatchlineError] = []
    for item in going:
        problems.extend(_below_others(item, keys, situation))
        problems.extend(_still_required(item.manifest, stays, after))
    for item in back:
        problems.extend(_coming_back(item.manifest, stays, after))
    return problems


def _below_others(item: Installed, going: list[Key], situation: Situation) -> Iterator[PatchlineError]:
    by_key = {other.key: other.manifest.label for other in situation.installed}
    above = {
        hold.key
        for place in situation.places(item.key)
        for hold in _above(situation.stack(place), item.key)
        if hold.key not in going
    }
    for label in sorted(by_key[key] for key in above):
        yield RelationError("not-on-top", f"{label} lies on top of {item.manifest.label}")


def _above(stack: list[Hold], key: Key) -> list[Hold]:
    place = next(number for number, hold in enumerate(stack) if hold.key == key)
    return stack[place + 1 :]


def _still_required(mine: Manifest, stays: list[Installed], after: list[Installed]) -> Iterator[PatchlineError]:
    present = [item.manifest for item in after if item.active]
    for other in (item.manifest for item in stays):
        for reference in other.relations.requires:
            if _fulfils(mine, reference) and not _fulfilled(reference, present, after):
                yield RelationError("required", f"{other.label} requires {mine.label}")


def _coming_back(manifest: Manifest, stays: list[Installed], after: list[Installed]) -> Iterator[PatchlineError]:
    others = [item.manifest for item in after if item.active and item.manifest.digest != manifest.digest]
    for reference in manifest.relations.requires:
        if not _fulfilled(reference, others, after):
            wanted = f"{reference.hotfix}-r{reference.revision}"
            yield RelationError("requires", f"{manifest.label} would come back and requires {wanted} or later")
    for other in (item.manifest for item in stays):
        if _conflict(manifest, other) or _conflict(other, manifest):
            yield RelationError("conflict", f"{manifest.label} would come back and conflicts with {other.label}")
