"""Run a command of one of the programs, or a work of `_WORK`, in this process and say what it took apart from Python's own start.

`python -m bench.inside FIGURES PROGRAM ARGUMENT...` writes a JSON document to FIGURES: CPU seconds (children
included) and wall of the command, and the same of the parts that are printed apart.
"""

import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from patchline.patches import terminal

_WORK = {
    "hash-file": "work",
    "hash-members": "archive_work",
    "change-often": "work",
    "read-changes": "reading",
    "gitpython-changes": "peers",
    "channel-publish": "channel_work",
    "channel-refresh": "channel_work",
    "kit-make": "kit_work",
    "kit-take": "kit_work",
    "audit-hash": "register_work",
    "audit-verify": "register_work",
    "simulate-levels": "levels_work",
    "tuf-publish": "channel_work",
    "tuf-refresh": "channel_work",
}
"""The module of this folder in whose `WORK` each work stands: only that one is loaded, as its imports are paid too."""
_PROGRAMS = {
    "patchline": ("patchline.releaser.commands.main", "patchline"),
    "patchline-site": ("patchline.patches.site.commands", "patchline_site"),
}
_LOADED = {
    "bundle": ["patchline.releaser.commands.bundle_build"],
    "baseline": ["patchline.releaser.commands.baseline"],
    "hotfix": ["patchline.releaser.commands.hotfix_many"],
    "patchline-site": ["patchline.patches.site.command_change", "patchline.patches.site.command_look"],
}
_APART = {
    "patchline": {
        "scan": ("patchline.releaser.building", "_search"),
        "simulation": ("patchline.releaser.building", "simulate"),
    },
    "patchline-site": {},
}


def cpu() -> float:
    """Return the CPU seconds of this process and of the children it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Watch:
    """Adds up what some work takes."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the work, watched."""

        def watched(*arguments: Any, **named: Any) -> Any:
            before, started = cpu(), time.perf_counter()
            try:
                return work(*arguments, **named)
            finally:
                self.cpu += cpu() - before
                self.wall += time.perf_counter() - started

        return watched

    def figures(self) -> dict[str, float]:
        """Return what was added up."""
        return {"cpu": self.cpu, "wall": self.wall}


def main(figures: str, program: str, *arguments: str) -> int:
    """Run the command or the work; return its exit code."""
    whole, code = Watch(), 0
    apart: dict[str, Watch] = {}
    if program in _WORK:
        work = importlib.import_module(f"bench.{_WORK[program]}").WORK[program]
        terminal.collect_seldom()  # As the programs do.
        whole.around(work)(*arguments)
    else:
        command = _loaded(program, arguments[0], apart)
        code = int(whole.around(terminal.run)(command, list(arguments)))
    parts = {part: watch.figures() for part, watch in apart.items()}
    own = own_peak()
    peak = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    Path(figures).write_text(json.dumps({**whole.figures(), "own": own, "peak": peak, "parts": parts}))
    return code


def own_peak() -> float:
    """Return the most memory this program had, in MiB; `ru_maxrss` would count the process it was forked from too."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) / 1024


def _loaded(program: str, noun: str, apart: dict[str, Watch]) -> Any:
    """Import a program with the commands that are measured; put watches around what is printed apart."""
    module, name = _PROGRAMS[program]
    command = getattr(importlib.import_module(module), name)
    for needed in _LOADED.get(noun, _LOADED.get(program, [])):
        importlib.import_module(needed)
    for part, (module, name) in _APART[program].items():
        apart[part] = Watch()
        owner = importlib.import_module(module)
        setattr(owner, name, apart[part].around(getattr(owner, name)))
    return command


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
