"""Check the chain of events in a folder that `patchline audit pack` made. Needs Python 3.9 or newer, and nothing else.

    python3 check.py [CHECKPOINT.json ...]

Each event's digest covers the digest before, its number, and the digest of what happened (its body). Events that are
not part of the pack stand in it by the digest of their body alone. So the last digest, the head, follows from all of
them; give the checkpoints that you kept (status/checkpoint.json of the vendor's channel) to compare.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

EVENTS, CHECKPOINTS = "events.jsonl", "checkpoints.jsonl"


def check_chain(lines: Iterable[str], outside: Mapping[int, str]) -> tuple[int, str, int, list[tuple[int, int]]]:
    """Check events; return the number of the last one, its digest, how many could be read, and what restores lost.

    Args:
        lines: of `events.jsonl`, the first of which says after which event the pack begins.
        outside: digests by number of events, as kept outside.

    Raises:
        ValueError: an event was changed, dropped or added, or the chain is another one than the outside knows.
    """
    lines = iter(lines)
    start = json.loads(next(lines))
    count, head, read = start["first"] - 1, start["previous"], 0
    gaps: list[tuple[int, int]] = []
    _compare(outside, count, head)
    for line in lines:
        event = json.loads(line)
        body = event["body"].encode() if "body" in event else None
        if event["sequence"] != count + 1:
            told = _restored(event["sequence"], body, count, head)
            gaps.append((count + 1, told["count"]))
            count, head = told["count"], told["head"]
            _compare(outside, count, head)
        count += 1
        digest = event["sha256"] if body is None else hashlib.sha256(body).hexdigest()
        head = hashlib.sha256(f"{head}\n{count}\n{digest}".encode()).hexdigest()
        read += body is not None
        _compare(outside, count, head)
    if (count, head) != (start["count"], start["head"]):
        raise ValueError(f"the events end with {count} {head}, not {start['count']} {start['head']}")
    if max(outside, default=0) > count:
        raise ValueError(f"the outside knows of {max(outside)} events; the pack ends with {count}")
    return count, head, read, gaps


def _compare(outside: Mapping[int, str], count: int, head: str) -> None:
    if outside.get(count, head) != head:
        raise ValueError(f"event {count} is another one than the outside knows: {outside[count]}")


def _restored(sequence: int, body: bytes | None, count: int, head: str) -> Any:
    """Return where a restored register went on; the event says so itself, or events are missing."""
    facts = json.loads(body)["facts"] if body else {}
    told = facts.get("told", {})
    if facts.get("backup") != {"count": count, "head": head} or told.get("count") != sequence - 1:
        raise ValueError(f"event {count + 1} is missing; the next one is {sequence}")
    return told


def checkpoints(lines: Iterable[str]) -> dict[int, str]:
    """Return digests by number of events, from lines that are a checkpoint each."""
    return {found["count"]: found["head"] for found in map(json.loads, lines)}


def main(arguments: list[str]) -> int:
    """Check the folder in which this file lies; print what was found."""
    folder = Path(__file__).resolve().parent
    kept = checkpoints(Path(name).read_text(encoding="utf-8") for name in arguments)
    own = checkpoints((folder / CHECKPOINTS).read_text(encoding="utf-8").splitlines())
    with (folder / EVENTS).open(encoding="utf-8") as events:
        try:
            count, head, read, gaps = check_chain(events, {**own, **kept})
        except ValueError as error:
            print(f"WRONG: {error}")
            return 1
    print(f"{read} events can be read; the chain holds up to event {count}, head {head}")
    for first, last in gaps:
        print(f"events {first} to {last} were lost by a restore, which the event after them tells")
    print(f"{len(kept)} of your checkpoints were compared" if kept else "compared with no checkpoint of yours")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
