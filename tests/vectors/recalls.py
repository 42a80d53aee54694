"""Vectors of recall lists: `tests/vectors/recalls` holds one file for each. Shares no code with the product.

Each file is canonical JSON but for a line feed at its end:

    code        the code with which `list` MUST be refused; null when it MUST be taken
    known       the list that the site took before, or null; it is good
    list        the list that is handed to the site
    policy      the policy's payload as an object, instead of that in `trust.json`; left out where it is that one
    state       where it is taken: what is said of `manifest.json`, `free`, `held` or `recalled`; of a recall also its
                `reason` and the `replacement`
"""

import sys
from pathlib import Path
from typing import Any

from tests.vectors import keys, material, release
from tests.vectors.keys import Key
from tests.vectors.material import canonical, sha256
from tests.vectors.release import envelope, statement

DATA = Path(__file__).parent / "recalls"
MANIFEST = canonical(material.document())
NEWER = canonical(material.document(revision=2))
Document = dict[str, Any]
VECTORS: dict[str, Document] = {}


def revision(of: bytes = MANIFEST, number: int = 1) -> Document:
    return {"hotfix": "HF-2026-0001", "revision": number, "manifest": sha256(of)}


def recall(of: bytes = MANIFEST, **changes: Any) -> bytes:
    """Return the bytes that all who recall sign."""
    predicate = {
        "product": "demo",
        "hotfix": "HF-2026-0001",
        "revision": 1,
        "reason": "loses orders",
        "replacement": None,
        "void": False,
        "time": "2026-05-02T10:00:00Z",
        **changes,
    }
    return canonical(statement({"manifest.json": sha256(of)}, "urn:patchline:recall:v1", predicate))


def reinstatement(*recalls: bytes, **changes: Any) -> bytes:
    predicate = {
        "product": "demo",
        "hotfix": "HF-2026-0001",
        "revision": 1,
        "reason": "was a mistake",
        "recalls": sorted(sha256(one) for one in recalls),
        "time": "2026-05-03T10:00:00Z",
        **changes,
    }
    return canonical(statement({"manifest.json": sha256(MANIFEST)}, "urn:patchline:reinstatement:v1", predicate))


def signed(payload: bytes, *by: Key) -> list[Document]:
    """Return one envelope for each signer."""
    return [envelope(payload, [key]) for key in by]


def entry(*statements: Document, of: bytes = MANIFEST, number: int = 1, back: list[Document] | None = None) -> Document:
    return {**revision(of, number), "statements": list(statements), "reinstated": back or []}


def listed(*recalled: Document, number: int = 2, **changes: Any) -> Document:
    base = {"format": 1, "product": "demo", "number": number, "issued": "2026-05-04T10:00:00Z", "held": []}
    ordered = sorted(recalled, key=lambda one: one["manifest"])
    return {**base, "recalled": ordered, **changes}


def vector(
    name: str,
    code: str | None,
    given: Document,
    state: str | None = None,
    *,
    known: Document | None = None,
    policy: Document | None = None,
    **more: Any,
) -> None:
    made: Document = {"code": code, "known": known, "list": given}
    if state is not None:
        made["state"] = {"is": state, **more}
    if policy is not None:
        made["policy"] = policy
    VECTORS[name] = made


BOTH = (keys.BOB, keys.CAROL)
RECALL = recall()
ENTRY = entry(*signed(RECALL, *BOTH))
WHY = {"reason": "loses orders", "replacement": None}
REPLACED = recall(replacement=revision(NEWER, 2))
HELD = [{**revision(), "reason": "being looked at"}]
BACK = reinstatement(RECALL)


def taken_back(*by: Key, payload: bytes = BACK) -> Document:
    return entry(*signed(RECALL, *BOTH), back=signed(payload, *by))


vector("empty", None, listed(), "free")
vector("held", None, listed(held=HELD), "held")
vector("held-no-more", None, listed(), "free", known=listed(number=1, held=HELD))
vector("recalled", None, listed(ENTRY), "recalled", **WHY)
vector("by-author-and-builder", None, listed(entry(*signed(RECALL, keys.ADA, keys.KIM_APPROVER))), "recalled", **WHY)
vector("replaced", None, listed(entry(*signed(REPLACED, *BOTH))), "recalled",
       reason="loses orders", replacement=revision(NEWER, 2))  # fmt: skip
RECALLED_REPLACEMENT = recall(NEWER, revision=2)
vector("replacement-recalled", None, listed(entry(*signed(REPLACED, *BOTH)),
       entry(*signed(RECALLED_REPLACEMENT, *BOTH), of=NEWER, number=2)), "recalled", **WHY)  # fmt: skip
