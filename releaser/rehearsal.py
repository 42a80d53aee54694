"""The process in which a bundle is tried out: `python -m patchline.releaser.rehearsal BUNDLE FOLDER`.

The folder holds one numbered folder for each run, with a folder for each root. The site's own code applies and rolls
back; what lies in the roots is compared before, between and after. No step runs: the hotfix that is tried has none.
"""

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from patchline.patches import documents
from patchline.patches.bundle import open_container
from patchline.patches.errors import BuildError, PatchlineError
from patchline.patches.files import os_failure
from patchline.patches.manifest import ABSENT, Absent, File, Folder, Link, Manifest, State
from patchline.patches.paths import OWN_FOLDER
from patchline.patches.site import creating, state
from patchline.patches.site.area import Area
from patchline.patches.site.disk import Disk
from patchline.patches.site.installation import Installation
from patchline.patches.site.plan import plan_apply, plan_rollback
from patchline.patches.site.staging import SiteStore, Stamps
from patchline.patches.site.survey import Survey
from patchline.patches.situation import Choices

Snapshot = dict[str, tuple[str, str, bool]]
"""Of each path: its kind, its target or digest, and whether it is executable."""

_PLATFORM = "linux"
_RELATIONS = ("conflicts", "includes", "merges", "requires", "supersedes")


class _Fast(Disk):
    """A disk that need not outlive a power cut."""

    parallel = 1

    def _sync_file(self, area: Area, path: str) -> None:
        """Do nothing."""

    def _sync_folder(self, area: Area, path: str) -> None:
        """Do nothing."""


def try_out(bundle: Path, folder: Path, now: datetime) -> None:
    """Apply to and roll back from every numbered folder of roots.

    Raises:
        PatchlineError: the result is not what the manifest says, or the site refuses.
    """
    for run in sorted(folder.iterdir(), key=lambda path: int(path.name)):
        roots = {path.name: path for path in sorted(run.iterdir())}
        _try_roots(bundle, run.with_name(f"{run.name}.state"), roots, now)


def _try_roots(bundle: Path, folder: Path, roots: Mapping[str, Path], now: datetime) -> None:
    before = {name: snapshot(path) for name, path in roots.items()}
    with open_container(bundle) as container:
        whole = Manifest.parse(container.manifest)
        tried = stripped(whole)
        new = creating.NewSite(tried.target.product, tried.target.baselines[0], dict(roots), (), b"{}", None)
        disk = _Fast()
        creating.create(new, folder, disk, now)
        with state.opened(next(iter(roots.values())), folder, disk) as site, state.locked(site, now):
            staged: Stamps = {}
            container.read_payload(whole, SiteStore(site, tried, staged))
            installation = Installation(site, now)
            survey = Survey(site, installation.ledger, now)
            plan = plan_apply(survey, [tried], Choices(), root_steps=False)
            installation.execute(plan, survey, {}, staged)
            _check_applied(tried, before, {name: snapshot(path) for name, path in roots.items()})
            survey = Survey(site, installation.ledger, now)
            keys = [(layer.transaction, layer.number) for layer in installation.ledger.active]
            plan = plan_rollback(survey, keys, root_steps=False, accept_irreversible=True)
            installation.execute(plan, survey, {})
    for name, path in roots.items():
        _require_same(name, before[name], snapshot(path), "after rolling back")


def stripped(manifest: Manifest) -> Manifest:
    """Return the same changes of files without anything that runs or that depends on other hotfixes."""
    document: dict[str, Any] = documents.decode(manifest.data, what="manifest")
    for key in ("steps", "scripts", "checks"):
        document[key] = []
    document.pop("expires", None)
    document["relations"] = {key: [] for key in _RELATIONS}
    document["target"] = {**document["target"], "platforms": [_PLATFORM], "requires_products": []}
    return Manifest.from_document({**document, "kind": "one-off", "guidance": ["none"]})


def snapshot(root: Path) -> Snapshot:
    """Return everything that lies in a root but the applier's own folder."""
    found: Snapshot = {}
    area = Area(root)
    try:
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            for name in area.names(folder):
                path = f"{folder}/{name}" if folder else name
                if path != OWN_FOLDER:
                    found[path] = _told(area.look(path).state)
                    waiting += [path] if found[path][0] == "folder" else []
    finally:
        area.close()
    return found


def _told(there: State | object) -> tuple[str, str, bool]:
    if isinstance(there, File):
        return "file", there.sha256, there.executable
    if isinstance(there, Link):
        return "link", there.target, False
    return ("folder", "", False) if isinstance(there, Folder) else ("other", "", False)


def _check_applied(manifest: Manifest, before: Mapping[str, Snapshot], after: Mapping[str, Snapshot]) -> None:
    """Hold the roots against what the manifest says of each path, and nothing else may have changed."""
    for name, earlier in before.items():
        expected = {path: told for path, told in earlier.items() if told[0] != "folder"}
        for entry in manifest.files:
            if entry.root != name or (entry.optional and entry.path not in earlier and entry.pre[0] != ABSENT):
                continue
            expected.pop(entry.path, None)
            if not isinstance(entry.post, Absent):
                expected[entry.path] = _told(entry.post)
        found = {path: told for path, told in after[name].items() if told[0] != "folder" or path in expected}
        _require_same(name, expected, found, "after applying")


def _require_same(root: str, expected: Snapshot, found: Snapshot, when: str) -> None:
    wrong = sorted(path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path))
    if wrong:
        raise BuildError("simulation", f"{when}, {root}/{wrong[0]} and {len(wrong) - 1} more are not as they should be")


def main() -> int:
    """Run as a process of its own: bundle, folder of roots."""
    os.umask(0o077)
    try:
        try_out(Path(sys.argv[1]), Path(sys.argv[2]), datetime.now(UTC))
    except PatchlineError as error:
        sys.stderr.write(f"{error.message} ({error.code})\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"{os_failure(error).message}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
