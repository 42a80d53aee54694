"""Enrolment of sites: a code for the customer, what the site wrote with it, and the fingerprint heard by phone.

Until a key is confirmed, what it signs counts as carried by hand. When another key of the site is confirmed, the earlier
ones end. Codes are kept as their SHA-256, and only the last one of a site counts.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from patchline.patches import documents, identifiers
from patchline.patches.errors import EnrolmentError, StateError
from patchline.patches.keys import PublicKey
from patchline.patches.limits import LIMITS
from patchline.patches.site_enrolments import ENROLMENT_TYPE, SiteEnrolment, code_digest, new_code
from patchline.patches.statements import time_text
from patchline.releaser.fleet.customers import KEEPERS
from patchline.releaser.fleet.folding import fold
from patchline.releaser.fleet.sites import in_service, the_site
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.tables.customers import EnrolmentCode, Site, SiteKey

LIFE = timedelta(hours=24)


@dataclass(frozen=True)
class Code:
    """A code to be told to a customer; nobody can look it up afterwards."""

    site: str
    code: str
    expires: datetime


@dataclass(frozen=True)
class Key:
    """A key of a site and what it counts as."""

    site: str
    keyid: str
    enrolled: datetime
    confirmed: datetime | None
    ended: datetime | None

    @property
    def fingerprint(self) -> str:
        """Its form that people compare."""
        return identifiers.fingerprint(self.keyid)


def make_code(change: Change, name: str) -> Code:
    """Make the code with which a site enrols its key once; an earlier one counts no more.

    Raises:
        RefusedError: who acts may not.
        NotFoundError: there is no such site.
        StateError: it is out of service.
    """
    require_role(change.session, change.by, *KEEPERS)
    site = in_service(change.session, name)
    open_ones = (EnrolmentCode.site == site.id, EnrolmentCode.used.is_(None), EnrolmentCode.expires > change.now)
    change.session.execute(update(EnrolmentCode).where(*open_ones).values(expires=change.now))
    code, expires = new_code(), change.now + LIFE
    row = EnrolmentCode(sha256=code_digest(code), site=site.id, made=change.now, made_by=change.by, expires=expires)
    change.session.add(row)
    change.session.flush()
    change.record("site.code", site.name, {"expires": time_text(expires)})
    return Code(site.name, code, expires)


def is_enrolment(data: bytes) -> bool:
    """Tell whether bytes want to be a site's enrolment; nothing else of them is checked."""
    return ENROLMENT_TYPE.encode() in data[: LIMITS.key_file]


def take(change: Change, data: bytes, name: str | None = None) -> Key:
    """Take what a site wrote in; the same one brought again changes nothing.

    Args:
        change: under way.
        data: the file.
        name: of the site for which it should be; None for that of the code.

    Raises:
        RefusedError: who acts may not.
        EnrolmentError: code, site or key are not those that they must be.
        NotFoundError: there is no such site.
        StatementError, SignatureError, DocumentError: it is no enrolment as a site writes it.
    """
    require_role(change.session, change.by, *KEEPERS)
    session = change.session
    document = documents.decode(data.strip(), what="site's enrolment", limit=LIMITS.key_file)
    enrolment = SiteEnrolment.read(document)
    code = _code_of(session, enrolment)
    site = session.get_one(Site, code.site)
    if name is not None and the_site(session, name).id != site.id:
        raise EnrolmentError("other-site", f"this is the enrolment of another site than {name}")
    known = session.get(SiteKey, enrolment.public.keyid)
    if code.used is not None and known is not None and (known.site, known.ended) == (site.id, None):
        return _key(site, known)
    _check_code(code, change.now)
    _check_fits(session, site, enrolment, known)
    code.used, site.identity = change.now, enrolment.site
    key = known or _enrol(change, site, enrolment.public)
    session.flush()
    fold(session, site.id)
    change.record("site.enrol", site.name, {"keyid": key.keyid})
    return _key(site, key)


