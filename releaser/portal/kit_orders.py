"""Kits that customers order for their sites without a network: asked for here, made by a worker, fetched like hotfixes.

- An order is a wish of the outbox; on an embedded register the server that took it makes the kit at once, where the
  kit's key may be used there, else whoever runs `patchline worker --once`.
- Nobody of the vendor's asked, so the wish is that of a person who is none: `PORTAL`, disabled from the first day on.
- A kit is handed out as long as the site may have everything in it; when something in it is recalled, it is not.
"""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import EntitlementError, NotFoundError, StateError
from patchline.patches.signers import Passphrase
from patchline.patches.wording import counted
from patchline.releaser.delivery import parcels
from patchline.releaser.delivery.parcels import BUNDLES, ZIP, Parcel, Taker
from patchline.releaser.fleet.site_kits import Order, make_recorded, need
from patchline.releaser.portal.acting import Visitor, attempt, own_site, visitor
from patchline.releaser.register import Change, Register
from patchline.releaser.server_keys import KIT as KIT_KEY
from patchline.releaser.server_keys import open_server_key
from patchline.releaser.stores import Store
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import SiteState
from patchline.releaser.tables.members import KitMade, KitOrder
from patchline.releaser.tables.people import Person
from patchline.releaser.tables.work import WishEnd
from patchline.releaser.work import wishes
from patchline.releaser.work.kinds import KIT

PORTAL = "customer-portal"
KEPT = timedelta(days=7)
"""How long a kit can be fetched; then it is ordered anew, since there may be more by then."""
_MOST_OPEN = 3
_FOLDER = "kits"


@dataclass(frozen=True)
class Ordered:
    """An order as its site's page shows it.

    Attributes:
        state: `waiting`, `done`, `gone` after some days, or `refused`.
        told: why it was refused.
        made: the kit, None before it is there.
    """

    order: KitOrder
    state: str
    told: str | None
    made: KitMade | None

    @property
    def file(self) -> str:
        """What its file is called."""
        return f"kit-{self.order.number}.zip"


def ask(change: Change, who: Visitor, name: str, *, whole: bool) -> int:
    """Order a kit for a site of one's own; return its number.

    Raises:
        NotFoundError: the customer has no such site.
        StateError: nobody knows its level, or enough was ordered already.
    """
    site = own_site(change.session, who, name)
    if change.session.get_one(SiteState, site.id).baseline is None:
        raise StateError("level-unknown", f"nobody knows the level of {name}", hint="Report its level first.")
    if sum(one.state == "waiting" for one in listed(change.session, site, change.now)) >= _MOST_OPEN:
        raise StateError("kit-orders", f"{_MOST_OPEN} kits for {name} are being made already")
    number = wishes.ask(_of_the_portal(change), KIT, {"member": who.id, "site": site.name, "whole": whole})
    change.session.add(KitOrder(number=number, site=site.id, member=who.id, whole=whole, asked=change.now))
    change.session.flush()
    change.record("kit.order", site.name, {"number": number, "whole": whole})
    return number


def _of_the_portal(change: Change) -> Change:
    if change.session.get(Person, PORTAL) is None:
        nobody = Person(id=PORTAL, name="The customer portal", added=change.now, disabled=change.now)
        change.session.add(nobody)
        change.session.flush()
    return replace(change, by=PORTAL)


def listed(session: Session, site: Site, now: datetime, most: int = 20) -> Sequence[Ordered]:
    """Return the newest orders of a site."""
    query = (
        select(KitOrder, KitMade, WishEnd)
        .outerjoin(KitMade, KitMade.order == KitOrder.number)
        .outerjoin(WishEnd, WishEnd.wish == KitOrder.number)
        .where(KitOrder.site == site.id)
    )
    rows = session.execute(query.order_by(KitOrder.number.desc()).limit(most)).all()
    return [_ordered(row.KitOrder, row.KitMade, row.WishEnd, now) for row in rows]


def _ordered(order: KitOrder, made: KitMade | None, end: WishEnd | None, now: datetime) -> Ordered:
    if made is not None:
        return Ordered(order, "done" if now - made.at < KEPT else "gone", None, made)
    if end is None:
        return Ordered(order, "waiting", None, None)
    return Ordered(order, "refused", end.told, None)


