"""A person at a machine of their own: a home, a key folder, and the real programs, run as processes.

Nothing of whoever runs this reaches a person but the search path: no settings, no keys, no home.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from patchline.patches.errors import TrialError
from patchline.releaser.narration import Narrator

_PROGRAMS = {
    "patchline": "patchline.releaser.commands.main",
    "patchline-site": "patchline.patches.site.commands",
}
_INHERITED = ("PATH", "LANG", "LC_ALL", "TERM", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_ALL = 100
_SLICE = 0.0005
"""Seconds a process runs before it is looked at again."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The message after `error:`, else the last line."""
        lines = (self.err or self.out).strip().splitlines()
        return next((line[7:] for line in lines if line.startswith("error: ")), lines[-1] if lines else "")

    @property
    def hint(self) -> str | None:
        """The text after `hint:`."""
        return next((line[6:] for line in self.err.splitlines() if line.startswith("hint: ")), None)


@dataclass(frozen=True)
class Person:
    """Somebody with a machine of their own.

    Attributes:
        home: made when it is not there; commands run in it.
        stage: the folder that all persons' homes lie in; paths below it are typed relative to the home.
        settings: what this person's environment has besides.
    """

    name: str
    home: Path
    stage: Path
    narrator: Narrator
    settings: Mapping[str, str] = field(default_factory=dict)
    passphrase: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def __post_init__(self) -> None:
        """Make the home."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)

    def run(self, *line: str | Path, lines: int = 3, expect: int | None = 0, into: Path | None = None) -> Outcome:
        """Run a command, and tell it.

        Args:
            line: program and arguments; a path below the stage is typed relative to this person's home.
            lines: how many lines of what it prints are shown; the last ones for a negative number.
            expect: the exit code it must end with; None when any will do.
            into: a file that gets its output, by the shell's `>`.

        Raises:
            TrialError: it ended with another exit code.
        """
        words = self._words(line)
        self.narrator.command(self.name, words, f"> {self.typed(into)}" if into else None)
        began = time.monotonic()
        outcome = self._outcome(self._start(words))
        self.narrator.ended(self.name, words, outcome.code, time.monotonic() - began)
        if into is not None and outcome.code == 0:
            into.write_text(outcome.out)
        shown = outcome.err if into or outcome.code else outcome.err + outcome.out
        as_expected = expect is None or outcome.code == expect
        self.narrator.answer(shown, lines if as_expected else _ALL)
        if not as_expected:
            what = f"`{' '.join(words[:3])}` of {self.name} ended with {outcome.code}: {outcome.error}"
            raise TrialError("command", what, exit_code=outcome.code or None, hint=outcome.hint)
        return outcome

    def kill_half_way(self, *line: str | Path, half_way: Callable[[], bool]) -> bool:
        """Run a command in small slices and kill it (SIGKILL) at the first one after which it is half-way.

        Args:
            line: program and arguments.
            half_way: looks, while the process stands still.

        Returns:
            Whether it was killed; False when it ended first.
        """
        words = self._words(line)
        began = time.monotonic()
        process = self._start(words)
        killed = _killed(process, half_way)
        outcome = self._outcome(process)
        self.narrator.ended(self.name, words, outcome.code, time.monotonic() - began)
        if killed:
            self.narrator.command(self.name, words)
            self.narrator.answer("Killed", 1)
        return killed

    def _words(self, line: tuple[str | Path, ...]) -> list[str]:
        return [self.typed(word) if isinstance(word, Path) else word for word in line]

    def typed(self, path: Path) -> str:
        """Return a path as this person types it: below the stage relative to their home."""
        return os.path.relpath(path, self.home) if path.is_relative_to(self.stage) else os.fspath(path)

    def _start(self, words: list[str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(  # noqa: S603 (the programs of this product, and what the story names)
            [*_program(words[0]), *words[1:]],
            cwd=self.home,
            env=self._environment(words[0]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )

    def _environment(self, program: str) -> dict[str, str]:
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment.update(HOME=os.fspath(self.home), NO_COLOR="1", **self.settings)
        if program == "patchline":
            environment["PATCHLINE_PASSPHRASE"] = self.passphrase
        return environment

    @staticmethod
    def _outcome(process: "subprocess.Popen[str]") -> Outcome:
        try:
            out, err = process.communicate()
        except BaseException:
            process.kill()
            process.wait()
            raise
        return Outcome(process.returncode, out, err)


def _program(name: str) -> list[str]:
    """Return how to start a program: ours, and `python`, with the Python that runs this; others by the search path."""
    if name == "python":
        return [sys.executable]
    module = _PROGRAMS.get(name)
    if module is None:
        return [name]
    return [sys.executable, "-P", "-c", f"import sys; from {module} import main; sys.exit(main())"]


def _killed(process: "subprocess.Popen[str]", half_way: Callable[[], bool]) -> bool:
    while True:
        time.sleep(_SLICE)
        process.send_signal(signal.SIGSTOP)
        if not _stands_still(process):
            return False
        if half_way():
            process.kill()
            return True
        process.send_signal(signal.SIGCONT)


def _stands_still(process: "subprocess.Popen[str]") -> bool:
    """Wait until a process that was told to stop has done so; False when it ended instead."""
    if process.poll() is not None:
        return False
    found = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    if found is None or found.si_code != os.CLD_STOPPED:
        return False
    # Looked at without being taken, or an exit would be lost on `process`; a stop is taken now.
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG)
    return True
