"""Kits for sites of which the register knows the level: what they lack, are entitled to, and have been reached by.

A kit that was made is handed out, and recorded so. What ended meanwhile, such as an entitlement, ends it: a kit whose
making cannot be recorded as rightful is taken away again.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import StateError
from patchline.patches.signers import Signer
from patchline.releaser.fleet.customers import KEEPERS
from patchline.releaser.fleet.downloads import DONE
from patchline.releaser.fleet.entitlements import rights
from patchline.releaser.fleet.sites import in_service
from patchline.releaser.fleet.words import known
from patchline.releaser.kit_choice import Has, Wish
from patchline.releaser.kits import Kit, make_kit
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change, Register
from patchline.releaser.rollouts.reaching import reached_all
from patchline.releaser.states import State
from patchline.releaser.stores import Store
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Applied, Download, SiteState, UnknownHotfix
from patchline.releaser.tables.hotfixes import Hotfix, Revision

KIT = "kit"
_OUT = (State.PUBLISHED, State.HELD, State.RECALLED)


@dataclass(frozen=True)
class Withheld:
    """A published revision that does not go out to a site.

    Attributes:
        reason: a word, as `Download.outcome` has it.
        why: the same for people.
    """

    reason: str
    why: str


@dataclass(frozen=True)
class Need:
    """What a site may be given.

    Attributes:
        level: of the site, and how we know it.
        revisions: those that went out for its product, by their labels.
        withheld: why some of them do not go out to it.
        now: of when that is.
    """

    site: Site
    level: str
    has: Has
    revisions: Mapping[str, Revision]
    withheld: Mapping[str, Withheld]
    now: datetime

    @property
    def wish(self) -> Wish:
        """What a kit is made by."""
        withheld = {label: one.why for label, one in self.withheld.items()}
        return Wish(self.has, customer=self.site.customer, withheld=withheld)


def need(session: Session, name: str, now: datetime) -> Need:
    """Return what a site may be given now; in a constant number of statements.

    Raises:
        NotFoundError: there is no such site.
        StateError: it is out of service, or nobody knows its level.
    """
    site = in_service(session, name)
    state = session.get_one(SiteState, site.id)
    if state.baseline is None:
        raise StateError("level-unknown", f"nobody knows the level of {name}")
    rows = session.execute(
        select(Revision, Hotfix)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .where(Hotfix.product == site.product, Revision.state.in_(_OUT), Revision.legacy.is_(False))
    ).all()
    reached = reached_all(session, [revision for revision, _ in rows], site, now)
    may = rights(session, site.customer)
    withheld = {}
    for revision, hotfix in rows:
        label = f"{hotfix.id}-r{revision.number}"
        if (why := may.why_not(hotfix, revision, now)) is not None:
            withheld[label] = Withheld(why.reason, why.message)
        elif not (reach := reached[revision.id]):
            withheld[label] = Withheld(str(reach.reason), f"{label} has not reached {name}: {reach.reason}")
    labels = {f"{hotfix.id}-r{revision.number}": revision for revision, hotfix in rows}
    level = f"{state.label or state.baseline}, {known(state.evidence, state.as_of, now)}"
    return Need(site, level, Has(site.product, state.baseline, _manifests(session, site)), labels, withheld, now)


def _manifests(session: Session, site: Site) -> frozenset[str]:
    """Return the digests of what a site has, of hotfixes that the register does not know too."""
    of_known = select(Revision.manifest_sha256).join(Applied, Applied.revision == Revision.id)
    found = session.scalars(of_known.where(Applied.site == site.id, Revision.manifest_sha256.is_not(None)))
    others = session.scalars(select(UnknownHotfix.manifest_sha256).where(UnknownHotfix.site == site.id))
    return frozenset([*map(str, found), *others])


@dataclass(frozen=True)
class Order:
    """Who wants which kit.

    Attributes:
        clock: tells the time, once before and once after the making.
    """

    site: str
    out: Path
    by: str
    clock: Callable[[], datetime]
    as_zip: bool = False


Making = Callable[[datetime], AbstractContextManager[Change]]
"""Opens the change in which a kit is recorded, at a moment."""


def make_site_kit(register: Register, store: Store, key: Signer, order: Order) -> tuple[Kit, Need]:
    """Make a kit for a site as the vendor, and record what went in, and what did not and why.

    Raises:
        RefusedError: who acts may not; or the site may no more be given what went in.
        NotFoundError: there is no such site.
        StateError: nobody knows its level, or what `make_kit` raises.
    """
    began = order.clock()
    with register.refusals_told("kit.make", order.site, order.by, began):
        with register.read() as session:
            require_role(session, order.by, *KEEPERS)
            wanted = need(session, order.site, began)
            session.expunge_all()
        return make_recorded(store, key, order, wanted, lambda now: register.change(order.by, now)), wanted


def make_recorded(store: Store, key: Signer, order: Order, wanted: Need, making: Making) -> Kit:
    """Make a kit with what a site may be given, and record it; one that cannot be recorded is taken away again.

    Raises:
        EntitlementError: the site may no more be given what went in.
        StateError: what `make_kit` raises.
    """
    kit = make_kit(store, key, wanted.wish, order.out, wanted.now, as_zip=order.as_zip)
    try:
        with making(order.clock()) as change:
            _record(change, wanted, kit)
    except BaseException:
        _take_away(kit.out)
        raise
    return kit


def _record(change: Change, wanted: Need, kit: Kit) -> None:
    """Write down what went out and what did not.

    Raises:
        EntitlementError: the site may no more be given something.
    """
    went = [offer.label for offer in kit.choice.releases]
    may = rights(change.session, wanted.site.customer)
    for label in went:
        revision = wanted.revisions[label]
        fresh = change.session.get_one(Revision, revision.id)
        hotfix = change.session.get_one(Hotfix, revision.hotfix)
        if (why := may.why_not(hotfix, fresh, change.now)) is not None:
            raise why.error()
    kept = [offer.label for offer in kit.choice.left_out if offer.label in wanted.withheld]
    outcomes = [*((label, DONE) for label in went), *((label, wanted.withheld[label].reason) for label in kept)]
    for label, outcome in outcomes:
        change.session.add(
            Download(
                customer=wanted.site.customer,
                site=wanted.site.id,
                revision=wanted.revisions[label].id,
                at=change.now,
                how=KIT,
                outcome=outcome,
            )
        )
    change.record("kit.make", wanted.site.name, {"releases": went, "withheld": kept})


def _take_away(out: Path) -> None:
    if out.is_dir():
        shutil.rmtree(out, ignore_errors=True)
    else:
        out.unlink(missing_ok=True)
