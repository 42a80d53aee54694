"""The roots as they would be: a drawing on which a plan is tried, whose difference to the disk are its actions.

- Every place is looked at on the disk once, when it is first asked for; what is set stays in the drawing.
- Folders come where something needs them, and go where our own removals leave them empty.
"""

from dataclasses import dataclass

from patchline.patches.errors import InstallationError, PatchlineError
from patchline.patches.manifest import ABSENT, File, Folder, Link, State
from patchline.patches.paths import parents
from patchline.patches.site import inheritance
from patchline.patches.site.actions import Action
from patchline.patches.site.area import Attributes, beside, read_attributes
from patchline.patches.site.ledger import Change
from patchline.patches.site.survey import Survey
from patchline.patches.situation import Place, place_name


@dataclass(frozen=True)
class Standing:
    """What stands at a place: its state and the attributes that belong to it."""

    state: State
    attributes: Attributes | None = None


NOTHING = Standing(ABSENT)


class Sketch:
    """The roots as they would be."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.problems: list[PatchlineError] = []
        self._before: dict[Place, Standing] = {}
        self._now: dict[Place, Standing] = {}
        self._below: dict[Place, set[Place]] = {}
        self._linkable: set[Place] = set()
        self._if_empty: set[Place] = set()

    # Looking and drawing

    def at(self, place: Place) -> Standing:
        """Return what stands at a place by now."""
        if place not in self._now:
            found = self.survey.found(place)
            if found.state is None:
                self.problems.append(InstallationError("special-file", f"{place_name(place)}: {found.problem}"))
            self._now[place] = self._before[place] = Standing(found.state or ABSENT, found.attributes)
            self._below.setdefault(folder_of(place), set()).add(place)
        return self._now[place]

    def set(self, place: Place, state: State, attributes: Attributes | None, note: str) -> Change:
        """Draw what a place becomes; return it as a change."""
        before = self.at(place)
        self._now[place] = Standing(state, attributes)
        return Change(place, before.state, state, before.attributes, note)

    def may_link(self, place: Place) -> None:
        """Note that the content that goes is class code."""
        self._linkable.add(place)

    def put(self, place: Place, state: State, note: str) -> Change:
        """Draw what a place becomes, with the attributes that follow from what stands there and from its folder."""
        there = self.at(place)
        if isinstance(state, File) and isinstance(there.state, File) and there.attributes is not None:
            return self.set(place, state, inheritance.replaced(there.attributes, there.state, state), note)
        if isinstance(state, Link):
            kept = there.attributes if isinstance(there.state, Link) else None
            return self.set(place, state, kept or inheritance.added_link(self._folder_attributes(place)), note)
        if isinstance(state, File):
            return self.set(place, state, inheritance.added(self._folder_attributes(place), state.executable), note)
        if isinstance(state, Folder):
            return self.set(place, state, inheritance.added_folder(self._folder_attributes(place)), note)
        return self.set(place, state, None, note)

    def free_beside(self, place: Place, suffix: str) -> Place:
        """Return a free name beside a place."""
        number = 1
        while self.at(name := (place[0], beside(place[1], suffix, number))).state != ABSENT:
            number += 1
        return name

    def _folder_attributes(self, place: Place) -> Attributes:
        """Return the attributes of the nearest folder above that is there or will be."""
        for above in parents(place[1]):
            standing = self.at((place[0], above))
            if isinstance(standing.state, Folder) and standing.attributes is not None:
                return standing.attributes
            if isinstance(standing.state, Link):
                return self._linked_folder(place, above)
        return read_attributes(self.survey.area(place).descriptor)

    def _linked_folder(self, place: Place, path: str) -> Attributes:
        try:
            with self.survey.area(place).folder(path) as handle:
                return read_attributes(handle)
        except OSError as error:
            raise InstallationError("link", f"{place[0]}/{path}: {error.strerror}") from None

    # Folders

    def make_folders(self, place: Place, recorded: dict[Place, Attributes]) -> list[Change]:
        """Draw the folders that a place needs, top first; those that a hotfix took away come back as they were."""
        made = []
        for path in reversed(parents(place[1])):
            folder = (place[0], path)
            if self.at(folder).state == ABSENT:
                attributes = recorded.get(folder) or inheritance.added_folder(self._folder_attributes(folder))
                made.append(self.set(folder, Folder(), attributes, "folder"))
        return made

    def remove_empty(self, folder: Place) -> Change | None:
        """Draw a folder away where it is one and empty."""
        if not isinstance(self.at(folder).state, Folder) or not self.is_empty(folder):
            return None
        self._if_empty.add(folder)
        return self.set(folder, ABSENT, None, "folder")

    def is_empty(self, folder: Place) -> bool:
        """Tell whether nothing lies in a folder by now; one that cannot be listed is not empty."""
        self.at(folder)
        try:
            was_folder = isinstance(self._before[folder].state, Folder)
            names = self.survey.area(folder).names(folder[1]) if was_folder else []
        except OSError:
            return False
        there = {(folder[0], f"{folder[1]}/{name}") for name in names} | self._below.get(folder, set())
        return all(place in self._now and self._now[place].state == ABSENT for place in there)

    # What it comes to

    def actions(self) -> list[Action]:
        """Return the difference to the disk."""
        return [
            Action(
                place,
                before.state,
                self._now[place].state,
                before.attributes,
                self._now[place].attributes,
                place in self._linkable,
                place in self._if_empty and isinstance(before.state, Folder) and self._now[place].state == ABSENT,
            )
            for place, before in sorted(self._before.items(), key=lambda item: item[0])
            if before != self._now[place]
        ]

    def check(self) -> list[PatchlineError]:
        """Return what cannot be: folders to be replaced that hold something else, and paths below what is no folder."""
        problems = list(self.problems)
        for action in self.actions():
            goes = isinstance(action.before, Folder) and not isinstance(action.after, Folder) and not action.if_empty
            if goes and not self.is_empty(action.place):
                message = f"{action.name} should go, but something else lies in it"
                problems.append(InstallationError("folder-in-use", message))
            if action.after != ABSENT and (above := self._no_folder(action.place)):
                problems.append(
                    InstallationError("no-folder", f"{place_name(above)} is no folder; {action.name} lies below")
                )
        return problems

    def _no_folder(self, place: Place) -> Place | None:
        follow = self.survey.site.records[place[0]].follow
        above = ((place[0], path) for path in parents(place[1]))
        return next(
            (folder for folder in above if not isinstance(self.at(folder).state, Folder) and folder[1] not in follow),
            None,
        )


def folder_of(place: Place) -> Place:
    """Return the folder in which a place lies."""
    return place[0], place[1].rpartition("/")[0]
