"""The list of a baseline's files: what an untouched installation of one version looks like.

Canonical JSON `{format, product, baseline, roots: {NAME: [{path, state}]}}`, paths sorted, each once. A site believes
a list only when its digest stands in the trust file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from patchline.patches import documents, identifiers
from patchline.patches.errors import TrustError
from patchline.patches.fields import Fields
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import State, read_state

if TYPE_CHECKING:
    from patchline.patches.trust import Trust

FORMAT = 1


@dataclass(frozen=True)
class BaselineList:
    """The states of a baseline's paths, by root and path. `data` are the list's bytes, `digest` their SHA-256."""

    data: bytes
    digest: str
    product: str
    baseline: str
    roots: Mapping[str, Mapping[str, State]]

    @classmethod
    def parse(cls, data: bytes) -> "BaselineList":
        """Read a list.

        Raises:
            TrustError: it breaks a rule.
            DocumentError: it is not canonical JSON.
        """
        what = "baseline list"
        fields = Fields(documents.decode(data, what=what, limit=LIMITS.manifest), what, TrustError)
        if fields.integer("format", 0, 1_000_000) != FORMAT:
            fields.fail("format", f".format is {fields.document['format']}; this client knows {FORMAT}")
        roots = fields.object("roots")
        return cls(
            data=data,
            digest=documents.digest(data),
            product=fields.text("product", pattern=identifiers.PRODUCT),
            baseline=fields.text("baseline", limit=128, pattern=identifiers.VERSION),
            roots=MappingProxyType({name: MappingProxyType(_read_root(roots, name)) for name in roots.document}),
        )

    def check_known_to(self, trust: "Trust") -> None:
        """Raise TrustError unless the trust file knows this very list."""
        if self.product != trust.product:
            raise TrustError("product", f"the list is of product {self.product!r}, not {trust.product!r}")
        expected = trust.baselines.get(self.baseline)
        if expected is None:
            raise TrustError("baseline-unknown", f"the trust file knows no list of baseline {self.baseline!r}")
        if expected != self.digest:
            raise TrustError("baseline-list", f"the list of {self.baseline!r} is {self.digest}, not {expected}")


def _read_root(roots: Fields, name: str) -> dict[str, State]:
    roots.check_text("roots", name, pattern=identifiers.ROOT)
    found: dict[str, State] = {}
    previous = ""
    for entry in roots.objects(name, most=LIMITS.baseline_entries):
        path = entry.text("path", limit=4096)
        if path <= previous:
            entry.fail("value", f".path {path[:80]!r} is not sorted without repeats")
        found[path] = read_state(entry.object("state"))
        previous = path
    return found


def baseline_list(product: str, baseline: str, roots: Mapping[str, Mapping[str, State]]) -> bytes:
    """Make the bytes of a list; refused by the rules of `BaselineList.parse`."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "product": product,
        "baseline": baseline,
        "roots": {
            name: [{"path": path, "state": states[path].as_document()} for path in sorted(states)]
            for name, states in roots.items()
        },
    }
    return BaselineList.parse(documents.encode(document)).data
