"""What a site may fetch of a published revision, and where its bytes lie; asked anew for every request and part of a file.

- `parcel` is the one door: entitlement, embargo, recall, rollout, each refusal with its reason.
- Whether something exists that was never published is nobody's business outside: it is simply not there.
- What is signed about a revision is small and stands in the register; its bundle and zip lie in stores.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.channel import HotfixName, target_file
from patchline.patches.errors import EntitlementError, NotFoundError
from patchline.patches.release_zip import APPROVALS, BUNDLE_ENDING, PROVENANCE, RELEASE_LINE, RELEASE_SIGNATURE
from patchline.releaser.bundles import bundle_place, release_set
from patchline.releaser.fleet.entitlements import Reason, WhyNot, rights
from patchline.releaser.register import Register
from patchline.releaser.rollouts.reaching import reached
from patchline.releaser.stores import Store
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.hotfixes import Hotfix, Revision

ZIP = ".zip"
SIDECARS = (PROVENANCE, APPROVALS, RELEASE_LINE, RELEASE_SIGNATURE)
_FILE = re.compile(
    rf"(?P<hotfix>[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)+)-r(?P<number>[1-9][0-9]{{0,5}})(?P<ending>\{ZIP}|\{BUNDLE_ENDING}"
    rf"(?P<sidecar>{'|'.join(map(re.escape, SIDECARS))})?)"
)
NOT_REACHED = "not-reached"
CHANNEL, BUNDLES = "channel", "bundles"


@dataclass(frozen=True)
class Taker:
    """Who fetches, for which site.

    Attributes:
        site: its id in the register.
        by: who does, as events name it.
    """

    customer: str
    site: int
    name: str
    by: str


@dataclass(frozen=True)
class Parcel:
    """A file that may be handed out now.

    Attributes:
        file: its name; made of letters, digits, dots and dashes alone.
        revision: its id in the register.
        sha256, size: of the whole file.
        place: in which store it lies, `channel` or `bundles`.
        name: what it is called there.
        data: the file itself, where it is small and lies in no store.
    """

    file: str
    revision: int
    sha256: str
    size: int
    place: str
    name: str
    data: bytes | None = None


@dataclass(frozen=True)
class Asked:
    """A file of a revision, as its name says."""

    file: str
    hotfix: str
    number: int
    sidecar: str | None

    @property
    def label(self) -> str:
        """The revision's name."""
        return f"{self.hotfix}-r{self.number}"

    @property
    def whole(self) -> bool:
        """Tell whether it is a bundle or a zip; what was signed about one alone counts as no download."""
        return self.sidecar is None


def asked(file: str) -> Asked:
    """Read which file is asked for.

    Raises:
        NotFoundError: there can be none of this name.
    """
    match = _FILE.fullmatch(file)
    if match is None:
        raise _missing(file)
    return Asked(file, match["hotfix"], int(match["number"]), match["sidecar"])


def _missing(file: str) -> NotFoundError:
    return NotFoundError("download", f"there is no {file[:120]!r} to fetch")


def parcel(session: Session, taker: Taker, what: Asked, now: datetime) -> Parcel:
    """Return a file that a site may fetch now; in a constant number of statements.

    Raises:
        NotFoundError: there is no such file for the site's product.
        EntitlementError: why the site gets no bytes.
    """
    row = session.execute(
        select(Revision, Hotfix, Site)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .join(Site, Site.product == Hotfix.product)
        .where(Revision.hotfix == what.hotfix, Revision.number == what.number)
        .where(Site.id == taker.site, Site.customer == taker.customer, Site.retired.is_(None))
    ).one_or_none()
    if row is None:
        raise _missing(what.file)
    why = rights(session, taker.customer).why_not(row.Hotfix, row.Revision, now)
    if why is not None:
        raise _missing(what.file) if why.reason is Reason.NOT_PUBLISHED else refusal(why)
    reach = reached(session, row.Revision, row.Site, now)
    if not reach:
        raise EntitlementError(
            NOT_REACHED, f"{what.label} is not yet meant for {taker.name}: {_WORDS.get(str(reach.reason), _LATER)}"
        )
    return _parcel(session, row.Revision, row.Hotfix.product, what)


_WORDS = {
    "stage": "it goes to other sites first",
    "paused": "its rollout pauses",
    "stopped": "its rollout was stopped",
    "wrong-customer": "it was approved for others",
    "frozen": "nothing is to be applied there now",
}
_LATER = "it goes out later"
_CUSTOMERS_HINTS: Mapping[Reason, str] = {
    Reason.RECALLED: "Do not apply it: it does harm. The portal names what to apply instead.",
    Reason.HELD: "Wait: it is being looked at again. What you have applied may stay.",
    Reason.WRONG_CUSTOMER: "Ask your vendor's support for one that is made for you.",
    Reason.NOT_ENTITLED: "Ask your vendor's support what your contract covers.",
    Reason.EXPIRED: "Ask your vendor's support to renew it.",
    Reason.EMBARGO: "Come again then.",
}
"""What customers do about a refusal, who have none of the vendor's commands."""


def refusal(why: WhyNot) -> EntitlementError:
    """Return a refusal as those read it who fetch."""
    return EntitlementError(why.reason.value, why.message, hint=_CUSTOMERS_HINTS[why.reason])


def _parcel(session: Session, revision: Revision, product: str, what: Asked) -> Parcel:
    if what.sidecar is not None:
        data = release_set(session, revision).files().get(what.sidecar)
        if data is None:
            raise _missing(what.file)
        return Parcel(what.file, revision.id, hashlib.sha256(data).hexdigest(), len(data), BUNDLES, "", data)
    if what.file.endswith(ZIP):
        sha256, size = revision.zip_sha256, revision.zip_size
        name = target_file(HotfixName(product, what.hotfix, what.number).target, str(sha256))
        place = CHANNEL
    else:
        sha256, size = revision.container_sha256, revision.size
        name, place = bundle_place(str(sha256)), BUNDLES
    if sha256 is None or size is None:
        raise _missing(what.file)
    return Parcel(what.file, revision.id, sha256, size, place, name)


def store_of(register: Register, place: str) -> Store:
    """Return the store in which a parcel lies.

    Raises:
        StoreError: it cannot be opened.
    """
    return Store.at(register.channel if place == CHANNEL else register.bundles)
