"""Writes the committed vectors: `python -m tests.vectors.generate [FOLDER]`.

Each vector is a folder with `expect.json`: the expected error `code` (null: verified and staged), the hours of an
`emergency`, the time `now`, and where its four files lie. A file that another vector has already is named there instead
of being repeated.
"""

import json
import shutil
import sys
from pathlib import Path

from tests.vectors import archives, manifests, signatures, urgent  # noqa: F401  they register their cases
from tests.vectors.cases import Case, committed

DATA = Path(__file__).parent / "data"
FILES = {
    "bundle": "bundle.hotfix",
    "provenance": "bundle.hotfix.provenance.jsonl",
    "approvals": "bundle.hotfix.approvals.jsonl",
    "trust": "trust.json",
}


def write_case(case: Case, data: Path, written: dict[tuple[str, bytes], Path]) -> None:
    """Write one vector; what another one has written already is only named."""
    delivery, folder = case.make(), data / case.name
    folder.mkdir()
    expected: dict[str, str | int | None] = {"code": case.code}
    if case.emergency is not None:
        expected["emergency"] = case.emergency
    expected["now"] = delivery.now
    for part, name in FILES.items():
        content = getattr(delivery, part)
        place = written.setdefault((part, content), folder / name)
        if place == folder / name:
            place.write_bytes(content)
        expected[part] = name if place == folder / name else f"../{place.parent.name}/{name}"
    (folder / "expect.json").write_text(json.dumps(expected, indent=1) + "\n")


def write(data: Path) -> None:
    """Write every committed vector into an empty folder."""
    written: dict[tuple[str, bytes], Path] = {}
    for case in sorted(committed(), key=lambda case: (case.name != "good", not case.exact)):
        write_case(case, data, written)


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    write(data)


if __name__ == "__main__":
    main()
