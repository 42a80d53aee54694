"""Where a git repository keeps its parts, found by reading names only: no git runs, nothing of its settings counts."""

import os
from dataclasses import dataclass
from pathlib import Path

from patchline.patches.errors import GitError

_POINTER_LIMIT = 8192


@dataclass(frozen=True)
class Layout:
    """The folders of one repository, absolute.

    Attributes:
        top: the folder that was named.
        git_dir: what holds `HEAD`; one of several when the repository has worktrees.
        common_dir: what holds `config`, shared by all worktrees.
    """

    top: Path
    git_dir: Path
    common_dir: Path

    @property
    def objects(self) -> Path:
        """The folder of all objects."""
        return self.common_dir / "objects"


def locate(path: Path) -> Layout:
    """Find the parts of a work tree, a worktree with a `.git` file, or a bare repository.

    Raises:
        GitError: there is no repository, or it may not be read.
    """
    top = path.absolute()
    try:
        git_dir = _git_dir(top)
        common = _pointer(git_dir / "commondir", "") if (git_dir / "commondir").is_file() else git_dir
        layout = Layout(top, git_dir, common)
        if not (git_dir / "HEAD").is_file() or not layout.objects.is_dir():
            raise GitError("not-a-repository", f"{path} is not a git repository")
        # Fails here, with a name, rather than in git as an object that is missing.
        next(layout.objects.iterdir(), None)
    except PermissionError as error:
        raise GitError("unreadable", f"{error.filename} may not be read") from None
    except OSError as error:
        raise GitError("not-a-repository", f"{path} is not a git repository: {error.strerror}") from None
    return layout


def _git_dir(top: Path) -> Path:
    if not top.is_dir():
        raise GitError("not-a-repository", f"{top} is not a folder")
    inside = top / ".git"
    if inside.is_file():
        return _pointer(inside, "gitdir: ")
    return inside if inside.is_dir() else top


def _pointer(file: Path, prefix: str) -> Path:
    """Read a file that holds the path of a folder, relative to the file's own folder."""
    with file.open("rb") as stream:
        data = stream.read(_POINTER_LIMIT + 1)
    lead = prefix.encode()
    if len(data) > _POINTER_LIMIT or not data.startswith(lead) or b"\0" in data:
        raise GitError("not-a-repository", f"{file} does not name a git folder")
    text = data[len(lead) :].rstrip(b"\r\n")
    return (file.parent / os.fsdecode(text)).resolve()
