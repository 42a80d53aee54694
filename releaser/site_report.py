"""A report that a site's person hands over: which level the site has, as its client wrote it.

The site's key is not registered here, so who signed it is not known and it counts as carried by hand: enough to choose
what goes into a kit, in which everything proves itself. Hotfixes that nobody here knows are kept.
"""

from dataclasses import dataclass
from pathlib import Path

from patchline.patches import documents, identifiers
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import StatementError
from patchline.patches.fields import Fields
from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.site.report import PAYLOAD_TYPE


@dataclass(frozen=True)
class SiteReport:
    """What a site says that it has.

    Attributes:
        site: its id.
        manifests: digests of what is in force there.
        recalls: number of the recall list it has, None before it took one.
        signed: it bears a signature, of whomever.
    """

    site: str
    product: str
    baseline: str
    manifests: frozenset[str]
    recalls: int | None
    time: str
    signed: bool


def read_report(path: Path) -> SiteReport:
    """Read what `patchline-site report --out` wrote.

    Raises:
        StatementError: it is no report.
        DocumentError: it is not canonical JSON.
    """
    data = read_file(path, limit=LIMITS.sidecar).removesuffix(b"\n")
    document = documents.decode(data, what="report", limit=LIMITS.sidecar, light=True)
    envelope = Envelope.from_document(document, "report", unsigned=True)
    envelope.require_type(PAYLOAD_TYPE, "the report")
    fields = Fields(documents.decode(envelope.payload, what="report", limit=LIMITS.sidecar), "report", StatementError)
    return SiteReport(
        site=fields.text("site"),
        product=fields.text("product", pattern=identifiers.PRODUCT),
        baseline=fields.text("baseline", pattern=identifiers.VERSION),
        manifests=frozenset(entry.sha256("manifest") for entry in fields.objects("hotfixes", most=100_000)),
        recalls=fields.integer("recalls", 0, 1 << 52) if fields.has("recalls") else None,
        time=fields.text("time"),
        signed=bool(envelope.signatures),
    )
