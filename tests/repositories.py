"""Real git repositories for tests, made through `git fast-import` so that every name and mode can be had."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_COMMITTER_NAME": "Committer",
    "GIT_COMMITTER_EMAIL": "committer@example.com",
    "GIT_AUTHOR_NAME": "Author",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_COMMITTER_DATE": "1700000000 +0000",
    "GIT_AUTHOR_DATE": "1700000000 +0000",
}


class Executable(bytes):
    """Content of an executable file."""


class LinkTo(bytes):
    """Target of a symbolic link."""


class Submodule(bytes):
    """Commit id of a submodule."""


Content = bytes | None


def run_git(*arguments: str | os.PathLike[str], cwd: Path | None = None, given: bytes | None = None) -> bytes:
    return subprocess.run(
        ["git", *arguments], cwd=cwd, input=given, env=ENVIRONMENT, check=True, capture_output=True
    ).stdout


class Repository:
    def __init__(self, path: Path, *, bare: bool = False, algorithm: str = "sha1") -> None:
        self.path = path
        options = ["--bare"] if bare else []
        run_git("init", "-q", "-b", "main", f"--object-format={algorithm}", *options, path)
        self._commits = 0

    def git(self, *arguments: str) -> str:
        return run_git(*arguments, cwd=self.path).decode().strip()

    def commit(
        self,
        files: Mapping[str | bytes, Content],
        message: str = "change",
        *,
        tag: str | None = None,
        author: str = "author@example.com",
        branch: str = "main",
        parent: str | None = None,
        fresh: bool = False,
    ) -> str:
        """Commit on a branch and return the id; `None` deletes, `fresh` starts a history of its own."""
        self._commits += 1
        when = 1_700_000_000 + self._commits * 60
        text = message.encode()
        lines = [
            f"commit refs/heads/{branch}\n".encode(),
            f"author A <{author}> {when} +0000\ncommitter C <committer@example.com> {when} +0000\n".encode(),
            b"data %d\n%s\n" % (len(text), text),
        ]
        known = subprocess.run(
            ["git", "rev-parse", "-q", "--verify", f"refs/heads/{branch}"],
            cwd=self.path,
            env=ENVIRONMENT,
            capture_output=True,
            check=False,
        ).stdout.strip()
        start = parent.encode() if parent else known
        if start and not fresh:
            lines.append(b"from %s\n" % start)
        lines += [_change(name if isinstance(name, bytes) else name.encode(), files[name]) for name in files]
        run_git("fast-import", "--quiet", "--force", "--date-format=raw", cwd=self.path, given=b"".join(lines))
        oid = self.git("rev-parse", f"refs/heads/{branch}")
        if tag:
            self.git("tag", "-f", tag, oid)
        return oid


def _change(name: bytes, content: Content) -> bytes:
    path = b'"' + b"".join(b"\\%03o" % byte for byte in name) + b'"'
    if content is None:
        return b"D %s\n" % path
    if isinstance(content, Submodule):
        return b"M 160000 %s %s\n" % (content, path)
    mode = b"100755" if isinstance(content, Executable) else b"120000" if isinstance(content, LinkTo) else b"100644"
    return b"M %s inline %s\ndata %d\n%s\n" % (mode, path, len(content), content)
