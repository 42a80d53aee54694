"""Judging the paths of one hotfix against the site without the hotfixes it replaces.

For each path, in this order:

1. Another hotfix holds it in a state this one does not accept → refuse; only a cumulative goes over it, as long as no
   fix is lost, or its loss was accepted (then the other one goes as a whole). One that would fit on top of this one
   as well, and that this one does not require → refuse: the same hotfixes in another order would give other files.
2. What stands there is declared, or was made by a hotfix → it is set; `--preserve` leaves it.
3. It is a customer's edit → `--override` sets it (the edited one is kept aside), a config file stays with the new
   one beside it, anything else is refused, saying who changed it. An optional file that is not there is skipped.

A place that only a replaced hotfix covers goes back to what lies below.
"""

from patchline.patches.errors import InstallationError, PatchlineError, RelationError
from patchline.patches.manifest import ABSENT, File, FileEntry, Folder, Link, Manifest, State
from patchline.patches.paths import parents
from patchline.patches.situation import (
    Choices,
    Hold,
    Installed,
    Key,
    NewLayer,
    Outcome,
    Place,
    Prospect,
    counted_fixes,
    place_name,
)


def judge(
    manifest: Manifest, site: Prospect, replaced: list[Installed], choices: Choices
) -> tuple[NewLayer, list[PatchlineError]]:
    """Return the layer that a hotfix would make, and every refusal."""
    while True:
        judging = _Judging(manifest, site, replaced, choices)
        layer = judging.layer()
        if not judging.also_replaced:
            return layer, judging.problems
        # The loss was accepted: the other hotfix goes as a whole, and the paths are judged without it.
        replaced = [*replaced, *judging.also_replaced.values()]


