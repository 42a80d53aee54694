"""Reports that customers bring themselves: first shown, all of it, then sent, and answered with a receipt."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select

from patchline.patches import documents
from patchline.patches.errors import ReportError
from patchline.releaser.fleet.folding import fold
from patchline.releaser.fleet.keyring import HAND
from patchline.releaser.fleet.reading import Carried, read_report
from patchline.releaser.fleet.reports import check
from patchline.releaser.fleet.taking import Checked, Taken, Taking
from patchline.releaser.portal.acting import Visitor, attempt, own_site
from patchline.releaser.register import Change, Register
from patchline.releaser.tables.customers import Site


@dataclass(frozen=True)
class Preview:
    """A report as it would be sent.

    Attributes:
        text: the very bytes that are sent.
        first: the site has not reported before; from then on it is known by this identity.
    """

    site: str
    carried: Carried
    text: str
    first: bool

    @property
    def digest(self) -> str:
        """SHA-256 of what is sent."""
        return documents.digest(self.carried.data)


@dataclass(frozen=True)
class Receipt:
    """What became of a report; `digest` is of what was sent."""

    taken: Taken
    digest: str


def preview(register: Register, who: Visitor, name: str, data: bytes) -> Preview:
    """Read a report and show what it says; nothing of it is kept.

    Raises:
        NotFoundError: the customer has no such site.
        ReportError: it is no report, not what its key signed, or of another site.
    """
    with register.read() as session:
        site = own_site(session, who, name)
        session.expunge(site)
    checked = _checked(register, data)
    _check_site(site, checked.carried)
    with register.read() as session:
        _check_alone(session.scalar(_owner(checked.carried)), site)
    text = checked.carried.data.decode("ascii")
    return Preview(name, checked.carried, text, first=site.identity is None)


def _checked(register: Register, data: bytes) -> Checked:
    carried = read_report(data)
    with register.read() as session:
        checked = check(session, [carried])[0]
    if isinstance(checked, ReportError):
        raise checked
    return checked


def _owner(carried: Carried) -> Select[int]:
    return select(Site.id).where(Site.identity == carried.statement.site)


def _check_site(site: Site, carried: Carried) -> None:
    """Refuse a report that cannot be the site's; whose it is else, nobody is told."""
    said = carried.statement
    if said.product != site.product or site.identity not in (None, said.site):
        raise ReportError("other-site", f"this report is not of {site.name}", hint=_CHOOSE)


def _check_alone(owner: int | None, site: Site) -> None:
    if owner not in (None, site.id):
        raise ReportError("other-site", f"this report is not of {site.name}", hint=_CHOOSE)


_CHOOSE = "Choose the site whose patchline-site wrote it: `patchline-site report` names itself in its first line."


def send(register: Register, who: Visitor, name: str, data: bytes, now: datetime) -> Receipt:
    """Take a report that was shown before.

    Raises:
        NotFoundError: the customer has no such site.
        ReportError: it is no report, not what its key signed, or of another site.
    """
    checked = _checked(register, data)
    with attempt(register, "report.take", name[:64], who, now) as change:
        site = own_site(change.session, who, name)
        _check_site(site, checked.carried)
        _check_alone(change.session.scalar(_owner(checked.carried)), site)
        if site.identity is None:
            _adopt(change, site, checked.carried)
        taken = Taking.load(change, [checked], HAND).take([checked])[0]
    return Receipt(taken, documents.digest(checked.carried.data))


def _adopt(change: Change, site: Site, carried: Carried) -> None:
    """Let a site be known by what its first report calls itself."""
    site.identity = carried.statement.site
    change.session.flush()
    change.record("site.identity", site.name, {"identity": site.identity})
    fold(change.session, site.id)