def _code_of(session: Session, enrolment: SiteEnrolment) -> EnrolmentCode:
    """Return the code with which it was made; locked, since it counts once."""
    named = select(EnrolmentCode).where(EnrolmentCode.sha256.startswith(enrolment.code)).with_for_update()
    for code in session.scalars(named):
        if enrolment.made_with(code.sha256):
            return code
    raise EnrolmentError("code-unknown", "no code that was given to a site made this enrolment")


def _check_code(code: EnrolmentCode, now: datetime) -> None:
    if code.used is not None:
        raise EnrolmentError("code-used", f"its code was used on {time_text(code.used)}")
    if code.expires <= now:
        raise EnrolmentError("code-expired", f"its code counted until {time_text(code.expires)}")


def _check_fits(session: Session, site: Site, enrolment: SiteEnrolment, known: SiteKey | None) -> None:
    in_service(session, site.name)
    if enrolment.product != site.product:
        raise EnrolmentError(
            "product", f"it is of product {enrolment.product}, and {site.name} is one of {site.product}"
        )
    if known is not None and known.site != site.id:
        owner = session.get_one(Site, known.site)
        raise EnrolmentError("key-elsewhere", f"its key is that of the site {owner.name}")
    if known is not None and known.ended is not None:
        raise EnrolmentError("key-ended", f"its key ended on {time_text(known.ended)}")
    other = session.scalar(select(Site.name).where(Site.identity == enrolment.site, Site.id != site.id))
    if other is not None:
        raise EnrolmentError(
            "site-elsewhere", f"it says that it is the installation that the register knows as {other}"
        )


def _enrol(change: Change, site: Site, public: PublicKey) -> SiteKey:
    """Add a key; one that waited for confirmation ends."""
    waiting = (SiteKey.site == site.id, SiteKey.confirmed.is_(None), SiteKey.ended.is_(None))
    change.session.execute(update(SiteKey).where(*waiting).values(ended=change.now))
    key = SiteKey(keyid=public.keyid, site=site.id, pem=public.to_pem(), enrolled=change.now)
    change.session.add(key)
    return key


def confirm(change: Change, name: str, heard: str) -> Key:
    """Let a site's new key count, as its fingerprint was read out; its earlier keys end.

    Raises:
        RefusedError: who acts may not.
        NotFoundError: there is no such site.
        StateError: no key waits.
        EnrolmentError: it is another fingerprint.
    """
    require_role(change.session, change.by, *KEEPERS)
    site = the_site(change.session, name)
    query = select(SiteKey).where(SiteKey.site == site.id, SiteKey.ended.is_(None)).with_for_update()
    rows = change.session.scalars(query).all()
    keys = {row.keyid: identifiers.plain_fingerprint(identifiers.fingerprint(row.keyid)) for row in rows}
    if not keys:
        raise StateError("no-enrolment", f"no key of {name} waits for its fingerprint")
    row = next((row for row in rows if keys[row.keyid] == identifiers.plain_fingerprint(heard)), None)
    if row is None:
        raise EnrolmentError("fingerprint", f"that is not the fingerprint of the key that {name} enrolled")
    if row.confirmed is not None:
        return _key(site, row)
    row.confirmed, row.confirmed_by = change.now, change.by
    ended = [other.keyid for other in rows if other is not row]
    for other in rows:
        other.ended = other.ended if other is row else change.now
    change.session.flush()
    fold(change.session, site.id)
    change.record("site.confirm", site.name, {"keyid": row.keyid, "ended": ended})
    return _key(site, row)


def keys_of(session: Session, site: Site) -> list[Key]:
    """Return the keys of a site, the newest first."""
    query = select(SiteKey).where(SiteKey.site == site.id).order_by(SiteKey.enrolled.desc(), SiteKey.keyid)
    return [_key(site, row) for row in session.scalars(query)]


def _key(site: Site, row: SiteKey) -> Key:
    return Key(site.name, row.keyid, row.enrolled, row.confirmed, row.ended)
