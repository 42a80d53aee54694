"""Trying a bundle out before anybody signs it: apply, check, roll back, compare, on every state it accepts.

- A sparse root holds the touched paths alone: once as the baseline has them, once as each earlier hotfix leaves them,
  and once without the optional ones.
- The site's own code does it (`rehearsal`), in a process of its own that knows the bundle and the roots, nothing else.
- No step, script or probe runs: the hotfix that is tried has none, nor relations to what is not there.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from patchline.patches.errors import BuildError
from patchline.patches.manifest import ABSENT, Absent, File, FileEntry, Folder, Link, Manifest, State
from patchline.patches.paths import parents
from patchline.patches.provenance import Simulation
from patchline.patches.site import rights
from patchline.releaser.earlier import Earlier
from patchline.releaser.home import home_folder

Place = tuple[str, str]
Contents = Callable[[str], Iterable[bytes]]
_PATIENCE = 24 * 3600


def simulate(bundle: Path, manifest: Manifest, earlier: Sequence[Earlier], contents: Contents) -> Simulation:
    """Try a bundle out.

    Args:
        bundle: its file.
        manifest: its manifest.
        earlier: the hotfixes it was built onto.
        contents: gives the content of accepted states before, by SHA-256.

    Raises:
        BuildError: a site would not have become, or not have come back to, what the manifest says.
    """
    runs = list(starting_points(manifest, earlier)) if manifest.files else []
    if runs:
        with _safe_folder(bundle.parent) as folder:
            for number, states in enumerate(runs):
                _make_roots(folder / str(number), states, contents)
            _run_apart(bundle, folder)
    return Simulation(len(runs), len(manifest.files))


def starting_points(manifest: Manifest, earlier: Sequence[Earlier]) -> Iterator[dict[Place, State]]:
    """Yield the states of all touched paths from which the hotfix must apply, each combination once."""
    first = {entry.place: entry.pre[0] for entry in manifest.files}
    seen = [first]
    yield first
    for item in earlier:
        states = {entry.place: _left_by(item, entry) for entry in manifest.files}
        if states not in seen:
            seen.append(states)
            yield states
    without: dict[Place, State] = {entry.place: ABSENT if entry.optional else entry.pre[0] for entry in manifest.files}
    if without not in seen:
        yield without


def _left_by(item: Earlier, entry: FileEntry) -> State:
    before = item.manifest.entries.get(entry.place)
    return before.post if before is not None and before.post in entry.pre else entry.pre[0]


@contextmanager
def _safe_folder(beside: Path) -> Iterator[Path]:
    """Make a folder in which the site's code agrees to work: nobody else may change what lies above it."""
    for folder in (beside, Path(tempfile.gettempdir()), home_folder()):
        if not os.access(folder, os.W_OK):
            continue
        with tempfile.TemporaryDirectory(prefix=".patchline-", dir=folder.resolve()) as name:
            if rights.open_above(Path(name)) is None:
                yield Path(name)
                return
    raise BuildError("simulation-place", f"{beside} and the folder for temporary files can be changed by others")


def _make_roots(folder: Path, states: Mapping[Place, State], contents: Contents) -> None:
    folder.mkdir(mode=0o700)
    for (root, path), wanted in sorted(states.items()):
        top = folder / root
        top.mkdir(mode=0o700, exist_ok=True)
        if not isinstance(wanted, Absent):
            _make(top, path, wanted, contents)


def _make(top: Path, path: str, wanted: State, contents: Contents) -> None:
    for above in reversed(parents(path)):
        (top / above).mkdir(mode=0o700, exist_ok=True)
    target = top / path
    if isinstance(wanted, Folder):
        target.mkdir(mode=0o700, exist_ok=True)
    elif isinstance(wanted, Link):
        target.symlink_to(wanted.target)
    elif isinstance(wanted, File):
        with target.open("xb") as file:
            file.writelines(contents(wanted.sha256))
        target.chmod(0o700 if wanted.executable else 0o600)


def _run_apart(bundle: Path, folder: Path) -> None:
    command = [sys.executable, "-I", "-m", "patchline.releaser.rehearsal", os.fspath(bundle.resolve()), str(folder)]
    done = subprocess.run(  # noqa: S603 (this very program)
        command, capture_output=True, text=True, check=False, timeout=_PATIENCE, cwd="/", stdin=subprocess.DEVNULL
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise BuildError("simulation", lines[-1] if lines else f"the simulation ended with {done.returncode}")
