"""Takes deliveries to the product's door, each in a process of its own, and tells what happened and what it cost.

Reads one JSON object a line: paths of `bundle`, `provenance`, `approvals` and `trust`, the time `now`, the folder
`staging` that it may write to, and the folder `root` that it stands in. Answers with one line: the error's `code` (null when all was staged), `kind` of a
foreign exception, `seconds` and `mib` (peak of memory). What is measured is verifying alone, since whoever made the
delivery did so elsewhere.
"""

import json
import os
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from patchline.patches import bundle
from patchline.patches.errors import PatchlineError
from patchline.patches.manifest import Member
from patchline.patches.trust import Trust
from patchline.patches.verify import Sidecars, verify


class Folder:
    """A store that keeps members as files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, member: Member, chunks: Iterable[bytes]) -> None:
        place = self.path / member.name
        place.parent.mkdir(exist_ok=True)
        with place.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)


def enter(order: dict[str, Any]) -> int | None:
    """Do what a site does with a delivery, up to a staged bundle; return the hours of an emergency."""
    with bundle.open_container(Path(order["bundle"])) as container:
        trust = Trust.parse(Path(order["trust"]).read_bytes())
        sidecars = Sidecars(Path(order["provenance"]).read_bytes(), Path(order["approvals"]).read_bytes())
        verified = verify(container.manifest, sidecars, trust, datetime.fromisoformat(order["now"]))
        bundle.stage(verified, container, Folder(Path(order["staging"])))
        return verified.emergency


def outcome(order: dict[str, Any]) -> dict[str, Any]:
    try:
        emergency = enter(order)
    except PatchlineError as error:
        return {"code": error.code, "kind": None, "message": error.message, "hint": error.hint}
    except BaseException as error:  # noqa: BLE001  whatever it is, it is the finding
        return {"code": None, "kind": f"{type(error).__name__}: {error}"}
    return {"code": None, "kind": None, "emergency": emergency}


def measured(order: dict[str, Any]) -> dict[str, Any]:
    """Return the outcome of a child process and what it cost."""
    reading, writing = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.chdir(order["root"])
        os.write(writing, json.dumps(outcome(order)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, _, usage = os.wait4(child, 0)
    cost = {"seconds": time.monotonic() - started, "mib": usage.ru_maxrss / 1024}
    return {**json.loads(answer or b'{"kind": "died"}'), **cost}


def main() -> None:
    if "--pure" in sys.argv:
        sys.modules["cryptography"] = None  # type: ignore[assignment]
        sys.modules["zlib_ng"] = None  # type: ignore[assignment]
    for line in sys.stdin:
        print(json.dumps(measured(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
