"""Running the scripts of a hotfix: stop, start, health and symptom steps.

- Only scripts of an approved payload run, by an interpreter of a fixed list, with a clean environment, the working
  folder `/`, no input, a time limit, and no more rights than the applier has.
- Their output is kept short and printed nowhere but to the person at the site.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import IO

from patchline.patches import documents
from patchline.patches.errors import InstallationError
from patchline.patches.manifest import Step
from patchline.patches.site.state import Site
from patchline.patches.stopping import STOPPING

_OUTPUT = 8192
_PR_SET_PDEATHSIG = 1
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class StepResult:
    """How a step ended: its exit status, None when its time was over, and the end of what it wrote."""

    status: int | None
    output: str

    @property
    def ok(self) -> bool:
        """Tell whether the step ended with 0."""
        return self.status == 0

    def __str__(self) -> str:
        ended = "ran out of time" if self.status is None else f"ended with {self.status}"
        return f"{ended}: {self.output}" if self.output else ended


def read_script(site: Site, step: Step) -> bytes:
    """Return the stored script of a step.

    Raises:
        InstallationError: it is missing or was changed.
    """
    data = site.read_document(f"scripts/{step.script}")
    if data is None or documents.digest(data) != step.script:
        raise InstallationError("edited", f"the script of step {step.id} is missing or was changed")
    return data


def run_step(site: Site, step: Step, operation: str) -> StepResult:
    """Run one step to its end or its time limit.

    Raises:
        InstallationError: its script is missing or was changed, or it cannot be started.
    """
    read_script(site, step)
    command = [step.interpreter, str(site.state.path / "scripts" / step.script), *step.args]
    try:
        # Not a pipe: what a start step leaves running may keep it open, and would die of its end.
        with tempfile.TemporaryFile(dir=site.state.path) as output:
            status = _run(command, _environment(site, step, operation), output, step.timeout_s)
            output.seek(max(0, output.seek(0, os.SEEK_END) - _OUTPUT))
            return StepResult(status, output.read().decode("utf-8", "replace").strip())
    except OSError as error:
        raise InstallationError("step", f"step {step.id} cannot be run: {error.strerror}") from None


def _run(command: list[str], environment: dict[str, str], output: IO[bytes], timeout: int) -> int | None:
    """Return the exit status; None when the time was over. Whatever ends the wait ends the step's process group."""
    # No signal may come while the process is made: it would be lost in what Python does at a fork, or lose the process.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        process = subprocess.Popen(  # noqa: S603 - an approved script, a fixed interpreter, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=environment,
            start_new_session=True,
            preexec_fn=partial(_be_child, before),  # noqa: PLW1509 - no thread runs while a step is started
        )
    except BaseException:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _be_child(mask: set[int | signal.Signals]) -> None:
    """Let no step of a killed applier run on beside the recovery; what it started for itself lives."""
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _environment(site: Site, step: Step, operation: str) -> dict[str, str]:
    roots = {f"PATCHLINE_ROOT_{name.upper().replace('-', '_')}": str(area.path) for name, area in site.roots.items()}
    return {
        "PATH": _PATH,
        "LC_ALL": "C.UTF-8",
        "HOME": "/",
        "PATCHLINE_OPERATION": operation,
        "PATCHLINE_PHASE": step.phase,
        "PATCHLINE_PRODUCT": site.product,
        "PATCHLINE_BASELINE": site.baseline,
        **roots,
    }
