"""Writes the committed vectors: `python -m tests.vectors.generate [FOLDER]`.

Each vector is a folder with `expect.json`: the expected error `code` (null: verified and staged), the time `now`, and
where its four files lie. A file that is the good release's own is named there instead of being repeated.
"""

import json
import shutil
import sys
from pathlib import Path

from tests.vectors import archives, manifests, signatures  # noqa: F401  they register their cases
from tests.vectors.cases import CASES, Case, Delivery, committed

DATA = Path(__file__).parent / "data"
FILES = {
    "bundle": "bundle.hotfix",
    "provenance": "bundle.hotfix.provenance.jsonl",
    "approvals": "bundle.hotfix.approvals.jsonl",
    "trust": "trust.json",
}


def expectation(case: Case, delivery: Delivery, good: Delivery) -> dict[str, str | None]:
    """Return the content of `expect.json`."""
    expected: dict[str, str | None] = {"code": case.code, "now": delivery.now}
    for part, name in FILES.items():
        shared = case.name != "good" and getattr(delivery, part) == getattr(good, part)
        expected[part] = f"../good/{name}" if shared else name
    return expected


def write_case(case: Case, folder: Path, good: Delivery) -> None:
    delivery = case.make()
    expected = expectation(case, delivery, good)
    folder.mkdir()
    for part, name in FILES.items():
        if expected[part] == name:
            (folder / name).write_bytes(getattr(delivery, part))
    (folder / "expect.json").write_text(json.dumps(expected, indent=1) + "\n")


def write(data: Path) -> None:
    """Write every committed vector into an empty folder."""
    good = CASES["good"].make()
    for case in committed():
        write_case(case, data / case.name, good)


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    write(data)


if __name__ == "__main__":
    main()
