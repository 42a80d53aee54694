"""Making a site: the state folder, and each root's own folder.

A crash on the way leaves no site: `site.json` is written after everything else, and `init` starts anew over such
remains. A root that carries a patch level belongs to a site already.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from patchline.patches import documents, identifiers
from patchline.patches.errors import InstallationError, UsageError
from patchline.patches.paths import OWN_FOLDER
from patchline.patches.site import rights
from patchline.patches.site.area import Area, Attributes, Identity
from patchline.patches.site.chain import START, Chain
from patchline.patches.site.disk import Disk
from patchline.patches.site.inventory import PATCH_LEVEL, write_patch_level
from patchline.patches.site.state import (
    OBJECTS,
    STAGING,
    RootRecord,
    check_own_folders,
    default_state,
    open_state,
    opened,
    read_id,
)

_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class NewSite:
    """What `init` was told.

    Attributes:
        roots: each root by its name.
        follow: links below a root that belong there.
        trust, files: the trust file, and the baseline's file list where there is one.
    """

    product: str
    baseline: str
    roots: dict[str, Path]
    follow: tuple[Path, ...]
    trust: bytes
    files: bytes | None


def create(new: NewSite, state: Path | None, disk: Disk, now: datetime) -> Path:
    """Make the state folder and the roots' own folders; return the state folder.

    Raises:
        InstallationError: a root is a site already, cannot be recorded, a folder is not safe, or the disk fails.
        UsageError: a name or a link makes no sense.
    """
    try:
        folder = _create(new, state, disk, now)
        with opened(next(iter(new.roots.values())), folder, disk) as made:
            write_patch_level(made, made.ledger(), now)
    except OSError as error:
        raise InstallationError("disk", f"the site cannot be made: {error.strerror} ({error.filename})") from None
    return folder


def _create(new: NewSite, state: Path | None, disk: Disk, now: datetime) -> Path:
    site = secrets.token_hex(16)
    folder = state if state is not None else default_state(site)
    with ExitStack() as stack:
        areas = {name: _open_root(name, path) for name, path in sorted(new.roots.items())}
        for area in areas.values():
            stack.callback(area.close)
        records = _records(new, areas)
        _check_apart([*(area.identity.path for area in areas.values()), os.path.realpath(folder)])
        home = _make_state_folder(folder)
        stack.callback(home.close)
        _fill_state(home, new, disk)
        for area in areas.values():
            _fill_root(area, site, disk)
        document = {
            "format": 1,
            "site": site,
            "product": new.product,
            "baseline": new.baseline,
            "created": now.isoformat(timespec="seconds"),
            "roots": {record.name: record.as_document() for record in records},
        }
        disk.sync()
        disk.replace(home, "site.json", documents.encode(document))
    return folder


def _open_root(name: str, path: Path) -> Area:
    if not identifiers.ROOT.fullmatch(name):
        raise UsageError("root-name", f"{name!r} cannot be the name of a root")
    area = Area(path)
    try:
        if _ODD.search(area.identity.path):
            raise UsageError("root-path", f"{area.identity.path!r} cannot be the folder of a root")
        if problem := rights.folder_problem(area.descriptor, str(path)):
            raise problem
        _check_new(area)
    except BaseException:
        area.close()
        raise
    return area


def _check_new(area: Area) -> None:
    """Refuse a root that belongs to a site."""
    try:
        site = read_id(area)
    except (OSError, InstallationError):
        return
    if PATCH_LEVEL in area.names(OWN_FOLDER):
        raise InstallationError("exists", f"{area.path} is a root of the site {site[:32]} already")


def _check_apart(folders: list[str]) -> None:
    """Refuse folders that lie in each other: one path must have one name, and no hotfix may reach the state."""
    for one in folders:
        for other in folders:
            if one is not other and Path(one).is_relative_to(other):
                raise InstallationError("overlap", f"{one} lies in {other}; roots and state must lie apart")


def _records(new: NewSite, areas: dict[str, Area]) -> list[RootRecord]:
    follow: dict[str, dict[str, Identity]] = {name: {} for name in areas}
    for link in new.follow:
        name, path = _below_root(link, new.roots, areas)
        target = Area(link)
        follow[name][path] = target.identity
        target.close()
    return [RootRecord(name, Path(area.identity.path), area.identity, follow[name]) for name, area in areas.items()]


def _below_root(link: Path, roots: dict[str, Path], areas: dict[str, Area]) -> tuple[str, str]:
    """Return in which root a link lies, and where; by the names given, or by where they really lead."""
    if link.is_symlink():
        real = link.parent.resolve() / link.name
        for name, area in areas.items():
            for path, top in ((link.absolute(), roots[name].absolute()), (real, Path(area.identity.path))):
                if path.is_relative_to(top) and path != top:
                    return name, str(path.relative_to(top))
    raise UsageError("follow", f"{link} is no link below a root")


def _make_state_folder(folder: Path) -> Area:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InstallationError("state", f"cannot make {folder}: {error.strerror}") from None
    home = open_state(folder)
    if "site.json" in home.names(""):
        home.close()
        raise InstallationError("exists", f"{folder} holds the state of a site already")
    return home


def _fill_state(home: Area, new: NewSite, disk: Disk) -> None:
    _make_folders(home, disk, ("manifests", "scripts", "staging", "transactions"))
    disk.replace(home, "secret", secret := secrets.token_bytes(32))
    disk.replace(home, "trust.json", new.trust)
    if new.files is not None:
        disk.replace(home, "baseline.json", new.files)
    disk.replace(home, "ledger", b"")
    disk.replace(home, "journal", Chain.first("journal", {"row": "done", "head": START}, secret))


def _fill_root(area: Area, site: str, disk: Disk) -> None:
    _make_folders(area, disk, (OWN_FOLDER,))
    check_own_folders(area, (OWN_FOLDER,))
    # The patch level in it is for everybody to read; staging and objects are not.
    disk.set_attributes(area, OWN_FOLDER, Attributes(0o755, os.geteuid(), os.getegid()))
    _make_folders(area, disk, (STAGING, OBJECTS))
    check_own_folders(area)
    disk.replace(area, f"{OWN_FOLDER}/site", f"{site}\n".encode())


def _make_folders(area: Area, disk: Disk, names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(FileExistsError):
            disk.mkdir(area, name)
