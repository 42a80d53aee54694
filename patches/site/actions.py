"""What a transaction does to each place, and in which order: the plain list that apply, rollback and recovery share."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from patchline.patches.errors import InstallationError
from patchline.patches.fields import Fields
from patchline.patches.manifest import ABSENT, Folder, State, read_state
from patchline.patches.site.area import Attributes
from patchline.patches.situation import Place, place_name


@dataclass(frozen=True)
class Action:
    """One place going from one state to another.

    Attributes:
        before, after: the states, with the attributes that belong to them.
        linkable: the earlier content may be kept by a second name of the same file (class code).
        if_empty: a folder that goes only when nothing of somebody else's lies in it.
    """

    place: Place
    before: State
    after: State
    before_attributes: Attributes | None
    after_attributes: Attributes | None
    linkable: bool = False
    if_empty: bool = False

    @property
    def name(self) -> str:
        """The place as people read it."""
        return place_name(self.place)

    def reversed(self) -> "Action":
        """Return the action that undoes this one."""
        return Action(
            self.place, self.after, self.before, self.after_attributes, self.before_attributes, False, self.if_empty
        )

    def as_document(self) -> dict[str, Any]:
        """Return the action as it stands in the journal."""
        return {
            "root": self.place[0],
            "path": self.place[1],
            "before": self.before.as_document(),
            "after": self.after.as_document(),
            "before_attributes": self.before_attributes and self.before_attributes.as_document(),
            "after_attributes": self.after_attributes and self.after_attributes.as_document(),
            "linkable": self.linkable,
            "if_empty": self.if_empty,
        }

    @classmethod
    def read(cls, fields: Fields) -> "Action":
        """Read what `as_document` wrote."""

        def attributes(key: str) -> Attributes | None:
            return Attributes.read(fields.object(key)) if fields.has(key) else None

        return cls(
            place=(fields.text("root"), fields.text("path", limit=4096)),
            before=read_state(fields.object("before")),
            after=read_state(fields.object("after")),
            before_attributes=attributes("before_attributes"),
            after_attributes=attributes("after_attributes"),
            linkable=fields.boolean("linkable"),
            if_empty=fields.boolean("if_empty"),
        )


def read_actions(fields: Fields) -> list[Action]:
    """Read the actions of a journal row."""
    if not isinstance(fields, Fields):
        raise InstallationError("state", "the journal has no actions")
    return [Action.read(entry) for entry in fields.objects("actions", most=1_000_000)]


@dataclass(frozen=True)
class Ordered:
    """Actions in the order in which they can be done: what goes, deepest first; then what comes, top first."""

    departures: list[Action]
    arrivals: list[Action]

    @classmethod
    def of(cls, actions: Iterable[Action]) -> "Ordered":
        """Bring actions in order; one that changes a path's kind is both a departure and an arrival."""
        actions = sorted(actions, key=lambda action: action.place)
        return cls(
            departures=[action for action in reversed(actions) if _must_go(action)],
            arrivals=[action for action in actions if action.after != ABSENT],
        )


def _must_go(action: Action) -> bool:
    """Tell whether what stands there must be removed; a file or link is otherwise replaced in one step."""
    if action.before == ABSENT:
        return False
    return action.after == ABSENT or isinstance(action.before, Folder) != isinstance(action.after, Folder)
