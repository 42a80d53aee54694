"""What the doctor looks for on the machine: what is served, free space, and programs that are called."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from patchline.patches.errors import PatchlineError
from patchline.patches.wording import readable_size
from patchline.releaser.doctor_keys import Finding
from patchline.releaser.git_store import check_git
from patchline.releaser.register import Register

_FREE = 1 << 30


def served(register: Register) -> Iterator[Finding]:
    """Yield what lies where everybody is served, and is not meant for everybody."""
    public = None if "://" in register.channel else Path(register.channel).resolve()
    inside = [
        ("the home", register.home),
        *([("bundles", Path(register.bundles))] if "://" not in register.bundles else []),
    ]
    for what, path in inside:
        if public is not None and path.resolve().is_relative_to(public):
            yield Finding(
                "served", f"{what} lies in {public}, which is served to everybody", "Publish to a folder of its own."
            )


def space(register: Register) -> Iterator[Finding]:
    """Yield the places that are nearly full."""
    named = [str(register.home), *(place for place in (register.bundles, register.channel) if "://" not in place)]
    seen = set()
    for path in (Path(place) for place in named):
        if not path.exists() or path.stat().st_dev in seen:
            continue
        seen.add(path.stat().st_dev)
        free = shutil.disk_usage(path).free
        if free < _FREE:
            yield Finding("space", f"{path} has only {readable_size(free)} left", "Free some space.")


def programs() -> Iterator[Finding]:
    """Yield the programs that are missing, or too old."""
    try:
        check_git()
    except PatchlineError as error:
        yield Finding("git", error.message, error.hint)
    if shutil.which("openssl") is None:
        what = "openssl is not installed, so nobody here can try what customers check with it"
        yield Finding("openssl", what, "Install openssl.")
