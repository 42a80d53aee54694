"""The only module that runs git.

A source is somebody else's folder: nothing it holds may run, be written, or count as settings here.

- Git works in a store of our own: an almost empty bare repository whose settings we wrote, which borrows the source's
  objects (`GIT_ALTERNATE_OBJECT_DIRECTORIES`). Nothing is copied, however long the history. In the source itself only
  `git upload-pack` runs, which git keeps safe for that, to list refs; who owns the source does not matter.
- What is read is proved: every commit, tree and blob is hashed and must give its id, so a commit id means its content
  even when the source's indexes lie.
- A ref is resolved once, to a full id. A tag that is not where this store saw it before is refused.
- Objects that a partial clone lacks are fetched into the store, all at once; reading itself never fetches.
- Names and contents are bytes.

Why borrowing and not fetching: docs/decisions/0002-git-objects-are-borrowed.md.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from patchline.patches import documents
from patchline.patches.errors import GitError
from patchline.releaser.git_layout import locate
from patchline.releaser.git_objects import EMPTY_TREES, Commit, TreeEntry, normal_mode, read_commit, read_tree
from patchline.releaser.git_reader import Object, ObjectReader
from patchline.releaser.git_refs import FULL_ID, Advertisement, Meaning, read_advertisement, understand
from patchline.releaser.git_settings import environment, promisor_address, quoted_path, store_settings

_BUFFER = 1 << 20
_OUTPUT_LIMIT = 512 << 20
_RELEASE = re.compile(r"([0-9]+)\.([0-9]+)")
_OLDEST = (2, 36)
"""The first git with `cat-file --batch-command`."""
_RAW = re.compile(rb":([0-7]{6}) ([0-7]{6}) ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) [ADMT]")


@dataclass(frozen=True)
class Point:
    """A ref resolved: the full name it had (None when written as an id), its commit and that commit's tree."""

    ref: str | None
    commit: str
    tree: str

    @property
    def tag(self) -> str | None:
        """The short name of the tag, if it was one."""
        return self.ref.removeprefix("refs/tags/") if self.ref and self.ref.startswith("refs/tags/") else None


class History(NamedTuple):
    """What lies between two points.

    Attributes:
        commits: those on the head and not on the base, sorted by id.
        undone: how many lie on the base and not on the head, which takes them back.
    """

    commits: tuple[Commit, ...]
    undone: int


RawChange = tuple[int, str, int, str]
"""Mode and id before, mode and id after; 0 and an empty id where nothing is."""


