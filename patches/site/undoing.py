"""What a rollback does to the files: each layer is taken off the sketch, newest first.

- A place gets back what the layer found there. What the customer made of it meanwhile is kept aside.
- Places that the layer never set (kept, preserved, skipped) are left alone.
- Folders that came with the layer go when they are empty; those that went with it come back as they were.
"""

from patchline.patches.errors import InstallationError, PatchlineError
from patchline.patches.manifest import ABSENT, File, Folder, Link, Manifest
from patchline.patches.site import inheritance
from patchline.patches.site.area import SAVED, Attributes
from patchline.patches.site.ledger import Change, Layer
from patchline.patches.site.sketch import Sketch, Standing
from patchline.patches.situation import Place, place_name


class Undoing:
    """Takes layers off a sketch.

    Attributes:
        notes: what people should know.
        problems: what stands in the way.
    """

    def __init__(self, sketch: Sketch, going: list[Layer]) -> None:
        self.sketch, self.survey = sketch, sketch.survey
        self.notes: list[str] = []
        self.problems: list[PatchlineError] = []
        ledger = self.survey.ledger
        gone = {layer.key for layer in going}
        self._still_ours = ledger.folders_made(layer for layer in ledger.present if layer.key not in gone)
        self._recorded = ledger.folders_taken()

    def take_off(self, layer: Layer, manifest: Manifest) -> None:
        """Take the topmost layer off."""
        changes = self.survey.ledger.changes(layer)
        for place, change in sorted(changes.items()):
            if change.note == "folder" and isinstance(change.found, Folder):
                self._folder_back(place, change)
        for place, change in sorted(changes.items()):
            if change.note == "aside":
                self._not_aside(place, change)
            elif change.note != "folder" and change.found != change.after:
                self._give_back(place, change, manifest)
        for place in sorted(self.survey.ledger.folders_made([layer]), reverse=True):
            self._folder_away(place)

    # Folders

    def _folder_back(self, place: Place, change: Change) -> None:
        if self.sketch.at(place).state == ABSENT:
            self.sketch.make_folders(place, self._recorded)
            self.sketch.set(place, Folder(), change.attributes, "folder")

    def _folder_away(self, place: Place) -> None:
        if place in self._still_ours or not isinstance(self.sketch.at(place).state, Folder):
            return
        if self.sketch.remove_empty(place) is None:
            self.notes.append(f"{place_name(place)} stays, something else lies in it")

    # Files and links

    def _not_aside(self, place: Place, change: Change) -> None:
        # Whoever works on the file that was laid aside keeps it.
        if self.sketch.at(place).state == change.after:
            self.sketch.set(place, change.found, change.attributes, "aside")

    def _give_back(self, place: Place, change: Change, manifest: Manifest) -> None:
        there, name = self.sketch.at(place), place_name(place)
        if there.state == change.found:
            return
        if there.state != change.after:
            if isinstance(there.state, Folder):
                self._folder_in_the_way(name, change)
                return
            if there.state == ABSENT:
                self.notes.append(f"{name} was removed after the hotfix; it comes back")
            else:
                self._keep_aside(place, there)
        if change.found != ABSENT:
            self.sketch.make_folders(place, self._recorded)
        self.sketch.set(place, change.found, self._attributes(there, change), "set")
        entry = manifest.entries.get(place)
        if entry is not None and entry.file_class == "code":
            self.sketch.may_link(place)

    def _attributes(self, there: Standing, change: Change) -> Attributes | None:
        recorded = change.attributes
        same = there.state == change.after and there.attributes is not None and recorded is not None
        if same and isinstance(change.found, File) and isinstance(there.state, File):
            assert there.attributes is not None and recorded is not None  # noqa: S101 - for the type checker
            return inheritance.given_back(there.attributes, there.state, recorded, change.found)
        return recorded

    def _keep_aside(self, place: Place, there: Standing) -> None:
        aside = self.sketch.free_beside(place, SAVED)
        self.sketch.set(aside, there.state, there.attributes, "aside")
        self.notes.append(f"{place_name(place)} was edited after the hotfix; the edited one is kept as {aside[1]}")

    def _folder_in_the_way(self, name: str, change: Change) -> None:
        if isinstance(change.found, File | Link):
            message = f"{name} is a folder now; what was there cannot come back"
            self.problems.append(InstallationError("folder-in-use", message))
        else:
            self.notes.append(f"{name} is a folder of somebody else's now, and stays")
