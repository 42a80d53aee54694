"""Building a bundle: derive the manifest, search what is new, write, try it out, and note how it was done.

The key is not here: `build` leaves a bundle and its `.statement.json`, and `sign` is another process.
"""

import os
import platform
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from patchline.patches import bundle, identifiers
from patchline.patches.baselines import baseline_list
from patchline.patches.compression import ENGINE
from patchline.patches.documents import digest, encode
from patchline.patches.errors import BuildError, RefusedError
from patchline.patches.files import os_failure, sync_folder, write_file
from patchline.patches.manifest import File, Manifest, Member
from patchline.patches.provenance import BuildRecord, Scan, provenance_payload
from patchline.patches.statements import Subject
from patchline.patches.wording import counted
from patchline.releaser import people as persons
from patchline.releaser.baselines import states_of_folder
from patchline.releaser.bundle_files import STATEMENT, sidecar_path
from patchline.releaser.composing import Order, class_of, compose, contents_before
from patchline.releaser.earlier import Earlier, check_base, check_order, keep_contents, read_earlier
from patchline.releaser.folders import FolderTree
from patchline.releaser.git_store import GitStore
from patchline.releaser.home import mirror_folder
from patchline.releaser.people import Identified, People
from patchline.releaser.recipe import Authored
from patchline.releaser.scan import Item, Scanner
from patchline.releaser.simulation import simulate
from patchline.releaser.sources import Content, KeepsBase, Material, material_of_commits, material_of_folders
from patchline.releaser.spool import Advance, Spool, unheard
from patchline.releaser.trees import Roots

UNKNOWN_PEOPLE = "without --people nobody is known by name, so no author can be kept from approving"
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class GitOrigin:
    """Two refs of a git repository.

    Attributes:
        mirror: folder that remembers the source, where carried commits lie; by default that of this machine's home.
    """

    repo: Path
    base: str
    head: str
    mirror: Path | None = None


@dataclass(frozen=True)
class FolderOrigin:
    """Two folders of built files, with what only people know of them."""

    base: Path
    head: Path
    source: str
    contributors: tuple[str, ...]
    strict_archives: bool = False


@dataclass(frozen=True)
class Wanted:
    """Everything that is given for a bundle.

    Attributes:
        onto: earlier bundles that it may meet at a site.
        allow: reason by path for findings of the scan, from options.
    """

    order: Order
    authored: Authored
    origin: GitOrigin | FolderOrigin
    people: People | Identified | None = None
    onto: tuple[Path, ...] = ()
    allow: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Derived:
    """A manifest and the content behind it, as long as its sources are open."""

    manifest: Manifest
    material: Material
    earlier: tuple[Earlier, ...]
    contents: Callable[[str], Content]
    before: Callable[[str], Iterable[bytes]]
    tools: dict[str, str]

    def member(self, member: Member) -> Iterator[bytes]:
        """Return the content of a payload member in pieces."""
        return iter(self.contents(member.sha256)())


@contextmanager
def derived(wanted: Wanted, folder: Path | None = None, advance: Advance = unheard) -> Iterator[Derived]:
    """Derive the manifest from the sources.

    Args:
        wanted: what is given.
        folder: where large contents lie meanwhile.
        advance: told how many more bytes were read or packed.

    Raises:
        BuildError: it cannot be built.
    """
    order, authored = wanted.order, wanted.authored
    earlier = read_earlier(wanted.onto, order.product, order.baselines[0])
    roots = Roots(authored.roots, authored.platforms)

    def keeps_base(root: str, path: str) -> bool:
        return class_of(order, authored, root, path, earlier) == "config"

    with (
        Spool(folder, advance) as spool,
        _material(wanted, roots, spool, keeps_base, earlier) as (
            material,
            people,
            tools,
        ),
    ):
        manifest = compose(order, authored, material, people, earlier)
        if manifest.kind != "cumulative":
            check_order(earlier, manifest)
        keep_contents(earlier, contents_before(manifest) - material.old.keys() - material.contents.keys(), spool)

        def contents(sha256: str) -> Content:
            if sha256 in authored.scripts:
                return lambda: (authored.scripts[sha256],)
            return material.contents.get(sha256) or (lambda: spool.read(sha256))

        def before(sha256: str) -> Iterable[bytes]:
            return (material.old.get(sha256) or contents(sha256))()

        yield Derived(manifest, material, tuple(earlier), contents, before, tools)


Opened = tuple[Material, list[str], dict[str, str]]


@contextmanager
def _material(
    wanted: Wanted, roots: Roots, spool: Spool, keeps_base: KeepsBase, earlier: Sequence[Earlier]
) -> Iterator[Opened]:
    """Open the sources; yield material, contributors, and the tools that were used besides our own."""
    origin = wanted.origin
    if isinstance(origin, FolderOrigin):
        yield _from_folders(wanted, origin, roots, keeps_base, spool.advance), sorted(set(origin.contributors)), {}
        return
    mirror = origin.mirror or mirror_folder(wanted.order.repository or wanted.order.product)
    with GitStore(origin.repo, mirror) as store:
        base, head = store.resolve(origin.base), store.resolve(origin.head)
        check_base(earlier, base.tag, base.commit)
        material = material_of_commits(store, base, head, roots, spool, keeps_base)
        people = wanted.people or persons.nobody(head.commit)
        yield material, people.identify(material.mails), {"git": store.git_release}


