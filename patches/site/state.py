"""Where a site's things lie: the state folder, the roots, and who holds the lock.

State folder (belongs to the applier, closed to others):

    site.json              identity: site id, product, baseline, roots, recorded links
    secret                 32 random bytes that seal ledger and journal
    key.pem                the site's key for reports
    trust.json             the trust file the site started from, replaced by newer ones
    baseline.json          the baseline's file list, when `init` had it
    ledger, journal        rows (`chain`)
    transactions/ID        what each transaction did to each place
    manifests/DIGEST       approved manifests;  scripts/DIGEST their scripts
    check-in.json          the report that was sent last, and what was answered (`check_in`)
    channel/               what was seen of the vendor's channel (`view`), and what was fetched (`downloads`)
    lock, fetch-lock       held while something changes, or is fetched

Each root has its own `.patchline` on its own file system: `site` (the id), `staging/`, `objects/` (earlier contents by
digest), `PATCHLEVEL`. Nothing in it is trusted: digests are checked at use.
"""

import fcntl
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from patchline.patches import documents, identifiers
from patchline.patches.baselines import BaselineList
from patchline.patches.errors import InstallationError, LockedError, NotFoundError
from patchline.patches.fields import Fields
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import Manifest, State
from patchline.patches.paths import OWN_FOLDER
from patchline.patches.site import rights
from patchline.patches.site.area import Area, Identity
from patchline.patches.site.chain import Chain
from patchline.patches.site.disk import Disk
from patchline.patches.site.ledger import Ledger
from patchline.patches.situation import Place

STAGING = f"{OWN_FOLDER}/staging"
OBJECTS = f"{OWN_FOLDER}/objects"
_LIMIT = 1 << 30
_ID = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True)
class RootRecord:
    """A root as `init` saw it."""

    name: str
    path: Path
    identity: Identity
    follow: dict[str, Identity]

    def as_document(self) -> dict[str, Any]:
        """Return the record as it stands in `site.json`."""
        follow = {link: _identity_document(to) for link, to in self.follow.items()}
        return {**_identity_document(self.identity), "follow": follow}

    @classmethod
    def read(cls, name: str, fields: Fields) -> "RootRecord":
        """Read what `as_document` wrote."""
        identity = _read_identity(fields)
        links = fields.object("follow")
        follow = {link: _read_identity(links.object(link)) for link in links.document}
        return cls(name, Path(identity.path), identity, follow)


def _identity_document(identity: Identity) -> dict[str, str]:
    # As text: an inode may be larger than JSON's safe integers.
    return {"path": identity.path, "inode": str(identity.inode)}


def _read_identity(fields: Fields) -> Identity:
    return Identity(fields.text("path", limit=4096), int(fields.text("inode", limit=20, pattern=_NUMBER)))


@dataclass
class Site:
    """One installation, opened.

    Attributes:
        state: the state folder.
        roots: each root by its name.
    """

    state: Area
    roots: dict[str, Area]
    records: dict[str, RootRecord]
    disk: Disk
    id: str
    product: str
    baseline: str
    created: str
    secret: bytes = field(repr=False)

    def close(self) -> None:
        """Let go of every descriptor."""
        for area in (self.state, *self.roots.values()):
            area.close()

    def ledger(self) -> Ledger:
        """Read the ledger."""
        return Ledger(Chain(self.state, "ledger", self.secret, self.disk), self.state)

    def manifest(self, digest: str) -> Manifest:
        """Return an approved manifest that was stored when it was applied.

        Raises:
            InstallationError: it is missing or was changed.
        """
        try:
            data = self.state.read(f"manifests/{digest}", LIMITS.manifest)
        except FileNotFoundError:
            raise InstallationError("state", f"the stored manifest {digest} is missing") from None
        if documents.digest(data) != digest:
            raise InstallationError("edited", f"the stored manifest {digest} was changed")
        return Manifest.parse(data)

    def read_document(self, name: str) -> bytes | None:
        """Return a document of the state folder, None when there is none."""
        try:
            return self.state.read(name, _LIMIT)
        except FileNotFoundError:
            return None

    def baseline_states(self) -> dict[Place, State] | None:
        """Return what the baseline's file list says of each path; None when `init` had no list."""
        data = self.read_document("baseline.json")
        if data is None:
            return None
        listed = BaselineList.parse(data)
        return {(root, path): state for root, states in listed.roots.items() for path, state in states.items()}


@contextmanager
def opened(root: Path | None, state: Path | None, disk: Disk) -> Iterator[Site]:
    """Open the site that a root belongs to, checking that root and state folder name each other.

    Args:
        root: any root of the site; None for the nearest folder upwards that has a `.patchline`.
        state: the state folder; None for the default place of the site's id.
        disk: through which everything is written.
    """
    top = root if root is not None else _nearest_root()
    site = _open(state if state is not None else default_state(site_id(top)), disk)
    try:
        if not any(_same_folder(top, area) for area in site.roots.values()):
            raise InstallationError("root-unknown", f"{top} is no root of the site in {site.state.path}")
        yield site
    finally:
        site.close()