class GitStore:
    """One source, read through a store of our own. A context manager: leaving it ends the git it started."""

    def __init__(self, source: Path, store: Path | None = None) -> None:
        """Open a source.

        Args:
            source: a work tree, a worktree, or a bare repository.
            store: folder of our own that remembers tags and fetched objects between runs; None means a temporary one.

        Raises:
            GitError: no repository, or git is missing.
        """
        self._layout = locate(source)
        self._ends = ExitStack()
        if store is None:
            store = Path(self._ends.enter_context(tempfile.TemporaryDirectory(prefix="patchline-git-")))
        try:
            self._listed: Advertisement = read_advertisement(self._upload_pack())
            self._check_release()
            self._store = store / self.algorithm
            self._prepare()
        except BaseException:
            self._ends.close()
            raise

    @property
    def algorithm(self) -> str:
        """The hash of the source's object ids, `sha1` or `sha256`."""
        return self._listed.algorithm

    @property
    def git_release(self) -> str:
        """Which git does the work, such as `2.39.5`."""
        return self._listed.agent.removeprefix("git/")

    def is_older_than(self, release: tuple[int, int]) -> bool:
        """Tell whether git is older than a release; one that does not say is not."""
        return _is_older(self.git_release, release)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    # What the rest of the product asks

    def resolve(self, written: str) -> Point:
        """Resolve a ref, once and for all.

        Raises:
            GitError: no such ref, not a commit, or a tag that moved.
        """
        meaning = understand(written, self._listed)
        commit = self._commit(self._commit_id(meaning, written), written)
        if meaning.ref and meaning.ref.startswith("refs/tags/"):
            self._remember(meaning.ref, meaning.oid)
        return Point(meaning.ref, commit.oid, commit.tree)

    def has(self, ref: str) -> bool:
        """Tell whether the source has a ref of this full name."""
        return self._listed.find(ref) is not None

    def commit(self, point: Point) -> Commit:
        """Return the commit of a point."""
        return self._commit(point.commit, point.commit)

    def history(self, base: Point, head: Point, folders: Sequence[str] = ()) -> History:
        """Return the commits between two points.

        Args:
            base: where the range begins, itself left out.
            head: where it ends.
            folders: only commits that touch one of them; all commits when empty.

        Raises:
            GitError: the two share no commit, the head lies before the base, or the source was cut off (a shallow
                clone) within the range.
        """
        oids = self._range(base.commit, head.commit)
        if not set(self._listed.shallow).isdisjoint(oids):
            raise GitError("shallow-history", f"the clone does not reach from {head.commit} back to {base.commit}")
        if not oids and base.commit != head.commit:
            raise GitError("reversed", f"every commit of {head.commit} already lies on {base.commit}")
        found = [read_commit(item.oid, whole_object(item)) for item in self.objects(sorted(oids))]
        # What the range leaves out lies on the base, so that a parent beyond it is a commit in common.
        beyond = {parent for commit in found for parent in commit.parents}.difference(oids)
        if oids and not beyond:
            raise GitError("unrelated", f"{base.commit} and {head.commit} have no commit in common")
        undone = 0 if base.commit in beyond or not oids else len(self._range(head.commit, base.commit))
        if folders:
            kept = set(self._range(base.commit, head.commit, folders))
            found = [commit for commit in found if commit.oid in kept]
        return History(tuple(found), undone)

    def touched(self, commits: Sequence[Commit]) -> dict[str, frozenset[bytes]]:
        """Return the paths each commit changed; for a merge those that differ from every parent."""
        self._complete([commit.tree for commit in commits])
        self._complete([item.tree for item in self._parents(commits)])
        oids = [commit.oid for commit in commits]
        command = ["diff-tree", "--stdin", "-r", "-c", "--root", "--no-renames", "--raw", "-z"]
        parts = iter(self._run(command, given="".join(f"{oid}\n" for oid in oids).encode()).split(b"\0"))
        paths: dict[str, set[bytes]] = {oid: set() for oid in oids}
        current: set[bytes] = set()
        for part in parts:
            if part.startswith(b":"):
                current.add(next(parts))
            elif part:
                current = paths[part.decode("ascii", "replace")]
        return {oid: frozenset(found) for oid, found in paths.items()}

    def trees(self, oids: Sequence[str]) -> dict[str, dict[bytes, TreeEntry]]:
        """Read tree objects, each once."""
        found = {}
        for item in self.objects(list(dict.fromkeys(oids))):
            if item.kind != "tree":
                raise GitError("damaged", f"object {item.oid} is a {item.kind}, not a tree")
            found[item.oid] = read_tree(item.oid, whole_object(item), self.algorithm)
        return found

    def differences(self, base: str | None, head: str | None) -> dict[bytes, RawChange]:
        """Return what `git diff-tree` says differs between two trees, by path; None is the empty tree."""
        self._complete([tree for tree in (base, head) if tree])
        empty = EMPTY_TREES[self.algorithm]
        command = ["diff-tree", "-r", "--raw", "-z", "--no-renames", "--full-index", base or empty, head or empty]
        parts = self._run(command).split(b"\0")
        changes: dict[bytes, RawChange] = {}
        for header, path in zip(parts[0:-1:2], parts[1::2], strict=True):
            match = _RAW.fullmatch(header)
            if match is None or path in changes:
                raise GitError("damaged", f"git diff-tree wrote something unexpected: {header[:120]!r}")
            changes[path] = (*_side(match[1], match[3]), *_side(match[2], match[4]))
        return changes

    def objects(self, oids: Sequence[str]) -> Iterator[Object]:
        """Yield objects in the order asked for; what a partial clone lacks is fetched at once and comes last.

        Raises:
            GitError: an object is missing and cannot be fetched, or is not what its id says.
        """
        missing = []
        for oid, found in zip(oids, self._read(oids), strict=True):
            if found is None:
                missing.append(oid)
            else:
                yield found
        if missing:
            self._fetch(missing)
            for oid, found in zip(missing, self._read(missing), strict=True):
                if found is None:
                    raise GitError("object-missing", f"{self._layout.top} lacks object {oid}")
                yield found

    def _parents(self, commits: Sequence[Commit]) -> list[Commit]:
        if not self._partial:
            return []
        oids = {oid for commit in commits for oid in commit.parents}.difference(commit.oid for commit in commits)
        return [read_commit(found.oid, whole_object(found)) for found in self.objects(sorted(oids))]

    def _complete(self, trees: Sequence[str]) -> None:
        """Have every part of some trees, where the source may lack it and git would only say that it is missing."""
        if self._partial:
            for _ in self.objects(list(dict.fromkeys(trees))):
                pass

    @cached_property
    def _partial(self) -> bool:
        """Whether the source was cloned without some of its objects."""
        return next((self._layout.objects / "pack").glob("*.promisor"), None) is not None

    # Refs and commits

    def _commit_id(self, meaning: Meaning, written: str) -> str:
        if FULL_ID.fullmatch(meaning.revision):
            return (self._listed.peel(meaning.ref) if meaning.ref else None) or meaning.revision
        return self._parsed(meaning.revision, written)

    def _parsed(self, revision: str, written: str) -> str:
        command = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
        found = self._run(command, allowed=(0, 1, 128)).decode("ascii", "replace").strip()
        if not FULL_ID.fullmatch(found):
            raise GitError("ref-missing", f"there is no commit {written!r}, or its short form means several")
        return found

    def _commit(self, oid: str, written: str) -> Commit:
        (found,) = self._read([oid])
        if found is None:
            raise GitError("ref-missing", f"there is no commit {written!r} in {self._layout.top}")
        if found.kind == "tag":
            return self._commit(self._parsed(oid, written), written)
        if found.kind != "commit":
            raise GitError("ref-not-commit", f"{written!r} names a {found.kind}, not a commit")
        return read_commit(oid, whole_object(found))

    def _range(self, base: str, head: str, folders: Sequence[str] = ()) -> list[str]:
        paths = ["--full-history", "--", *(f":(literal,top){folder}" for folder in folders)] if folders else ["--"]
        return self._run(["rev-list", head, f"^{base}", *paths]).decode().split()

    def _remember(self, ref: str, oid: str) -> None:
        """Keep where a tag points; refuse one that pointed elsewhere."""
        file = self._store / "tags.json"
        seen = documents.decode(file.read_bytes(), what=str(file)) if file.exists() else {}
        if seen.get(ref, oid) != oid:
            raise GitError("tag-moved", f"{ref} pointed to {seen[ref]} when it was first used, and now to {oid}")
        if ref not in seen:
            part = file.with_name(f"tags.{os.getpid()}.part")
            part.write_bytes(documents.encode({**seen, ref: oid}))
            part.replace(file)

    # Running git

    def _upload_pack(self) -> bytes:
        command = ["upload-pack", "--strict", "--timeout=600", "--advertise-refs", os.fspath(self._layout.git_dir)]
        return self._run(command, own=False)

    def _check_release(self) -> None:
        _check_release(self.git_release)

    def _prepare(self) -> None:
        """Write the few files that make a folder a bare repository."""
        for folder in ("objects/info", "objects/pack", "refs"):
            (self._store / folder).mkdir(parents=True, exist_ok=True)
        for name, text in (("HEAD", "ref: refs/heads/none\n"), ("config", store_settings(self.algorithm))):
            if not (self._store / name).exists():
                (self._store / name).write_text(text, encoding="ascii")

    @cached_property
    def _shallow_file(self) -> str:
        folder = self._ends.enter_context(tempfile.TemporaryDirectory(prefix="patchline-git-"))
        file = Path(folder) / "shallow"
        file.write_text("".join(f"{oid}\n" for oid in self._listed.shallow), encoding="ascii")
        return os.fspath(file)

    @cached_property
    def _reader(self) -> ObjectReader:
        errors = self._ends.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (closed by _ends)
        process = self._start(["cat-file", "--batch-command", "--buffer"], stdin=subprocess.PIPE, errors=errors)
        self._ends.callback(_end, process)
        return ObjectReader(_pipe(process.stdin), _pipe(process.stdout), self.algorithm)

    def _read(self, oids: Sequence[str]) -> Iterator[Object | None]:
        return self._reader.read(oids)

    def _borrowing(self) -> dict[str, str]:
        borrowed = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted_path(os.fsencode(self._layout.objects))}
        if self._listed.shallow:
            borrowed["GIT_SHALLOW_FILE"] = self._shallow_file
        return borrowed

    def _start(
        self,
        arguments: Sequence[str],
        *,
        stdin: int | IO[bytes],
        errors: IO[bytes],
        own: bool = True,
        more: Mapping[str, str] | None = None,
    ) -> "subprocess.Popen[bytes]":
        place = [f"--git-dir={self._store}"] if own else []
        surroundings = environment(foreign=not own) | (self._borrowing() if own else {}) | dict(more or {})
        try:
            return subprocess.Popen(  # noqa: S603 (a fixed program; what comes from outside cannot be an option)
                ["git", *place, *arguments],  # noqa: S607 (git is found on the PATH, as everywhere)
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd="/",
                env=surroundings,
                bufsize=_BUFFER,
            )
        except FileNotFoundError:
            raise GitError("no-git", "git is not installed") from None

    def _run(
        self,
        arguments: Sequence[str],
        *,
        given: bytes = b"",
        own: bool = True,
        allowed: Sequence[int] = (0,),
        more: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run git to its end and return what it wrote."""
        with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as stdin:
            stdin.write(given)
            stdin.seek(0)
            with self._start(arguments, stdin=stdin, errors=errors, own=own, more=more) as process:
                data = _pipe(process.stdout).read(_OUTPUT_LIMIT)
                if len(data) == _OUTPUT_LIMIT:
                    process.kill()
            if process.returncode not in allowed:
                errors.seek(0)
                said = " ".join(errors.read(2000).decode("utf-8", "replace").split())
                raise GitError("damaged", f"{self._layout.top}: git {arguments[0]}: {said or process.returncode}")
            return data

    # Fetching what a partial clone lacks

    def _fetch(self, oids: Sequence[str]) -> None:
        """Fetch objects from where the source was cloned from, in one request."""
        # Costs as much as a whole build, and only a partial clone needs it.
        import git

        address = self._promisor(oids[0])
        settings = {
            "remote.origin.url": address,
            "remote.origin.promisor": "true",
            "remote.origin.partialclonefilter": "blob:none",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command = ["git", f"--git-dir={self._store}", *options, "fetch", "--quiet", "--no-tags", "--stdin"]
        command += ["--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none"]
        if address.startswith(("file:", "/")):
            pack = "git -c uploadpack.allowFilter=true -c uploadpack.allowAnySHA1InWant=true -c safe.directory=*"
            command.append(f"--upload-pack={pack} upload-pack")
        # GitPython hands this process's own environment on, so what would lead git elsewhere is set here.
        surroundings = environment(foreign=False) | {
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
            "GIT_COMMON_DIR": os.fspath(self._store),
            "GIT_CONFIG_PARAMETERS": "",
            "GIT_NAMESPACE": "",
            "GIT_OBJECT_DIRECTORY": os.fspath(self._store / "objects"),
        }
        with tempfile.TemporaryFile() as wanted, git.Repo(self._store) as repository:
            wanted.write("".join(f"{oid}\n" for oid in oids).encode())
            wanted.seek(0)
            try:
                repository.git.execute([*command, "origin"], istream=wanted, env=surroundings)
            except git.CommandError as error:
                said = " ".join(str(error.stderr).split())[:500]
                raise GitError("fetch-failed", f"{len(oids)} objects could not be fetched: {said}") from None

    def _promisor(self, wanted: str) -> str:
        """Return the address that owes the source its missing objects, read from its settings as plain data."""
        file = self._layout.common_dir / "config"
        if not file.is_file():
            raise GitError("object-missing", f"{self._layout.top} lacks object {wanted}")
        command = ["config", "--file", os.fspath(file), "--no-includes", "--null", "--list"]
        listed = self._run(command).decode("utf-8", "surrogateescape")
        return promisor_address(listed, self._layout.top, wanted)


def _side(mode: bytes, oid: bytes) -> tuple[int, str]:
    if mode == b"000000":
        return 0, ""
    known = normal_mode(mode)
    if not known:
        raise GitError("damaged", f"git diff-tree names the mode {mode.decode()}")
    return known, oid.decode()


def whole_object(found: Object) -> bytes:
    """Return the content of an object that is never large.

    Raises:
        GitError: it is.
    """
    if found.data is None:
        raise GitError("too-large", f"{found.kind} {found.oid} has {found.size} bytes")
    return found.data


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("the process was started without this pipe")
    return stream


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a git that waits for requests."""
    _pipe(process.stdout).close()
    try:
        _pipe(process.stdin).close()
    except BrokenPipeError:
        pass
    process.wait()


def check_git() -> None:
    """Refuse a machine without git, or with one that is too old; needs no repository.

    Raises:
        GitError: so it is.
    """
    command = ["git", "version"]
    try:
        said = subprocess.run(command, capture_output=True, check=False, env=environment(foreign=False)).stdout  # noqa: S603
    except FileNotFoundError:
        raise GitError("no-git", "git is not installed") from None
    _check_release(said.decode("ascii", "replace").removeprefix("git version ").strip())


def _check_release(release: str) -> None:
    if _is_older(release, _OLDEST):
        raise GitError("too-old", f"git is {release}")


def _is_older(release: str, other: tuple[int, int]) -> bool:
    found = _RELEASE.match(release)
    return found is not None and (int(found[1]), int(found[2])) < other