class _Judging:
    def __init__(self, manifest: Manifest, site: Prospect, replaced: list[Installed], choices: Choices) -> None:
        self.manifest, self.site, self.choices, self.replaced = manifest, site, choices, replaced
        self.problems: list[PatchlineError] = []
        self.also_replaced: dict[Key, Installed] = {}
        self._going = {item.key for item in replaced}
        self._without = self._going | {item.key for item in site.installed if not item.active}

    def layer(self) -> NewLayer:
        """Judge everything once."""
        lost = self._lost_fixes()
        outcomes = [outcome for entry in self.manifest.files if (outcome := self._entry(entry))]
        outcomes.extend(outcome for place in self._left_over() if (outcome := self._give_back(place)))
        return NewLayer(self.manifest, self.replaced, lost, outcomes)

    # Fixes

    def _lost_fixes(self) -> list[str]:
        stays = {fix for item in self.site.active if item.key not in self._without for fix in item.fixes}
        stays |= counted_fixes(self.manifest)
        for item in self.replaced:
            self._refuse_loss(item.manifest, item.fixes - stays)
        return sorted({fix for item in self.replaced for fix in item.fixes} - stays)

    def _refuse_loss(self, other: Manifest, lost: frozenset[str]) -> None:
        fixes = sorted(lost - self.choices.accept_loss)
        if fixes:
            options = " ".join(f"--accept-loss {fix}" for fix in fixes)
            self.problems.append(
                RelationError(
                    "lost-fix",
                    f"{self.manifest.label} would lose {', '.join(fixes)} of {other.label}",
                    hint=f"Ask the vendor for one that contains it, or go on with {options}.",
                )
            )

    # What lies at a place

    def _below(self, place: Place) -> tuple[State | None, Hold | None]:
        """Return the state of a place without the replaced hotfixes, and the layer that holds it then."""
        stack = self.site.stack(place)
        state = stack[-1].after if stack else self.site.actual(place)
        for hold in reversed(stack):
            if hold.key not in self._without and self._brings_something(place, hold):
                return state, hold
            state = hold.found
        return state, None

    def _brings_something(self, place: Place, hold: Hold) -> bool:
        """Tell whether a layer holds the place: not where it only gave it back, or skipped what is optional."""
        entry = self.site.entry(place, hold)
        return entry is not None and not (entry.optional and hold.found == hold.after == ABSENT != entry.post)

    def _vendors(self, place: Place, hold: Hold) -> State:
        """Return what a hotfix wants at a place, whatever the customer kept there."""
        entry = self.site.entry(place, hold)
        return hold.after if entry is None else entry.post

    # The paths of the manifest

    def _entry(self, entry: FileEntry) -> Outcome | None:
        place, actual = entry.place, self._actual(entry.place)
        _, holder = self._below(place)
        if holder is not None and not self._may_cover(entry, holder):
            return None
        if actual is None:
            self.problems.append(self._special(place))
            return None
        if actual == entry.post:
            return Outcome(place, actual, actual, "set", entry)
        if place_name(place) in self.choices.preserve:
            return Outcome(place, actual, actual, "preserved", entry)
        if actual in entry.pre or self._made_by_a_hotfix(place, actual, holder) or self._folder_of_ours(entry, actual):
            return Outcome(place, actual, entry.post, "set", entry)
        return self._edited(entry, actual)

    def _actual(self, place: Place) -> State | None:
        """Return what stands at a place: nothing below a file or link that goes with a replaced hotfix."""
        for path in parents(place[1]):
            above = (place[0], path)
            stack = self.site.stack(above)
            if stack and stack[-1].key in self._going and not isinstance(self.site.actual(above), Folder):
                return ABSENT
        return self.site.actual(place)

    def _folder_of_ours(self, entry: FileEntry, actual: State) -> bool:
        """Tell whether a folder stands there, or none does, only because of hotfixes."""
        if not self.site.situation.own_folder(entry.place):
            return False
        if actual == ABSENT:
            return Folder() in entry.pre
        return isinstance(actual, Folder) and ABSENT in entry.pre and self._only_replaced_below(entry.place)

    def _only_replaced_below(self, folder: Place) -> bool:
        below = (place for item in self.replaced for place in self.site.places(item.key))
        return any(root == folder[0] and path.startswith(f"{folder[1]}/") for root, path in below)

    def _may_cover(self, entry: FileEntry, holder: Hold) -> bool:
        """Tell whether a path may be set on top of another hotfix; a refusal goes to `problems`."""
        vendors = self._vendors(entry.place, holder)
        if vendors == entry.post or vendors in entry.pre:
            return self._only_on_top(entry)
        other = self.site.by_key(holder.key)
        if self.manifest.kind != "cumulative":
            self.problems.append(self._shared(entry.place, other.manifest))
            return False
        theirs = other.manifest.entries[entry.place]
        lost = other.fixes.intersection(theirs.fixes) - counted_fixes(self.manifest)
        if lost and lost <= self.choices.accept_loss:
            self.also_replaced[other.key] = other
        else:
            self._refuse_loss(other.manifest, lost)
        return not lost

    def _only_on_top(self, entry: FileEntry) -> bool:
        """Tell whether no hotfix below could as well lie on top of this one: then the order would decide what stands.

        One that this hotfix requires, directly or by others, is known to come first.
        """
        for hold in self.site.stack(entry.place):
            theirs, other = self.site.entry(entry.place, hold), self.site.by_key(hold.key).manifest
            if hold.key in self._without or theirs is None or not theirs.could_cover(entry):
                continue
            if other.hotfix not in self._required():
                name, mine = place_name(entry.place), self.manifest.label
                self.problems.append(RelationError("no-order", f"{mine} and {other.label} fit on each other at {name}"))
                return False
        return True

    def _required(self) -> frozenset[str]:
        """Return the ids of the hotfixes that must have come before this one."""
        known = {item.manifest.hotfix: item.manifest for item in self.site.active}
        found: set[str] = set()
        waiting = [self.manifest]
        while waiting:
            for reference in waiting.pop().relations.requires:
                if reference.hotfix not in found:
                    found.add(reference.hotfix)
                    if reference.hotfix in known:
                        waiting.append(known[reference.hotfix])
        return frozenset(found)

    def _shared(self, place: Place, other: Manifest) -> PatchlineError:
        name, mine = place_name(place), self.manifest.label
        return RelationError("shared-path", f"{mine} and {other.label} both change {name}; {mine} is not built on it")

    def _made_by_a_hotfix(self, place: Place, actual: State, holder: Hold | None) -> bool:
        """Tell whether what stands there is what the hotfix on top, or the one that holds the place, put there."""
        known = [*self.site.stack(place)[-1:], *([holder] if holder else [])]
        return any(self._vendors(place, hold) == actual for hold in known if self.site.entry(place, hold))

    def _edited(self, entry: FileEntry, actual: State) -> Outcome | None:
        """Judge a path that is in no state anybody declared."""
        place = entry.place
        if place_name(place) in self.choices.override and not isinstance(actual, Folder):
            return Outcome(place, actual, entry.post, "set", entry, edited=True)
        if entry.optional and actual == ABSENT:
            return Outcome(place, ABSENT, ABSENT, "skipped", entry)
        if entry.file_class == "config" and isinstance(actual, File | Link):
            return Outcome(place, actual, actual, "kept", entry)
        self.problems.append(self._changed(place, actual))
        return None

    def _changed(self, place: Place, actual: State) -> PatchlineError:
        name, label, who = place_name(place), self.manifest.label, self._who(place, actual)
        if actual == ABSENT:
            return InstallationError("missing-file", f"{name} is missing; {label} changes it (changed by: {who})")
        return InstallationError("changed-file", f"{name} is not in a state {label} accepts (changed by: {who})")

    def _who(self, place: Place, actual: State) -> str:
        """Say who made what stands at a place: a hotfix, nobody, the customer; unknown without the baseline's list."""
        if actual == self.site.situation.baseline_state(place):
            return "nobody; it is as the baseline has it"
        for hold in self.site.stack(place):
            if actual == self._vendors(place, hold):
                return self.site.by_key(hold.key).manifest.label
        known = self.site.stack(place) or self.site.situation.baseline_state(place) is not None
        return "the customer" if known else "unknown"

    def _special(self, place: Place) -> PatchlineError:
        why = self.site.situation.problem(place) or "neither a file, a link nor a folder"
        return InstallationError("special-file", f"{place_name(place)}, which {self.manifest.label} changes, is {why}")

    # The places of replaced hotfixes that this one does not touch

    def _left_over(self) -> list[Place]:
        places = {place for item in self.replaced for place in self.site.places(item.key)}
        return sorted(places - self.manifest.entries.keys())

    def _give_back(self, place: Place) -> Outcome | None:
        """Give a place of a replaced hotfix back to what lies below."""
        stack, actual = self.site.stack(place), self.site.actual(place)
        first = next(number for number, hold in enumerate(stack) if hold.key in self._going)
        if all(hold.found == hold.after for hold in stack[first:] if hold.key in self._going):
            return None  # It was never set here: the customer's file stayed.
        if above := [hold for hold in stack[first:] if hold.key not in self._without]:
            self.problems.append(self._built_on(place, stack[first], above[0]))
            return None
        if actual is None:
            self.problems.append(self._special(place))
            return None
        below = self._state_below(stack)
        if actual in (below, stack[-1].after):
            return Outcome(place, actual, below, "reverted")
        return self._edited_left_over(place, actual, below)

    def _state_below(self, stack: list[Hold]) -> State:
        """Return what the topmost replaced layers of a stack had found."""
        state = stack[-1].after
        for hold in reversed(stack):
            if hold.key not in self._without:
                break
            state = hold.found
        return state

    def _edited_left_over(self, place: Place, actual: State, below: State) -> Outcome | None:
        if place_name(place) in self.choices.preserve:
            return Outcome(place, actual, actual, "preserved")
        if place_name(place) in self.choices.override and not isinstance(actual, Folder):
            return Outcome(place, actual, below, "reverted", edited=True)
        if self._config_left_over(place) and isinstance(actual, File | Link):
            return Outcome(place, actual, actual, "kept")
        self.problems.append(self._changed(place, actual))
        return None

    def _config_left_over(self, place: Place) -> bool:
        entries = [item.manifest.entries.get(place) for item in self.replaced]
        return any(entry is not None and entry.file_class == "config" for entry in entries)

    def _built_on(self, place: Place, under: Hold, above: Hold) -> PatchlineError:
        upper, lower = self.site.by_key(above.key).manifest, self.site.by_key(under.key).manifest
        return RelationError(
            "shared-path",
            f"{upper.label} is built on {lower.label} at {place_name(place)}, which {self.manifest.label} would replace",
        )
