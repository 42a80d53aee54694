"""New and earlier contents on the way: staging and objects of each root.

- Staging holds what is about to come, one file for each place, with its final attributes; a `rename` then suffices.
- Objects hold what stood there, by digest. A second name of the same file serves only where nobody else can write it;
  otherwise it is a copy. Digests are checked on the open descriptor whenever an object is used.
"""

import stat
from collections import Counter
from collections.abc import Callable, Container, Iterable

from patchline.patches.errors import InstallationError
from patchline.patches.manifest import ABSENT, File, Folder, Link, Manifest, Member
from patchline.patches.site import rights
from patchline.patches.site.actions import Action
from patchline.patches.site.area import Area, Found, Stamp
from patchline.patches.site.state import OBJECTS, STAGING, Site
from patchline.patches.situation import Place

SCRIPTS = "staging"
"""Folder of the state folder that takes scripts before their bundle is verified, and what a transaction begins with."""
Spot = tuple[Area, str]
"""A path below an area."""
Stamps = dict[Spot, Stamp | None]
"""What this process has staged and hashed on the way, with the stamp it had then."""


class SiteStore:
    """Takes a payload's members into the staging of every root that needs them (`bundle.Store`)."""

    def __init__(self, site: Site, manifest: Manifest, staged: Stamps) -> None:
        """Take in what `staged` names, and add to it; the hotfixes of a set share it, which may bring the same content."""
        self._site, self._staged = site, staged
        self._roots: dict[str, list[str]] = {}
        for entry in manifest.files:
            if isinstance(entry.post, File) and entry.root in site.roots:
                roots = self._roots.setdefault(entry.post.sha256, [])
                if entry.root not in roots:
                    roots.append(entry.root)

    def write(self, member: Member, chunks: Iterable[bytes]) -> None:
        """Take one member; earlier contents for merging are not needed here and only read."""
        places = [(self._site.state, f"{SCRIPTS}/{member.sha256}")] if member.name.startswith("scripts/") else []
        if member.name.startswith("files/"):
            roots = self._roots.get(member.sha256, [])
            places = [(self._site.roots[root], f"{STAGING}/{member.sha256}") for root in roots]
        places = [place for place in places if place not in self._staged]
        if not places:
            for _ in chunks:
                pass
            return
        disk, first = self._site.disk, places[0]
        disk.write_file(*first, chunks)
        for place in places[1:]:
            disk.copy(first, place)
        self._staged.update((place, place[0].stamp(place[1])) for place in places)


def save_earlier(site: Site, actions: Iterable[Action], found: Callable[[Place], Found]) -> list[tuple[str, str]]:
    """Keep the content of every file that is about to go; return root and digest of each object made.

    Args:
        site: where.
        actions: by which they go.
        found: tells what stood at a place when it was planned.

    Raises:
        InstallationError: a file changed since it was looked at.
    """
    there, made = set(objects(site)), []
    for action in actions:
        if isinstance(action.before, File):
            root, digest = key = action.place[0], action.before.sha256
            if key in there:
                if object_is_good(site.roots[root], digest):
                    site.disk.doubt(site.roots[root], f"{OBJECTS}/{digest}")
                    continue
                site.disk.unlink(site.roots[root], f"{OBJECTS}/{digest}")
            _save(site, action, found(action.place))
            there.add(key)
            made.append(key)
    return made


def keep_between(site: Site, contents: Iterable[tuple[str, str]]) -> None:
    """Keep what one hotfix of a set brings and a later one replaces at once; root and digest of each.

    Raises:
        InstallationError: it is not in staging, or not what its digest says.
    """
    for root, digest in contents:
        area, kept = site.roots[root], f"{OBJECTS}/{digest}"
        if object_is_good(area, digest):
            site.disk.doubt(area, kept)
            continue
        if area.look(kept, content=False).state != ABSENT:
            site.disk.unlink(area, kept)
        copy_checked(site, (area, f"{STAGING}/{digest}"), (area, kept), digest)


def object_is_good(area: Area, digest: str) -> bool:
    """Tell whether an earlier content is there and is what its digest says."""
    return _is_good(area.look(f"{OBJECTS}/{digest}"), digest)


def _is_good(found: Found, digest: str) -> bool:
    return isinstance(found.state, File) and found.state.sha256 == digest


def _save(site: Site, action: Action, found: Found) -> None:
    area, path = site.roots[action.place[0]], action.place[1]
    assert isinstance(action.before, File)  # noqa: S101 - for the type checker
    target = (area, f"{OBJECTS}/{action.before.sha256}")
    if action.linkable and found.links == 1 and found.attributes is not None and rights.only_ours(found.attributes):
        site.disk.link((area, path), target)
        unchanged = area.stamp(target[1]) == found.stamp
    else:
        unchanged = site.disk.copy((area, path), target) == action.before.sha256
    if not unchanged:
        site.disk.unlink(*target)
        raise changed_meanwhile(action)


def changed_meanwhile(action: Action) -> InstallationError:
    """Return the refusal for a file that somebody changes at this very moment."""
    return InstallationError("changed-meanwhile", f"{action.name} was changed while this ran")