def _from_folders(
    wanted: Wanted, origin: FolderOrigin, roots: Roots, keeps_base: KeepsBase, advance: Advance
) -> Material:
    if not origin.contributors:
        raise BuildError("contributors", "folders do not say who contributed")
    if wrong := [name for name in origin.contributors if not identifiers.PERSON.fullmatch(name)]:
        raise BuildError("contributors", f"{wrong[0]!r} is not a person id")
    base, head = FolderTree(origin.base, advance), FolderTree(origin.head, advance)
    material = material_of_folders(base, head, roots, keeps_base, strict_archives=origin.strict_archives)
    order = wanted.order
    lists = {
        f"{name}_files": digest(baseline_list(order.product, order.baselines[0], states_of_folder(tree, roots)))
        for name, tree in (("base", base), ("head", head))
    }
    return replace(material, provenance={**material.provenance, **lists, "source": origin.source})


# Building


@dataclass(frozen=True)
class Built:
    """What a build left behind, and what people should know of it."""

    path: Path
    manifest: Manifest
    container: str
    record: BuildRecord
    outside: tuple[str, ...]
    warnings: tuple[str, ...]


def build(wanted: Wanted, out: Path, clock: Clock, advance: Advance = unheard) -> Built:
    """Build a bundle and its statement.

    Args:
        wanted: what is given.
        out: the bundle's file, which must not exist.
        clock: tells the time, for the statement alone.
        advance: told how many more bytes were read or packed.

    Raises:
        BuildError: it cannot be built; nothing is left behind.
        PatchlineError: a file cannot be read or written.
    """
    started = clock()
    for path in (out, sidecar_path(out, STATEMENT)):
        if os.path.lexists(path):
            raise RefusedError("file-exists", f"{path} exists already")
    if isinstance(wanted.origin, FolderOrigin):
        for source in (wanted.origin.base, wanted.origin.head):
            if out.resolve().is_relative_to(source.resolve()):
                raise BuildError(
                    "out-inside", f"{out} would lie in {source}, and become a part of what it is made from"
                )
    # Beside the bundle, so that taking the name at the end is one step, and a small /tmp does not matter.
    with _place_beside(out) as place:
        with derived(wanted, place, advance) as made:
            scan = _search(wanted, made)
            written = bundle.write(place / out.name, made.manifest, made.member)
            simulation = simulate(place / out.name, made.manifest, made.earlier, made.before)
        record = BuildRecord(
            tools={**_own_tools(), **made.tools},
            machine=f"{sys.platform} {platform.machine()}",
            started=started,
            finished=clock(),
            invocation=secrets.token_hex(16),
            payload=written.payload,
            scan=scan,
            simulation=simulation,
            recipe=wanted.authored.digest,
            people=wanted.people.digest if wanted.people else None,
            onto=tuple(item.manifest.digest for item in made.earlier),
            unchanged_archives=made.material.repacked,
        )
        statement = provenance_payload(made.manifest, [Subject(out.name, written.container)], record)
        write_file(sidecar_path(out, STATEMENT), statement)
        _take_name(place / out.name, out)
    return Built(out, made.manifest, written.container, record, made.material.outside, _warnings(wanted, made))


@contextmanager
def _place_beside(out: Path) -> Iterator[Path]:
    """Yield a folder that is removed at the end; a refusal names the folder that it would lie in."""
    folder = _folder(out)
    try:
        place = tempfile.TemporaryDirectory(prefix=".patchline-", dir=folder)
    except OSError as error:
        raise os_failure(OSError(error.errno, error.strerror, os.fspath(folder))) from None
    with place as name:
        yield Path(name)


def _folder(out: Path) -> Path:
    if not out.parent.is_dir():
        raise BuildError("folder", f"{out.parent} is not a folder")
    return out.parent


def _take_name(part: Path, out: Path) -> None:
    part.rename(out)
    sync_folder(out.parent)


def _own_tools() -> dict[str, str]:
    # Slow to load, and needed for the statement alone.
    from importlib import metadata

    return {"patchline": metadata.version("patchline"), "python": platform.python_version(), "zlib": ENGINE}


def _search(wanted: Wanted, made: Derived) -> Scan:
    """Search what is new: contents, names of paths, scripts, and what people wrote."""
    scanner = Scanner(wanted.authored.names, {**wanted.authored.allow, **wanted.allow})
    scanner.search(_new(wanted, made))
    return Scan(scanner.contents, scanner.rules, tuple(scanner.allowed))


def _new(wanted: Wanted, made: Derived) -> Iterator[Item]:
    manifest, material = made.manifest, made.material
    for change in material.changes:
        if isinstance(change.post, File) and change.post.sha256 not in material.old:
            old = material.old.get(change.pre.sha256) if isinstance(change.pre, File) else None
            where = f"{change.root}/{change.path}"
            yield Item(where, made.contents(change.post.sha256), old, change.place)
    for sha256, script in sorted(wanted.authored.scripts.items()):
        yield Item(f"scripts/{sha256}", partial(iter, (script,)))
    paths = "\n".join(f"{change.root}/{change.path}" for change in material.changes)
    yield Item("the names of paths", lambda: (paths.encode(),))
    texts = [manifest.title, manifest.notes, *manifest.guidance, *(repr(fix) for fix in manifest.fixes)]
    yield Item("the texts of the manifest", lambda: (encode(texts),))


def _warnings(wanted: Wanted, made: Derived) -> tuple[str, ...]:
    found = []
    if isinstance(wanted.origin, GitOrigin) and wanted.people is None:
        found.append(UNKNOWN_PEOPLE)
    if made.material.undone:
        found.append(
            f"the head lacks {counted(made.material.undone, 'commit')} of the base, whose changes are taken back"
        )
    if made.material.outside:
        found.append(
            f"outside of the roots and not in the bundle: {counted(len(made.material.outside), 'changed path')}"
        )
    return tuple(found)