def _nearest_root() -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if os.path.lexists(folder / OWN_FOLDER / "site"):
            return folder
    raise NotFoundError("root", f"no folder from {here} upwards has a {OWN_FOLDER}")


def site_id(root: Path) -> str:
    """Return the id that a root carries; nobody vouches for it.

    Raises:
        NotFoundError: it carries none.
        InstallationError: what it carries is no id.
    """
    area = Area(root)
    try:
        text = read_id(area)
    except OSError:
        raise NotFoundError("root", f"{root} is not the root of a site") from None
    finally:
        area.close()
    if not _ID.fullmatch(text):
        raise InstallationError("root-unknown", f"{root} has no readable site id")
    return text


def read_id(area: Area) -> str:
    """Return what stands in a root's own file `site`.

    Raises:
        OSError: there is none, or a link is on the way.
        InstallationError: it is no small regular file.
    """
    return area.read(f"{OWN_FOLDER}/site", 100).decode("ascii", "replace").strip()


def default_state(site: str) -> Path:
    """Return the state folder of a site that was given no other."""
    if os.geteuid() == 0:
        return Path("/var/lib/patchline") / site
    base = os.environ.get("XDG_STATE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".local/state") / "patchline" / site
    except RuntimeError:
        raise InstallationError("state", "this user has no home folder to keep the state in; name one") from None


def _same_folder(path: Path, area: Area) -> bool:
    there = Area(path)
    try:
        return there.identity == area.identity
    finally:
        there.close()


def _open(state: Path, disk: Disk) -> Site:
    area = open_state(state)
    roots: dict[str, Area] = {}
    try:
        secret = area.read("secret", 64)
        document = documents.decode(area.read("site.json", LIMITS.manifest), what="site.json")
        fields = Fields(document, "site.json", InstallationError)
        listed = fields.object("roots")
        records = {name: RootRecord.read(name, listed.object(name)) for name in listed.document}
        for name, record in records.items():
            roots[name] = open_root(record)
        site = Site(
            state=area,
            roots=roots,
            records=records,
            disk=disk,
            id=fields.text("site", pattern=_ID),
            product=fields.text("product", pattern=identifiers.PRODUCT),
            baseline=fields.text("baseline", pattern=identifiers.VERSION),
            created=fields.text("created"),
            secret=secret,
        )
        _check_roots(site)
    except BaseException as error:
        for opened_area in (area, *roots.values()):
            opened_area.close()
        if isinstance(error, FileNotFoundError):
            raise InstallationError("state", f"{state} holds no site: {error.filename} is missing") from None
        raise
    return site


def open_state(folder: Path) -> Area:
    """Open a state folder that nobody else can have written.

    Raises:
        InstallationError: it is not there, or not safe.
    """
    try:
        area = Area(folder)
    except InstallationError:
        raise InstallationError("state", f"there is no state folder {folder}") from None
    try:
        rights.check_state_folder(area.descriptor, folder)
    except InstallationError:
        area.close()
        raise
    return area


def open_root(record: RootRecord) -> Area:
    """Open the root that a record names.

    Raises:
        InstallationError: another folder is there now.
    """
    area = Area(record.path, record.follow)
    if area.identity != record.identity:
        area.close()
        raise InstallationError("root-moved", f"{record.path} is another folder than at init")
    return area


def _check_roots(site: Site) -> None:
    for name, area in site.roots.items():
        try:
            there = read_id(area)
        except (OSError, InstallationError):
            there = ""
        if there != site.id:
            raise InstallationError("root-unknown", f"root {name} ({area.path}) does not carry the id of this site")
        check_own_folders(area)
        for path in (STAGING, OBJECTS):
            area.hold(path)


def check_own_folders(area: Area, paths: tuple[str, ...] = (OWN_FOLDER, STAGING, OBJECTS)) -> None:
    """Refuse a root whose own folders somebody else can write, or has put a link in place of.

    Raises:
        InstallationError: one of them is no folder of the applier's alone.
    """
    for path in paths:
        shown = str(area.path / path)
        try:
            with area.folder(path) as handle:
                status = os.fstat(handle)
        except OSError as error:
            raise InstallationError("own-folder", f"{shown}: {error.strerror}") from None
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise InstallationError("own-folder", f"{shown} is not this user's alone")


@contextmanager
def locked(site: Site, now: datetime, *, fetching: bool = False) -> Iterator[None]:
    """Hold the site's lock: one process changes a site at a time. A dead holder's lock is gone with it.

    Args:
        site: which.
        now: told to whoever comes meanwhile.
        fetching: hold another lock, that of fetching alone: a slow network keeps nobody from rolling back.

    Raises:
        LockedError: somebody holds it; the message says who.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open("fetch-lock" if fetching else "lock", flags, 0o600, dir_fd=site.state.descriptor)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            done = "fetched for" if fetching else "changed"
            raise LockedError("site", f"the site is being {done} by {_holder(handle)}") from None
        os.ftruncate(handle, 0)
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": now.isoformat(timespec="seconds")}
        os.pwrite(handle, json.dumps(holder).encode(), 0)
        yield
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    try:
        holder = json.loads(os.pread(handle, 4096, 0))
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
