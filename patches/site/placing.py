"""Bringing the places of a transaction from one state to the other, and back: every change below a root.

- Everything that comes was staged with its final attributes and made durable; here it is only renamed, removed, or
  found done already. So each direction can be started again after a crash, from whatever was reached.
- Forward refuses to touch what somebody changed meanwhile. Back keeps that aside, and puts back what there was.
- `sync` at the end covers every folder of the transaction: what a killed process did must be durable too.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from patchline.patches.errors import InstallationError
from patchline.patches.manifest import ABSENT, File, Folder, State
from patchline.patches.site.actions import Action, Ordered
from patchline.patches.site.area import SAVED, Area, Stamp, is_executable, stamp
from patchline.patches.site.staging import Staged, Stamps, changed_meanwhile, clear, object_is_good
from patchline.patches.site.state import Site
from patchline.patches.situation import Place


@dataclass(frozen=True)
class Known:
    """What this process has read or written itself: a file whose stamp is still the same is not read again.

    Attributes:
        found: stamps of the places when they were read for the plan.
        staged: stamps of what was staged, hashed while it was written.
    """

    found: Mapping[Place, Stamp | None]
    staged: Stamps


class Placing:
    """The places of one transaction."""

    def __init__(
        self, site: Site, actions: list[Action], tell: Callable[[str], None], known: Known | None = None
    ) -> None:
        """Take the actions; `known` is None in recovery, which trusts nothing."""
        self._site, self._actions, self._tell, self._known = site, actions, tell, known
        self._staged = Staged(site, actions)
        self._changing = {action.place for action in actions}

    # Forward

    def forward(self) -> None:
        """Bring every place from its state before to the one after, durably.

        Raises:
            InstallationError: somebody changed a place, or what was staged for it, meanwhile.
        """
        ordered = Ordered.of(self._actions)
        self._doubt()
        for action in ordered.departures:
            self._remove(action)
        for action in ordered.arrivals:
            self._put(action)
        self._site.disk.sync()

    def begun(self) -> bool:
        """Tell whether any place is as it should be only after the transaction."""
        return any(self._state(action) == action.after != action.before for action in self._actions)

    def check(self) -> None:
        """Look at every place again.

        Raises:
            InstallationError: one is not as it should be after the transaction.
        """
        for action in self._actions:
            if self._is_as_staged(action) or action.if_empty:
                continue
            if self._state(action) != action.after:
                raise changed_meanwhile(action)

    def _is_as_staged(self, action: Action) -> bool:
        """Tell whether at a place stands the very file that this process has staged for it."""
        if self._known is None or not isinstance(action.after, File):
            return False
        spot = self._at(action)[0], self._staged.name(action)
        return self._stands(action, action.after, self._known.staged.get(spot))

    def _is_as_found(self, action: Action) -> bool:
        """Tell whether at a place still stands the very file that this process has read."""
        return self._known is not None and self._stands(action, action.before, self._known.found.get(action.place))

    def _stands(self, action: Action, state: State, known: Stamp | None) -> bool:
        """Tell without reading whether at a place stands a file in this state; not where no stamp is known."""
        if known is None or not isinstance(state, File):
            return False
        area, path = self._at(action)
        there = area.status(path)
        return there is not None and stamp(there) == known and is_executable(there) == state.executable

    def _remove(self, action: Action) -> None:
        area, path = self._at(action)
        state = action.before if self._is_as_found(action) else self._state(action)
        if state in (ABSENT, action.after):
            return
        if state != action.before:
            raise changed_meanwhile(action)
        if not isinstance(state, Folder):
            self._site.disk.unlink(area, path)
        elif not area.names(path):
            self._site.disk.rmdir(area, path)
        elif not action.if_empty:  # With it, somebody put something there meanwhile: the folder stays with it.
            raise changed_meanwhile(action)

    def _put(self, action: Action) -> None:
        (area, path), staged = self._at(action), self._staged.name(action)
        if self._known is None:
            self._require_staged(action)
            if area.status(staged) is None:
                return  # It came already; `check` reads all places in the end.
        if not (isinstance(action.after, Folder) and self._state(action) == action.after):
            self._require_unchanged(action)
            self._site.disk.rename((area, staged), (area, path))

    def _require_staged(self, action: Action) -> None:
        area, _ = self._at(action)
        there = area.look(self._staged.name(action)).state
        if there != action.after and (there != ABSENT or self._state(action) != action.after):
            raise InstallationError("staged-missing", f"what was prepared for {action.name} is gone or was changed")

    def _require_unchanged(self, action: Action) -> None:
        if not self._is_as_found(action) and self._state(action) not in (ABSENT, action.before, action.after):
            raise changed_meanwhile(action)

    # Back

    def back(self, made: set[tuple[str, str]]) -> None:
        """Give every place its earlier content back, durably, whatever was reached.

        Args:
            made: root and digest of the objects that this transaction made.

        Raises:
            InstallationError: an earlier content is missing or was changed.
            OSError: the disk fails or is full.
        """
        clear(self._site)
        self._doubt()
        ordered = Ordered.of(action.reversed() for action in self._actions)
        for action in ordered.departures:
            self._take_away(action)
        missing = [action for action in ordered.arrivals if self._must_come_back(action)]
        staged = Staged(self._site, missing)
        staged.prepare(missing, self._spent(made))
        self._site.disk.sync()
        for action in missing:
            self._put_back(action, staged.name(action))
        self._site.disk.sync()

    def _spent(self, made: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return the objects that go with the transaction and back to one place only: they need no copy, nor space."""
        earlier = [action for action in self._actions if isinstance(action.before, File)]
        uses = Counter((action.place[0], action.before.sha256) for action in earlier if isinstance(action.before, File))
        return {key for key in made if uses[key] == 1}

    def _take_away(self, action: Action) -> None:
        """Remove what came, keeping aside what somebody made of it meanwhile."""
        (area, path), state = self._at(action), self._state(action)
        if state in (ABSENT, action.after):
            return
        if isinstance(state, Folder):
            if isinstance(action.before, Folder) and not area.names(path):
                self._site.disk.rmdir(area, path)
        elif state == action.before:
            self._site.disk.unlink(area, path)
        else:
            self._aside(action)

    def _must_come_back(self, action: Action) -> bool:
        area, path = self._at(action)
        state = self._state(action)
        if state == action.after:
            there = area.look(path, content=False).attributes
            wanted = action.after_attributes if isinstance(state, File) else None
            return wanted not in (None, there)
        edited = state not in (ABSENT, action.before)
        if edited and isinstance(action.after, File) and not object_is_good(area, action.after.sha256):
            # Whoever wrote into the file while it was being kept wrote into what was kept.
            self._tell(f"{action.name} was changed by something else while this ran; it stays as it is")
            return False
        return True

    def _put_back(self, action: Action, staged: str) -> None:
        (area, path), state = self._at(action), self._state(action)
        if state not in (ABSENT, action.before, action.after) or isinstance(state, Folder):
            self._aside(action)
        self._site.disk.rename((area, staged), (area, path))

    def _aside(self, action: Action) -> None:
        area, path = self._at(action)
        aside = area.free_beside(path, SAVED)
        self._site.disk.rename((area, path), (area, aside))
        self._tell(f"{action.name} was changed by something else while this ran; that is kept as {aside}")

    # Both

    def _at(self, action: Action) -> tuple[Area, str]:
        return self._site.roots[action.place[0]], action.place[1]

    def _state(self, action: Action) -> State | None:
        area, path = self._at(action)
        return area.look(path, managed=lambda above: (action.place[0], above) in self._changing).state

    def _doubt(self) -> None:
        for action in self._actions:
            self._site.disk.doubt(*self._at(action), content=False)
