"""A site on paper: what the rules of relations see of one, without a disk."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from patchline.patches.errors import InstallationError
from patchline.patches.fields import Fields
from patchline.patches.manifest import Manifest, State, read_state
from patchline.patches.relations import decide, decide_rollback
from patchline.patches.situation import Choices, Decision, Hold, Installed, Situation
from tests.samples import ABSENT, entry, file_state, fix, manifest_document

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def state_document(text: str | None) -> dict[str, Any]:
    return ABSENT if text is None else file_state(text.encode())


def state(text: str | None) -> State:
    return read_state(Fields(state_document(text), "state", InstallationError))


def hotfix(
    name: str = "HF-1",
    changes: dict[str, tuple[Any, str | None]] | None = None,
    *,
    fixes: str = "BUG-1",
    path_fixes: dict[str, list[str]] | None = None,
    relations: dict[str, Any] | None = None,
    target: dict[str, Any] | None = None,
    options: dict[str, dict[str, Any]] | None = None,
    **more: Any,
) -> Manifest:
    """A manifest; `changes` maps a path to (text before, or several; text after), None being absent."""
    changes = {"a": ("a0", "a1")} if changes is None else changes
    ids = fixes.split()
    files = []
    for path, (before, after) in changes.items():
        before = before if isinstance(before, tuple) else (before,)
        mine = (path_fixes or {}).get(path, ids)
        settings = {"fixes": mine, **(options or {}).get(path, {})}
        files.append(entry(path, [state_document(text) for text in before], state_document(after), **settings))
    listed = [item if isinstance(item, dict) else fix(item) for item in ids]
    document = manifest_document(files, hotfix=name, fixes=listed, **more)
    document["relations"] = {**document["relations"], **(relations or {})}
    document["target"] = {**document["target"], **(target or {})}
    return Manifest.from_document(document)


def ref(name: str, revision: int | None = None, manifest: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"hotfix": name}
    if revision is not None:
        found["revision"] = revision
    if manifest is not None:
        found["manifest"] = manifest
    return found


def included(manifest: Manifest) -> dict[str, Any]:
    return ref(manifest.hotfix, manifest.revision, manifest.digest)


@dataclass
class Paper:
    """Layers and files in memory. `files` maps `app` paths to text; what is missing is absent."""

    files: dict[str, str | None]
    baseline: dict[str, str | None] | None = None
    recalled: set[str] = field(default_factory=set)
    special: dict[str, str] = field(default_factory=dict)
    installed: list[Installed] = field(default_factory=list)
    holds: dict[Any, list[Hold]] = field(default_factory=dict)
    now: datetime = NOW
    count: int = 0

    def __post_init__(self) -> None:
        self.actual = {("app", path): state(text) for path, text in self.files.items()}

    def situation(self) -> Situation:
        listed = {("app", path): state(text) for path, text in (self.baseline or {}).items()}
        return Situation(
            product="demo",
            baseline="1.0",
            platforms=frozenset({"linux", "unix"}),
            now=self.now,
            installed=tuple(self.installed),
            stack=lambda place: self.holds.get(place, []),
            places=lambda key: [place for place, holds in self.holds.items() if any(hold.key == key for hold in holds)],
            actual=lambda place: None if place[1] in self.special else self.actual.get(place, state(None)),
            problem=lambda place: self.special.get(place[1]),
            baseline_state=listed.get,
            own_folder=lambda _: False,
            recalled=frozenset(self.recalled),
        )

    def decide(self, *offered: Manifest, **choices: Any) -> Decision:
        picked = {name: frozenset(value) for name, value in choices.items()}
        return decide(offered, self.situation(), Choices(**picked))

    def apply(self, *offered: Manifest, **choices: Any) -> Decision:
        """Decide and, on paper, do it."""
        decision = self.decide(*offered, **choices)
        assert decision.problems == []
        self.count += 1
        for number, layer in enumerate(decision.layers):
            self._take(layer, (f"t{self.count}", number))
        return decision

    def _take(self, layer: Any, key: Any) -> None:
        going = {(item.key if item.key[0] else (key[0], item.key[1])) for item in layer.replaces}
        self.installed = [replace(item, replaced_by=key) if item.key in going else item for item in self.installed]
        preserved = frozenset(outcome.place for outcome in layer.outcomes if outcome.note == "preserved")
        self.installed.append(Installed(key, layer.manifest, preserved=preserved))
        for outcome in layer.outcomes:
            self.holds.setdefault(outcome.place, []).append(Hold(key, outcome.found, outcome.after))
            self.actual[outcome.place] = outcome.after

    def rollback_problems(self, *names: str) -> list[str]:
        keys = [item.key for item in self.installed if item.manifest.label in names]
        assert len(keys) == len(names)
        return [str(problem) for problem in decide_rollback(keys, self.situation())]

    def edit(self, path: str, text: str | None) -> None:
        self.actual["app", path] = state(text)


def codes(decision: Decision) -> list[str]:
    return [problem.code for problem in decision.problems]


def notes(decision: Decision) -> dict[str, str]:
    """What becomes of each path, by the last layer."""
    return {outcome.place[1]: outcome.note for layer in decision.layers for outcome in layer.outcomes}
