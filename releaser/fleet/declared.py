"""What people tell of a site that no report says: an upgrade, other vendor's software, a load balancer that changed.

It happened at a time of the clock there, so the time zone is told with it, and kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import UsageError
from patchline.patches.statements import time_text
from patchline.releaser.fleet.customers import KEEPERS
from patchline.releaser.fleet.naming import LONGEST_TITLE, check_line, check_word
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.tables.customers import Declared, Site

KINDS = ("upgrade", "other-software", "load-balancer", "database", "network", "other")
_LONGEST_TEXT = 1000


@dataclass(frozen=True)
class NewEvent:
    """Something that happened at a site.

    Attributes:
        at: when, as `read_time` reads it with the zone.
        zone: IANA name of the time zone there.
        reference: the customer's own change reference.
        told_by: who of the customer told it.
    """

    site: str
    kind: str
    at: datetime
    zone: str
    text: str
    reference: str | None = None
    told_by: str | None = None


def read_time(written: str, zone: str) -> datetime:
    """Return the moment at which the clock of a time zone showed a time; the earlier one where it did so twice.

    Args:
        written: such as `2026-03-03 22:15`; a day alone means its beginning; with an offset it is what it says.
        zone: IANA name.

    Raises:
        UsageError: one of the two is none, or the clock there never showed that time.
    """
    try:
        there = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError("customer-field", f"{zone[:80]!r} is no time zone such as Europe/Berlin") from None
    try:
        found = datetime.fromisoformat(written.strip())
        moment = (found if found.tzinfo else found.replace(tzinfo=there)).astimezone(UTC)
        again = moment.astimezone(there).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise UsageError("customer-field", f"{written[:80]!r} is no time such as 2026-03-03 22:15") from None
    if found.tzinfo is None and again != found:
        raise UsageError("customer-field", f"the clock of {zone} never showed {written}: it was set forward")
    return moment


def add(change: Change, told: NewEvent) -> Declared:
    """Add an event to a site's timeline.

    Raises:
        RefusedError: who acts may not.
        NotFoundError: there is no such site.
        UsageError: a field cannot be written so, or it is in the future.
    """
    require_role(change.session, change.by, *KEEPERS)
    site = the_site(change.session, told.site)
    check_word("kind of event", told.kind, KINDS)
    check_line("text", told.text, _LONGEST_TEXT)
    for what, line in (("reference", told.reference), ("person", told.told_by)):
        if line is not None:
            check_line(what, line, LONGEST_TITLE)
    if told.at > change.now:
        raise UsageError("customer-field", f"{time_text(told.at)} has not come yet; tell what happened")
    row = Declared(
        site=site.id,
        kind=told.kind,
        at=told.at,
        zone=told.zone,
        text=told.text,
        reference=told.reference,
        told_by=told.told_by,
        added=change.now,
        added_by=change.by,
    )
    change.session.add(row)
    change.session.flush()
    change.record("event.add", site.name, {"number": row.id, "kind": row.kind, "at": time_text(row.at)})
    return row


def of(session: Session, site: Site) -> Sequence[Declared]:
    """Return what was declared of a site, oldest first."""
    return session.scalars(select(Declared).where(Declared.site == site.id).order_by(Declared.at, Declared.id)).all()
