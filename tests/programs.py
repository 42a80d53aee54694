"""Run the two programs as a person would, in this process (fast) or in one of their own (real)."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from patchline.patches import terminal
from patchline.patches.site.commands import patchline_site
from patchline.releaser.commands.main import patchline

PROGRAMS = {"patchline": patchline, "patchline-site": patchline_site}
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Outcome:
    """What a program printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What `--json` printed."""
        return json.loads(self.out)


def run(
    program: str,
    *arguments: object,
    expect: int = 0,
    passphrase: str | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a program in this process and insist on its exit code; stdin is empty and no terminal."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    changed = dict(environment or {})
    if passphrase is not None:
        changed["PATCHLINE_PASSPHRASE"] = passphrase
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, changed))
        stack.enter_context(patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO())))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        if cwd is not None:
            stack.callback(os.chdir, Path.cwd())
            os.chdir(cwd)
        code = terminal.run(PROGRAMS[program], [os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments])
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    return _insist(Outcome(code, *texts), expect, [program, *arguments])


def process(
    program: str,
    *arguments: object,
    expect: int = 0,
    passphrase: str | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float = 120,
) -> Outcome:
    """Run a program as a process of its own and insist on its exit code (minus the signal when one killed it)."""
    changed = {**os.environ, **(environment or {})}
    if passphrase is not None:
        changed["PATCHLINE_PASSPHRASE"] = passphrase
    line = [BIN / program, *(str(argument) for argument in arguments)]
    done = subprocess.run(line, check=False, input=stdin, capture_output=True, cwd=cwd, env=changed, timeout=timeout)
    outcome = Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
    return _insist(outcome, expect, [program, *arguments])


def _insist(outcome: Outcome, expect: int, line: list[object]) -> Outcome:
    shown = " ".join(str(word) for word in line)
    assert outcome.code == expect, f"{shown}\nended with {outcome.code}\n{outcome.out}\n{outcome.err}"
    return outcome


KILLED = -signal.SIGKILL
