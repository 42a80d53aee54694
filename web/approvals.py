"""Pages of approvers: what waits, the review of one revision, signing it, and the keys of one's browsers."""

import base64
import binascii
from collections.abc import Callable
from datetime import timedelta

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from patchline.patches.documents import digest
from patchline.patches.errors import NotFoundError, UsageError
from patchline.patches.limits import LIMITS
from patchline.patches.root import Root
from patchline.releaser import approvals, bundles, close_up, hotfixes
from patchline.releaser.approval_times import approval_times
from patchline.releaser.approvals import Taken
from patchline.releaser.approving import browser_keys, browser_votes, queue
from patchline.releaser.approving import review as reviewing
from patchline.releaser.delivery.parcels import BUNDLES
from patchline.releaser.policies import newest_root
from patchline.releaser.publishing import put_again
from patchline.releaser.register import Change
from patchline.releaser.states import OFFERED, Action, State
from patchline.web import access, asking, delivery, figures, lists, sending, server_keys
from patchline.web.lists import Table
from patchline.web.sending import Sendable

pages = Blueprint("approvals", __name__, url_prefix="/approvals")
_SHOWN = timedelta(days=180)
"""So far back it is shown how long approvals took."""


@pages.get("/", endpoint="queue")
@access.people
def queue_page() -> Response:
    """Show what waits for approvals, and why its reader may or may not sign."""
    rows = queue.queue(asking.reading(), asking.person())
    documents = [queue.document(one) for one in rows]
    columns = ("hotfix", "revision", "severity", "product", "baseline", "title", "since", "needed", "you_may")
    table = Table("approvals", columns, [[one[name] for name in columns] for one in documents])
    took = approval_times(asking.reading(), asking.now() - _SHOWN)
    plot = figures.time_to_approve(took, asking.now()) if took else None
    return lists.answer("approvals/queue.html", {"approvals": documents}, table, rows=rows, plot=plot)


@pages.get("/<identifier>")
@access.people
def review(identifier: str) -> Response:
    """Show everything about a revision that is to be signed, on one page."""
    found = reviewing.review(asking.register(), identifier, asking.person(), asking.now())
    return lists.answer("approvals/review.html", close_up.document(found.close), review=found)


@pages.post("/<identifier>/sign")
@access.own
def sign(identifier: str) -> Response:
    """Take in what the reader's browser signed."""
    given, signature = request.form, _signature()
    names = ("manifest", "moment", "keyid")
    shown = {name: given.get(name, "") for name in names}

    def take(change: Change, root: Root) -> Taken:
        return browser_votes.take(change, identifier, **shown, signature=signature, root=root)

    return _taken(identifier, take)


@pages.post("/<identifier>/upload")
@access.people
def upload(identifier: str) -> Response:
    """Take in an approval that was signed on the command line; who approved follows from the key."""
    given = request.files.get("approval")
    data = given.read(LIMITS.sidecar + 1) if given else b""
    if not data:
        raise UsageError("page", "choose the file that patchline bundle approve wrote")
    ratifies = _ratifies(identifier)

    def take(change: Change, root: Root) -> Taken:
        return (approvals.ratify if ratifies else approvals.take)(change, identifier, data, root)

    return _taken(identifier, take)


def _ratifies(identifier: str) -> bool:
    return State(hotfixes.find(asking.reading(), identifier).state) in OFFERED


def _taken(identifier: str, take: Callable[[Change, Root], Taken]) -> Response:
    """Take an approval in; one that ratifies is offered to sites at once."""
    register, ratifies = asking.register(), _ratifies(identifier)
    channel, root = server_keys.channel() if ratifies else None, newest_root(register)
    with asking.attempt("hotfix.ratify" if ratifies else "hotfix.approve", identifier) as change:
        taken = take(change, root)
        named, told = hotfixes.label(taken.revision), approvals.words(taken)
    if channel is not None:
        put_again(register, channel, asking.person(), asking.now(), named)
    flash(f"{named} {told}", "good")
    return redirect(url_for("approvals.review", identifier=named), 303)


@pages.post("/<identifier>/reject")
@access.people
def reject(identifier: str) -> Response:
    """End the review."""
    with asking.attempt("hotfix.reject", identifier) as change:
        revision = hotfixes.stop(change, identifier, Action.REJECT, request.form.get("reason", ""))
    flash(f"{hotfixes.label(revision)} is rejected; its engineer reads the reason.", "good")
    return redirect(url_for("approvals.queue"), 303)


@pages.get("/<identifier>/files/<name>")
@access.people
def file(identifier: str, name: str) -> Response:
    """Hand out the bundle, its manifest or what was signed about it, for looking at it elsewhere."""
    session = asking.reading()
    kept = bundles.release_set(session, hotfixes.find(session, identifier))
    sidecars = {f"{kept.name}{ending}": data for ending, data in kept.files().items()}
    small = {"manifest.json": kept.manifest.data, **sidecars}
    if name != kept.name and name not in small:
        raise NotFoundError("file", f"{kept.label} has no file {name[:80]!r}")
    data = small.get(name)
    size, etag = (kept.size, kept.container) if data is None else (len(data), digest(data))
    what = Sendable(etag, size, "application/octet-stream", saved_as=name)
    if request.method == "HEAD" or what.unchanged():
        return sending.headers_alone(what)
    if data is not None:
        return sending.data(what, what.span(), data, lambda _: None)
    place = delivery.place_of(BUNDLES, bundles.bundle_place(kept.container))
    return sending.stored(what, what.span(), place, lambda _: None)


@pages.get("/keys")
@access.people
def keys() -> Response:
    """Show the keys of the reader's browsers; the script makes one."""
    found = browser_keys.listed(asking.reading(), asking.person())
    return lists.answer("approvals/keys.html", {"keys": [browser_keys.document(one) for one in found]}, keys=found)


@pages.post("/keys")
@access.own
def enrol() -> Response:
    """Take in the key that the reader's browser has made."""
    device, public = request.form.get("device", ""), request.form.get("public", "").replace("\r\n", "\n")
    with asking.attempt("person.key", asking.person()) as change:
        made = browser_keys.enrol(change, device, public, _signature())
    flash(f"The key of {made.device} is made, and not yet in the policy: see below what is to be done.", "good")
    return redirect(url_for("approvals.keys"), 303)


@pages.post("/keys/<keyid>/retire")
@access.own
def retire(keyid: str) -> Response:
    """Let a key sign no more here."""
    with asking.attempt("person.key-retire", asking.person()) as change:
        ended = browser_keys.retire(change, keyid)
    flash(f"The key of {ended.device} signs no more here. The policy must retire it too.", "good")
    return redirect(url_for("approvals.keys"), 303)


@pages.get("/keys/<keyid>/enrolment")
@access.people
def enrolment(keyid: str) -> Response:
    """Hand out an enrolment, for those who make the policy."""
    name, data = browser_keys.enrolment_of(asking.reading(), keyid)
    response = Response(data, mimetype="application/octet-stream")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _signature() -> bytes:
    try:
        return base64.b64decode(request.form.get("signature", ""), validate=True)
    except (binascii.Error, ValueError):
        raise UsageError("page", "the signature is no base64") from None