vector("by-one", None, listed(entry(*signed(RECALL, keys.BOB))), "held")
vector("by-one-person-with-two-keys", None, listed(entry(*signed(RECALL, keys.BOB, keys.BOB_SECOND))), "held")
vector("by-builder-key", None, listed(entry(*signed(RECALL, keys.BOB, keys.BUILDER))), "held")
vector("by-unknown-keys", None, listed(entry(*signed(RECALL, keys.STRANGER, keys.ROOTS[0]))), "held")
OTHER = recall(reason="is ugly")
vector("by-two-for-two-reasons", None,
       listed(entry(*signed(RECALL, keys.BOB), *signed(OTHER, keys.CAROL))), "held")  # fmt: skip
REVOKED = release.with_key("carol", 0, status="revoked")
vector("by-revoked-key", None, listed(ENTRY), "held", policy=REVOKED)
vector("by-retired-key", None, listed(ENTRY), "held",
       policy=release.with_key("carol", 0, status={"retired": [sha256(MANIFEST)]}))  # fmt: skip
vector("never-proven-may-go", None, listed(), "free", known=listed(entry(*signed(RECALL, keys.BOB)), number=1))
vector("of-the-policy", None, listed(), "recalled", policy=release.policy_document(recalls=[sha256(MANIFEST)]),
       reason="by policy 1", replacement=None)  # fmt: skip

vector("reinstated", None, listed(taken_back(*BOTH)), "free")
vector("reinstated-after", None, listed(taken_back(*BOTH)), "free", known=listed(ENTRY, number=1))
vector("reinstated-by-one", None, listed(taken_back(keys.BOB)), "recalled", **WHY)
vector("reinstated-by-author", None, listed(taken_back(keys.BOB, keys.ADA)), "recalled", **WHY)
vector("reinstated-by-builder", None, listed(taken_back(keys.BOB, keys.KIM_APPROVER)), "recalled", **WHY)
vector("reinstated-something-else", None,
       listed(taken_back(*BOTH, payload=reinstatement(OTHER))), "recalled", **WHY)  # fmt: skip
AGAIN = recall(time="2026-05-09T10:00:00Z")
vector("recalled-again", None, listed(entry(*signed(RECALL, *BOTH), *signed(AGAIN, *BOTH), back=signed(BACK, *BOTH))),
       "recalled", **WHY)  # fmt: skip

vector("older", "recalls.older", listed(number=1), known=listed(number=3))
vector("fork", "recalls.fork", listed(held=HELD), known=listed())
vector("number-too-far", "recalls.number", listed(number=1_000_003), known=listed())
vector("number-too-high-to-begin", "recalls.number", listed(number=2**50 + 1))
vector("lost", "recalls.lost", listed(), known=listed(ENTRY, number=1))
vector("exchanged", "recalls.lost", listed(entry(*signed(OTHER, *BOTH))), known=listed(ENTRY, number=1))
vector("other-product", "recalls.product", listed(product="other"))
vector("format-2", "recalls.format", listed(format=2))
vector("not-sorted", "recalls.unsorted", listed(held=HELD * 2))
vector("no-statement", "recalls.unsigned", listed(entry()))
vector("two-signatures", "recalls.several-signatures", listed(entry(envelope(RECALL, BOTH))))
vector("no-time", "recalls.value", listed(issued="2026-02-30T00:00:00Z"))
vector("forged", "signature.mismatch",
       listed(entry({**ENTRY["statements"][0], "payload": signed(OTHER, keys.BOB)[0]["payload"]})))  # fmt: skip
vector("about-another", "statement.subject", listed(entry(*signed(recall(NEWER), *BOTH))))
vector("about-another-product", "statement.product", listed(entry(*signed(recall(product="other"), *BOTH))))
vector("more-fields", "statement.recall-fields", listed(entry(*signed(recall(mood="bad"), *BOTH))))
vector("replaced-by-itself", "statement.replacement", listed(entry(*signed(recall(replacement=revision()), *BOTH))))
vector("an-approval", "statement.predicate-type", listed(entry(release.approval(MANIFEST, keys.BOB))))


def write(data: Path) -> None:
    """Write every vector, and what they share, into a folder."""
    data.mkdir(parents=True, exist_ok=True)
    for path in data.iterdir():
        path.unlink()
    (data / "trust.json").write_bytes(release.good_trust())
    (data / "manifest.json").write_bytes(MANIFEST)
    for name, made in VECTORS.items():
        (data / f"vector-{name}.json").write_bytes(canonical(made) + b"\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA)
