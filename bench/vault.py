"""S1: signing with a key in Vault beside the bare call of hvac that does the same, on one OpenBao, in turn."""

import statistics
import time
from collections.abc import Callable, Iterator

import hvac

from bench.figures import Figure
from patchline.vault.connection import Connection
from patchline.vault.login import OwnToken
from patchline.vault.signing import KINDS, KeyName, open_transit
from tests import bao

_AT_ONCE = 40
_DATA = b"a line that is signed\n"


def run(rounds: int) -> Iterator[Figure]:
    """Compare both for each kind of key; ours also verifies every signature."""
    with bao.started() as server:
        root = server.client(server.root)
        root.adapter.post("/v1/sys/mounts/signing", json={"type": "transit"})
        for kind in KINDS:
            root.adapter.post(f"/v1/signing/keys/{kind}", json={"type": kind})
            yield _compared(kind, server, root, rounds)


def _compared(kind: str, server: bao.Bao, root: hvac.Client, rounds: int) -> Figure:
    signer = open_transit(Connection(server.server, OwnToken(server.root)), KeyName("signing", kind))
    wish = {"input": "YSBsaW5lIHRoYXQgaXMgc2lnbmVkCg==", "marshaling_algorithm": "asn1", "hash_algorithm": "sha2-256"}

    def bare() -> object:
        return root.adapter.post(f"/v1/signing/sign/{kind}", json=wish)["data"]["signature"]

    def ours() -> object:
        return signer.sign(_DATA)

    pairs = [(_seconds(ours), _seconds(bare)) for _ in range(1 + 3 * rounds)][1:]
    ratio = statistics.median(one / other for one, other in pairs)
    details = {
        "ours ms": statistics.median(one for one, _ in pairs) * 1000,
        "bare ms": statistics.median(other for _, other in pairs) * 1000,
    }
    return Figure(
        "S1", f"sign through Transit / bare API call, {kind}", ratio, goal=1.2, counts="wall", details=details
    )


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(_AT_ONCE):
        call()
    return (time.perf_counter() - began) / _AT_ONCE
