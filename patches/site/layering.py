"""What applying a hotfix does to the files: each decided layer is put on the sketch, in order.

- An edited config file stays, the hotfix's one lies beside it as `.patchline-new`; an edited file that `--override`
  replaces lies beside as `.patchline-saved`. Neither name is ever taken from a file of somebody else's.
- Folders come with what needs them and go with the last thing in them; the layer records both.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from patchline.patches.manifest import ABSENT, File, Folder, Link, State
from patchline.patches.paths import parents
from patchline.patches.site import inheritance
from patchline.patches.site.area import NEW, SAVED, Attributes, beside
from patchline.patches.site.ledger import Change
from patchline.patches.site.sketch import Sketch
from patchline.patches.situation import NewLayer, Outcome, Place, place_name


class _Changes:
    """What a layer does, one change for each place."""

    def __init__(self) -> None:
        self._by_place: dict[Place, Change] = {}

    def add(self, changes: Iterable[Change]) -> None:
        """Take changes in; a file that goes, and the folder that comes in its place, are one."""
        for change in changes:
            first = self._by_place.get(change.place)
            self._by_place[change.place] = replace(first, after=change.after) if first else change

    def __iter__(self) -> Iterator[Change]:
        return iter(self._by_place.values())


class Layering:
    """Puts layers on a sketch.

    Attributes:
        notes: what people should know.
    """

    def __init__(self, sketch: Sketch) -> None:
        self.sketch, self.survey = sketch, sketch.survey
        self.notes: list[str] = []
        ledger = self.survey.ledger
        self._ours = ledger.folders_made(ledger.present)
        self._recorded = ledger.folders_taken()
        self._laid: dict[Place, State] = {
            place: change.after
            for layer in ledger.present
            for place, change in ledger.changes(layer).items()
            if change.note == "aside"
        }

    def put_on(self, layer: NewLayer) -> list[Change]:
        """Put one layer on top of those before; return what it does, as the ledger will have it."""
        done = _Changes()
        # What replaced hotfixes leave behind goes first: the others are judged as if it had never been there.
        for outcome in sorted(layer.outcomes, key=lambda outcome: outcome.entry is not None):
            if outcome.after != ABSENT:
                done.add(self.sketch.make_folders(outcome.place, self._recorded))
            # First what lies beside: it takes its attributes from the file as it stands.
            done.add(self._aside(outcome))
            done.add([self._change(outcome)])
            self._remark(outcome)
        self._ours |= {change.place for change in done if change.note == "folder"}
        done.add(self._shared_folders(list(done)))
        done.add(self._emptied(list(done)))
        return list(done)

    def _change(self, outcome: Outcome) -> Change:
        place, there = outcome.place, self.sketch.at(outcome.place)
        if outcome.entry is not None and outcome.entry.file_class == "code":
            self.sketch.may_link(place)
        if outcome.found == outcome.after:
            return self.sketch.set(place, there.state, there.attributes, outcome.note)
        if outcome.note == "reverted" and outcome.after != ABSENT:
            return self.sketch.set(place, outcome.after, self._earlier_attributes(outcome), outcome.note)
        return self.sketch.put(place, outcome.after, outcome.note)

    def _earlier_attributes(self, outcome: Outcome) -> Attributes | None:
        """Return the attributes that what lies below had when a layer covered it."""
        there, recorded = self.sketch.at(outcome.place), None
        for layer in reversed(self.survey.ledger.present):
            change = self.survey.ledger.changes(layer).get(outcome.place)
            if change is not None and change.found == outcome.after:
                recorded = change.attributes
                break
        if recorded and there.attributes and isinstance(there.state, File) and isinstance(outcome.after, File):
            return inheritance.given_back(there.attributes, there.state, recorded, outcome.after)
        return recorded

    # What lies beside

    def _aside(self, outcome: Outcome) -> list[Change]:
        place, entry, there = outcome.place, outcome.entry, self.sketch.at(outcome.place)
        if outcome.edited and isinstance(outcome.found, File | Link):
            aside = self.sketch.free_beside(place, SAVED)
            self.notes.append(f"{place_name(place)} was edited; the edited one is kept as {aside[1]}")
            return [self._lay(aside, outcome.found, there.attributes)]
        if outcome.note == "kept" and entry is not None and isinstance(entry.post, File | Link):
            aside = self._place_of_new(place)
            self.notes.append(
                f"{place_name(place)} was edited and stays; the hotfix's one lies beside it as {aside[1]}"
            )
            if isinstance(entry.post, Link) or there.attributes is None or not isinstance(there.state, File):
                return [self._lay(aside, entry.post, None)]
            return [self._lay(aside, entry.post, inheritance.replaced(there.attributes, there.state, entry.post))]
        return []

    def _lay(self, aside: Place, state: State, attributes: Attributes | None) -> Change:
        self._laid[aside] = state
        if attributes is None:
            return self.sketch.put(aside, state, "aside")
        return self.sketch.set(aside, state, attributes, "aside")

    def _place_of_new(self, place: Place) -> Place:
        """Return the first name beside a place that is free, or that we laid and nobody touched."""
        number = 1
        while True:
            name = (place[0], beside(place[1], NEW, number))
            there = self.sketch.at(name).state
            if there in (ABSENT, self._laid.get(name)):
                return name
            number += 1

    def _remark(self, outcome: Outcome) -> None:
        name = place_name(outcome.place)
        if outcome.note == "kept" and (outcome.entry is None or outcome.entry.post == ABSENT):
            self.notes.append(f"{name} was edited and stays")
        elif outcome.note == "preserved":
            self.notes.append(f"{name} is preserved")
        elif outcome.note == "skipped":
            self.notes.append(f"{name} is not there, which the hotfix allows: skipped")

    # Folders

    def _shared_folders(self, changes: list[Change]) -> list[Change]:
        """Record the folders of ours that this layer rests on as well, so that they stay as long as it does."""
        covered = {change.place for change in changes}
        needed = {
            (root, above)
            for root, path in (change.place for change in changes if change.after != ABSENT)
            for above in parents(path)
        }
        return [
            Change(place, ABSENT, Folder(), self.sketch.at(place).attributes, "folder")
            for place in sorted((needed & self._ours) - covered)
        ]

    def _emptied(self, changes: list[Change]) -> list[Change]:
        """Take away the folders that these removals leave empty."""
        candidates = {folder for change in changes for folder in self._perhaps_empty(change)}
        emptied = []
        for place in sorted(candidates, reverse=True):
            if not self._declared(place, changes) and (change := self.sketch.remove_empty(place)):
                emptied.append(change)
        return emptied

    def _perhaps_empty(self, change: Change) -> Iterator[Place]:
        root, above = change.place[0], parents(change.place[1])
        if change.note == "reverted" and change.after == Folder():
            # It held something, which may have gone with this layer.
            yield from ((root, path) for path in (change.place[1], *above))
        elif change.after == ABSENT and (change.found != ABSENT or change.note == "set"):
            # What is gone already may have gone with a replaced hotfix. What only goes back to what was before leaves the folders that were there before.
            yield from ((root, path) for path in above if change.note != "reverted" or (root, path) in self._ours)

    def _declared(self, place: Place, changes: list[Change]) -> bool:
        """Tell whether a manifest says that there be a folder, empty or not."""
        said = [change.after for change in changes if change.place == place and change.note == "set"]
        said += [hold.after for hold in self.survey.situation.stack(place)[-1:]]
        return any(isinstance(state, Folder) for state in said)
