"""Handing out files of published revisions: to the portal's people, to tokens of sites, and through the channel.

Whoever comes by whichever way, `hand_out` asks the same rule for every request, and writes down the same.
"""

import logging

from flask import Blueprint, Response, g, request

from patchline.patches.channel import HOTFIXES, HotfixName
from patchline.patches.errors import ChannelError, EntitlementError, NotFoundError, PatchlineError, TokenError
from patchline.releaser.access import tokens
from patchline.releaser.access.tokens import Bearer, Scope
from patchline.releaser.delivery import attempts
from patchline.releaser.delivery.attempts import Attempt
from patchline.releaser.delivery.parcels import ZIP, Parcel, Taker, asked, parcel, store_of
from patchline.releaser.fleet.sites import in_service
from patchline.web import access, asking, sending
from patchline.web.access import Access
from patchline.web.byte_ranges import Span
from patchline.web.sending import Place, Sendable, Sent

pages = Blueprint("delivery", __name__)
BY_TOKEN = "site-token"  # noqa: S105 (a kind of access)
_KINDS = {ZIP: "application/zip"}
_LOG = logging.getLogger(__name__)


def hand_out(taker: Taker, file: str, digest: str | None = None) -> Response:
    """Answer the request for a file of a revision.

    Args:
        taker: who asks, for which site.
        file: its name.
        digest: which bytes are meant, None for those of today.

    Raises:
        NotFoundError: there is none of this name for the site, or it has other bytes.
        EntitlementError: why the site gets no bytes; that it was refused is written down.
        StoreError: the store lost it.
    """
    what = asked(file)
    try:
        found = parcel(asking.reading(), taker, what, asking.now())
    except EntitlementError as error:
        asking.close_reading()
        attempts.refused(asking.register(), taker, what, error, asking.now())
        raise
    if digest not in (None, found.sha256):
        raise NotFoundError("download", f"{file} has other bytes by now")
    return _answer(taker, found)


def _answer(taker: Taker, found: Parcel) -> Response:
    kind = _KINDS.get(found.file[-len(ZIP) :], "application/octet-stream")
    wanted = Sendable(found.sha256, found.size, kind, saved_as=found.file)
    if request.method == "HEAD" or wanted.unchanged():
        return sending.headers_alone(wanted)
    span = wanted.span()
    if found.data is not None:
        return sending.data(wanted, span, found.data, _nothing)
    now, place = asking.now(), place_of(found.place, found.name)
    attempt = attempts.open_attempt(asking.register(), asking.reading(), taker, found, span.start, now)
    asking.close_reading()
    if place.sent_by_others:
        answer = sending.stored(wanted, span, place, _nothing)
        attempt.handed(span.start, span.stop, now)
        return answer
    answer = sending.stored(wanted, span, place, _written_down(attempt, span))
    attempt.start(span.start, now)
    return answer


def _nothing(_: int) -> None:
    """Write nothing down."""


def send(found: Parcel) -> Response:
    """Send a file of which nothing is written down here."""
    wanted = Sendable(found.sha256, found.size, _KINDS[ZIP], saved_as=found.file)
    if request.method == "HEAD" or wanted.unchanged():
        return sending.headers_alone(wanted)
    return sending.stored(wanted, wanted.span(), place_of(found.place, found.name), _nothing)


def place_of(place: str, name: str) -> Place:
    """Return where a file of a store of ours lies."""
    register = asking.register()
    accel = register.settings.web_accel
    return Place(store_of(register, place), name, f"{accel}/{place}" if accel else None)


def _written_down(attempt: Attempt, span: Span) -> Sent:
    """Return what writes down how a part ended; the request is over by then, so it holds all that it needs."""
    clock = asking.clock()

    def sent(count: int) -> None:
        try:
            attempt.sent(span.start, span.stop, count, clock())
        except PatchlineError as error:
            _LOG.error("download of %s not written down: %s", attempt.parcel.file, error.message)

    return sent


# By token


def check_token(needed: Access) -> None:
    """Let a site's token in, whose scopes are among what is needed.

    Raises:
        TokenError: it is none that is good.
        ScopeError: it is good for something else.
    """
    kind, _, presented = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not presented:
        raise TokenError("missing", "this address wants a token")
    bearer = tokens.check(asking.reading(), presented.strip(), asking.now())
    for scope in needed.facts:
        bearer.require(Scope(scope))
    asking.close_reading()
    tokens.note_use(asking.register(), bearer, asking.now())
    g.bearer = bearer


def taker_of(bearer: Bearer) -> Taker:
    """Return for which site a token fetches.

    Raises:
        ScopeError: it is no site's.
        NotFoundError, StateError: the site is out of service.
    """
    bearer.require(Scope.DOWNLOAD)
    site = in_service(asking.reading(), str(bearer.site))
    return Taker(site.customer, site.id, site.name, f"{bearer.actor} {bearer.token}")


_download = access.mark(Access(BY_TOKEN, facts=frozenset({Scope.DOWNLOAD})))


@pages.get("/download/<file>")
@_download
def file(file: str) -> Response:
    """Hand out a file to a site's token."""
    return hand_out(taker_of(g.bearer), file)


@pages.get("/channel/targets/hotfixes/<product>/<hotfix>/<name>")
@_download
def release(product: str, hotfix: str, name: str) -> Response:
    """Hand out a release zip under the name that the channel lists."""
    digest, _, revision = name.partition(".")
    try:
        listed = HotfixName.read(f"{HOTFIXES}/{product}/{hotfix}/{revision}")
    except ChannelError:
        raise NotFoundError("download", f"the channel lists no {name[:120]!r}") from None
    return hand_out(taker_of(g.bearer), f"{listed.hotfix}-r{listed.revision}{ZIP}", digest)