def make(register: Register, passphrase: Passphrase, arguments: Mapping[str, Any], now: datetime) -> str:
    """Make the newest kit of a site that was ordered so and is not there; return what became of it in words.

    Raises:
        PatchlineError: it cannot be made, or not now.
    """
    with register.read() as session:
        order = _open_order(session, arguments)
        who = visitor(session, arguments["member"])
        if order is None:
            return "was made before"
        if who is None:
            raise NotFoundError("member", "who ordered the kit may not come in any more")
        wanted = need(session, arguments["site"], now)
        session.expunge_all()
    if arguments["whole"]:
        wanted = replace(wanted, has=replace(wanted.has, manifests=frozenset()))
    key = open_server_key(register.home, KIT_KEY, passphrase)
    with tempfile.TemporaryDirectory(prefix="patchline-kit-") as folder:
        out = Path(folder) / f"kit-{order}.zip"
        making = Order(arguments["site"], out, who.id, lambda: now, as_zip=True)
        kit = make_recorded(
            Store.at(register.channel), key, making, wanted,
            lambda at: attempt(register, "kit.make", arguments["site"], who, at),
        )  # fmt: skip
        releases = [offer.label for offer in kit.choice.releases]
        _keep(register, who, KitMade(order=order, at=now, releases=releases, expires=kit.expires), out)
    return f"kit with {counted(len(releases), 'hotfix', 'hotfixes')} is made"


def _open_order(session: Session, arguments: Mapping[str, Any]) -> int | None:
    """Return the oldest order of these very words that has no kit."""
    query = (
        select(KitOrder.number)
        .join(Site, Site.id == KitOrder.site)
        .outerjoin(KitMade, KitMade.order == KitOrder.number)
        .outerjoin(WishEnd, WishEnd.wish == KitOrder.number)
        .where(Site.name == arguments["site"], KitOrder.member == arguments["member"])
        .where(KitOrder.whole == arguments["whole"], KitMade.order.is_(None), WishEnd.wish.is_(None))
    )
    return session.scalar(query.order_by(KitOrder.number).limit(1))


def _keep(register: Register, who: Visitor, made: KitMade, out: Path) -> None:
    """Put a kit where it is fetched, and write down that it is there; kits of long ago go."""
    with out.open("rb") as file:
        made.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        made.size = file.tell()
        file.seek(0)
        Store.at(register.bundles).upload(_place(made.sha256), file, made.size, made.sha256)
    with register.database.write() as session:
        session.add(made)
        old = session.scalars(select(KitMade.sha256).where(KitMade.at < made.at - 2 * KEPT)).all()
        recent = set(session.scalars(select(KitMade.sha256).where(KitMade.at >= made.at - 2 * KEPT)).all())
    for sha256 in set(old) - recent:
        Store.at(register.bundles).delete(_place(sha256))


def _place(sha256: str) -> str:
    return f"{_FOLDER}/{sha256}{ZIP}"


def parcel(session: Session, taker: Taker, site: Site, number: int, now: datetime) -> Parcel:
    """Return a kit that may be fetched now; every hotfix in it is asked for anew.

    Raises:
        NotFoundError: the site has no such kit any more.
        EntitlementError: something in it may not be handed out to the site any more.
    """
    query = select(KitMade).join(KitOrder, KitOrder.number == KitMade.order)
    made = session.scalars(query.where(KitMade.order == number, KitOrder.site == site.id)).one_or_none()
    if made is None or now - made.at >= KEPT:
        raise NotFoundError("download", f"there is no kit {number} for {site.name} any more")
    for label in made.releases:
        try:
            parcels.parcel(session, taker, parcels.asked(f"{label}{ZIP}"), now)
        except EntitlementError as error:
            hint = f"Order another kit: this one has {label} in it."
            raise EntitlementError(error.code.partition(".")[2], error.message, hint=hint) from None
    return Parcel(f"kit-{number}.zip", 0, made.sha256, made.size, BUNDLES, _place(made.sha256))