class Staged:
    """Which file, link or folder of staging goes to which place.

    Attributes:
        stamps: of what this process has staged itself.
    """

    def __init__(self, site: Site, actions: list[Action], stamps: Stamps | None = None) -> None:
        self._site = site
        self.stamps: Stamps = {} if stamps is None else stamps
        self._names: dict[Place, str] = {}
        used: Counter[tuple[str, str]] = Counter()
        for number, action in enumerate(actions):
            if isinstance(action.after, File):
                key = (action.place[0], action.after.sha256)
                used[key] += 1
                extra = f".{used[key]}" if used[key] > 1 else ""
                self._names[action.place] = f"{STAGING}/{action.after.sha256}{extra}"
            elif action.after != ABSENT:
                self._names[action.place] = f"{STAGING}/{type(action.after).__name__.lower()}.{number}"

    def name(self, action: Action) -> str:
        """Return the path in the root's staging of what goes to the action's place."""
        return self._names[action.place]

    def prepare(self, actions: list[Action], spent: Container[tuple[str, str]] = ()) -> None:
        """Make everything lie in staging as it will lie in its place.

        Args:
            actions: all those that name this staging.
            spent: root and digest of objects that nothing needs afterwards: a second name will do.

        Raises:
            InstallationError: attributes cannot be given, an object is missing or was changed.
        """
        for action in actions:
            area, disk = self._site.roots[action.place[0]], self._site.disk
            if isinstance(action.after, Link):
                disk.symlink(area, self.name(action), action.after.target, action.after_attributes)
                continue
            if isinstance(action.after, File):
                is_spent = (action.place[0], action.after.sha256) in spent
                self._content(area, action.after.sha256, self.name(action), is_spent)
            elif isinstance(action.after, Folder):
                disk.mkdir(area, self.name(action))
            if action.after != ABSENT and action.after_attributes is not None:
                disk.set_attributes(area, self.name(action), action.after_attributes)

    def _content(self, area: Area, digest: str, name: str, is_spent: bool) -> None:
        first, kept, spot = f"{STAGING}/{digest}", f"{OBJECTS}/{digest}", (area, name)
        if spot in self.stamps:
            return
        if is_spent:
            self.stamps[spot] = _good_object(area, digest).stamp
            self._site.disk.link((area, kept), spot)
        else:
            source = first if (area, first) in self.stamps else kept
            copy_checked(self._site, (area, source), spot, digest)
            self.stamps[spot] = area.stamp(name)


def copy_checked(site: Site, source: Spot, target: Spot, digest: str) -> None:
    """Copy a file, refusing content that is not what its digest says.

    Raises:
        InstallationError: the source is missing or was changed.
    """
    where = source[0].path
    try:
        good = site.disk.copy(source, target) == digest
    except FileNotFoundError:
        raise InstallationError("object-missing", f"the earlier content {digest[:12]} is missing in {where}") from None
    if not good:
        site.disk.unlink(*target)
        raise InstallationError("object-changed", f"the earlier content {digest[:12]} in {where} was changed")


def clear(site: Site) -> None:
    """Empty staging everywhere; what lies there was never promised."""
    for area, folder in [(site.state, SCRIPTS), *((area, STAGING) for area in site.roots.values())]:
        for name in area.names(folder):
            _remove(site, area, f"{folder}/{name}")


def _remove(site: Site, area: Area, path: str) -> None:
    status = area.status(path)
    if status is None or not stat.S_ISDIR(status.st_mode):
        site.disk.unlink(area, path)
        return
    # A power loss may have kept what came into a folder, but not that the folder went to its place.
    for name in area.names(path):
        _remove(site, area, f"{path}/{name}")
    site.disk.rmdir(area, path)


def remains(site: Site) -> bool:
    """Tell whether anything lies in staging."""
    return bool(site.state.names(SCRIPTS)) or any(area.names(STAGING) for area in site.roots.values())


def objects(site: Site) -> list[tuple[str, str]]:
    """Return root and digest of every object there is."""
    return [(root, name) for root, area in site.roots.items() for name in area.names(OBJECTS)]


def _good_object(area: Area, digest: str) -> Found:
    found = area.look(f"{OBJECTS}/{digest}")
    if not _is_good(found, digest):
        raise InstallationError("object-changed", f"the earlier content {digest[:12]} in {area.path} was changed")
    return found


def object_size(area: Area, digest: str) -> int:
    """Return the bytes that removing an object frees; none while its file has another name."""
    there = area.status(f"{OBJECTS}/{digest}")
    return there.st_size if there is not None and stat.S_ISREG(there.st_mode) and there.st_nlink == 1 else 0


def drop_objects(site: Site, surplus: Iterable[tuple[str, str]]) -> int:
    """Remove objects by root and digest; return the bytes that were freed."""
    surplus = list(surplus)
    freed = sum(object_size(site.roots[root], digest) for root, digest in surplus)
    site.disk.unlink_all([(site.roots[root], f"{OBJECTS}/{digest}") for root, digest in surplus])
    return freed
