"""Kits for sites without a network: ordered, watched while they are made, fetched."""

import logging
import threading

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from patchline.patches.errors import PatchlineError, UsageError
from patchline.patches.passphrases import credential
from patchline.releaser.portal import kit_orders
from patchline.releaser.register import Register
from patchline.releaser.work.carrying import carry_out
from patchline.releaser.work.jobs import Workshop
from patchline.web import asking, delivery
from patchline.web.portal import access
from patchline.web.sessions import PORTAL

pages = Blueprint("portal_kits", __name__, url_prefix=f"{PORTAL}/sites/<site>/kits")
_LOG = logging.getLogger(__name__)


@pages.get("/")
@access.members
def listed(site: str) -> str:
    """Show the kits of a site, and where one is ordered."""
    own = access.site(site)
    found = kit_orders.listed(asking.reading(), own, asking.now())
    return render_template("portal/kits.html", site=own, found=found)


@pages.get("/now")
@access.members
def now(site: str) -> str:
    """Show the list of kits alone, for a page that looks again."""
    own = access.site(site)
    found = kit_orders.listed(asking.reading(), own, asking.now())
    return render_template("portal/kit_list.html", site=own, found=found)


@pages.post("/")
@access.members
def order(site: str) -> BaseResponse:
    """Order a kit."""
    whole = request.form.get("what", "") == "all"
    with access.attempt("kit.order", site[:64]) as change:
        number = kit_orders.ask(change, access.who(), site, whole=whole)
    _begin(asking.register(), number)
    flash(f"Kit {number} is ordered.", "good")
    return redirect(url_for("portal_kits.listed", site=site), 303)


def _begin(register: Register, number: int) -> None:
    """Make it in the background where no worker stays, if the key of kits may be used here."""
    passphrase = credential("kit")
    if not register.database.is_sqlite or passphrase is None:
        return
    workshop, clock = Workshop(register, lambda _: passphrase), asking.clock()

    def carry() -> None:
        try:
            carry_out(workshop, number, clock)
        except PatchlineError as error:  # It stays open, and whoever runs a worker makes it.
            _LOG.error("kit %d is not made: %s", number, error.message)

    threading.Thread(target=carry, name=f"kit-{number}").start()


@pages.get("/kit-<number>.zip")
@access.members
def file(site: str, number: str) -> Response:
    """Hand out a kit."""
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise UsageError("page", f"{number[:20]!r} is no number of a kit")
    taker, own = access.taker(site), access.site(site)
    return delivery.send(kit_orders.parcel(asking.reading(), taker, own, int(number), asking.now()))
