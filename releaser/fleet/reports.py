"""Taking the reports of sites: brought by hand or sent online, one or many.

- A signature is verified before anything else; a report that is not what its key signed is refused and not kept.
- What is kept is kept first and judged by `verdicts`; a level moves in the same transaction, or not at all.
- The same report brought again is the same one: whoever was cut off brings all of them again.
- Online, only what a known key signed is kept, so that nobody else can fill the register.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import PatchlineError, ReportError, SignatureError
from patchline.patches.keys import PublicKey
from patchline.releaser.fleet.folding import fold
from patchline.releaser.fleet.keyring import HAND, ONLINE
from patchline.releaser.fleet.reading import Carried, read_report, read_reports
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.fleet.taking import Checked, Taken, Taking
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change, Register
from patchline.releaser.tables.customers import Site, SiteKey
from patchline.releaser.tables.people import Role

__all__ = [
    "HAND",
    "ONLINE",
    "Checked",
    "Taken",
    "check",
    "check_online",
    "receive",
    "receive_all",
    "take",
    "take_checked",
]

MAY_TAKE = (Role.SUPPORT, Role.RELEASE_MANAGER)
_BATCH = 500


def check(session: Session, carried: Sequence[Carried]) -> list[Checked | ReportError]:
    """Verify the signatures of reports by the keys that the register knows; no transaction waits for it."""
    claimed = sorted({keyid for one in carried for keyid, _ in one.envelope.signatures})
    keys: dict[str, PublicKey] = {}
    for start in range(0, len(claimed), _BATCH):
        query = select(SiteKey.keyid, SiteKey.pem).where(SiteKey.keyid.in_(claimed[start : start + _BATCH]))
        keys |= {row.keyid: PublicKey.from_pem(row.pem) for row in session.execute(query)}
    return [_check(one, keys) for one in carried]


def _check(carried: Carried, keys: Mapping[str, PublicKey]) -> Checked | ReportError:
    try:
        return Checked(carried, min(carried.envelope.verified_keys(keys), default=None))
    except SignatureError as error:
        said = carried.statement
        return ReportError("altered", f"the report of {said.site} is not what its key signed: {error.message}")


def check_online(session: Session, data: bytes) -> Checked:
    """Return a report that a site sent, its signature verified by a key that the register knows.

    Raises:
        ReportError: it is no report, not what its key signed, or no known key signed it.
    """
    known = _known(check(session, [read_report(data)])[0], ONLINE)
    if isinstance(known, ReportError):
        raise known
    return known


def take(change: Change, data: bytes, via: str) -> Taken:
    """Take one report, as somebody handed it over or a site sent it.

    Args:
        change: under way.
        data: a file, or the text of a mail.
        via: `HAND` or `ONLINE`.

    Raises:
        ReportError: it is no report, or not what its key signed.
        RefusedError: who brings it may not.
    """
    checked = check(change.session, [read_report(data)])[0]
    if isinstance(checked, ReportError):
        raise checked
    return take_checked(change, [checked], via)[0]


def receive(register: Register, data: bytes, via: str, by: str, now: datetime) -> Taken:
    """Take one report in a transaction of its own, its signature verified before; a refusal is an event.

    Raises:
        ReportError: it is no report, or not what its key signed.
        RefusedError: who brings it may not.
    """
    with register.refusals_told("report.take", via, by, now):
        carried = read_report(data)
        with register.read() as session:
            checked = check(session, [carried])[0]
        if isinstance(checked, ReportError):
            raise checked
        with register.change(by, now) as change:
            return take_checked(change, [checked], via)[0]


Named = tuple[str, bytes | PatchlineError]
"""The name of a file and its content, or why it cannot be read."""


def receive_all(
    register: Register, brought: Iterable[Named], by: str, now: datetime, site: str | None = None, via: str = HAND
) -> Iterator[tuple[str, Taken | PatchlineError]]:
    """Take many in a transaction; yield what became of each, with the name it came by.

    Args:
        register: that takes them.
        brought: names and contents of files, or texts.
        by: who brings them.
        now: when.
        site: name of the site of which they are, where its identity is not known yet.
        via: `HAND`, or `ONLINE` for those that wait at once.

    Raises:
        RefusedError: who brings them may not, or they are of another site.
    """
    for batch in _batches(brought):
        found = list(_read(batch))
        carried = [one for _, one in found if isinstance(one, Carried)]
        with register.read() as session:
            checked = iter(check(session, carried))
        answers = [(name, _known(next(checked), via) if isinstance(one, Carried) else one) for name, one in found]
        with register.change(by, now) as change:
            good = [one for _, one in answers if isinstance(one, Checked)]
            if site is not None:
                require_role(change.session, by, *MAY_TAKE)
                _adopt(change, site, good)
            taken = iter(take_checked(change, good, via))
            for name, one in answers:
                if isinstance(one, PatchlineError):
                    change.record("report.take.refused", name[:200], {"code": one.code, "message": one.message})
        for name, one in answers:
            yield name, next(taken) if isinstance(one, Checked) else one


def _batches(brought: Iterable[Named]) -> Iterator[list[Named]]:
    batch: list[Named] = []
    size = 0
    for one in brought:
        batch.append(one)
        size += len(one[1]) if isinstance(one[1], bytes) else 0
        if len(batch) == _BATCH or size > 32 << 20:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read(batch: Iterable[Named]) -> Iterator[tuple[str, Carried | PatchlineError]]:
    for name, data in batch:
        if isinstance(data, PatchlineError):
            yield name, data
            continue
        try:
            yield from [(name, carried) for carried in read_reports(data)]
        except ReportError as error:
            yield name, error


def _adopt(change: Change, name: str, checked: Iterable[Checked]) -> None:
    """Let the reports' identity be a site's."""
    site = the_site(change.session, name)
    for identity in sorted({one.carried.statement.site for one in checked}):
        owner = change.session.scalar(select(Site.name).where(Site.identity == identity, Site.id != site.id))
        if owner is not None or site.identity not in (None, identity):
            other = f"of {owner}" if owner is not None else f"not of {name}, which reports as {site.identity}"
            raise ReportError("other-site", f"the report of {identity} is {other}")
        if site.identity is None:
            site.identity = identity
            change.session.flush()
            change.record("site.identity", name, {"identity": identity})
            fold(change.session, site.id)


def _known(one: Checked | ReportError, via: str) -> Checked | ReportError:
    """Return the error instead of what came online and no known key signed."""
    if via == HAND or isinstance(one, ReportError) or one.keyid is not None:
        return one
    code = "unknown-key" if one.carried.envelope.signatures else "unsigned"
    return ReportError(code, f"no key that the register knows signed the report of {one.carried.statement.site}")


def take_checked(change: Change, checked: Sequence[Checked], via: str) -> list[Taken]:
    """Take reports whose signatures were looked at, in their order.

    Raises:
        ReportError: it came online, and no known key signed it.
        RefusedError: who brings them by hand may not.
    """
    if via == HAND:
        require_role(change.session, change.by, *MAY_TAKE)
    for one in checked:
        if isinstance(known := _known(one, via), ReportError):
            raise known
    return [] if not checked else Taking.load(change, checked, via).take(checked)
