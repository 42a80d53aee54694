"""Trees on disk, made and compared without the product's own code: what the product's results are held against."""

import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

Tree = dict[str, tuple[str, bytes, bool]]
"""Path to kind (`file`, `link`, `folder`), content or target, executable bit."""


def export(repository: Path, ref: str, folder: Path) -> int:
    """Write the files of a commit as git stores them, without filters; return how many there are.

    Submodules are left out: git stores nothing of them.
    """
    listed = _git(repository, "ls-tree", "-r", "-z", "--full-tree", ref)
    entries = [line.split(b"\t", 1) for line in listed.split(b"\0") if line]
    wanted = [(head.split(), name) for head, name in entries if not head.startswith(b"160000")]
    folder.mkdir(parents=True)
    with subprocess.Popen(
        ["git", "-C", repository, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as git:
        assert git.stdin is not None and git.stdout is not None
        for (mode, _, oid), name in wanted:
            git.stdin.write(oid + b"\n")
            git.stdin.flush()
            size = int(git.stdout.readline().split()[2])
            _put(folder / os.fsdecode(name), mode, git.stdout.read(size))
            git.stdout.read(1)
        git.stdin.close()
    return len(wanted)


def _put(path: Path, mode: bytes, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == b"120000":
        path.symlink_to(os.fsdecode(data))
        return
    path.write_bytes(data)
    path.chmod(0o755 if mode == b"100755" else 0o644)


def unpack(archive: Path, folder: Path) -> int:
    """Unpack a wheel, jar, zip or tar; return how many files there are."""
    folder.mkdir(parents=True)
    unpack_over(archive, folder)
    return sum(1 for kind, _, _ in scan(folder).values() if kind != "folder")


def unpack_over(archive: Path, folder: Path) -> None:
    """Unpack into a folder that is there."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
    else:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")


def copy(source: Path, target: Path) -> None:
    """Copy a tree with its links and modes."""
    shutil.copytree(source, target, symlinks=True)


def scan(folder: Path, *, without: str = ".patchline") -> Tree:
    """Return everything below a folder."""
    return dict(_walk(folder, "", without))


def _walk(folder: Path, prefix: str, without: str) -> Iterator[tuple[str, tuple[str, bytes, bool]]]:
    for entry in os.scandir(folder):
        path = prefix + entry.name
        if path == without:
            continue
        if entry.is_symlink():
            yield path, ("link", os.fsencode(Path(entry.path).readlink()), False)
        elif entry.is_dir():
            yield path, ("folder", b"", False)
            yield from _walk(Path(entry.path), path + "/", without)
        else:
            executable = bool(entry.stat().st_mode & 0o100)
            yield path, ("file", Path(entry.path).read_bytes(), executable)


def differences(one: Tree, other: Tree) -> list[str]:
    """Return the paths that are not the same in both, each with what differs."""
    return [
        f"{path}: {_shown(one.get(path))} and {_shown(other.get(path))}"
        for path in sorted(one.keys() | other.keys())
        if one.get(path) != other.get(path)
    ]


def _shown(found: tuple[str, bytes, bool] | None) -> str:
    return "nothing" if found is None else f"{found[0]} of {len(found[1])} bytes{' (executable)' if found[2] else ''}"


def _git(repository: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", repository, *arguments], check=True, capture_output=True).stdout
