"""How a customer's sites stand, what is for each, and its files."""

from flask import Blueprint, Response

from patchline.releaser.portal import fetching, outlook, own_recalls
from patchline.releaser.portal.fetching import Offer
from patchline.releaser.portal.outlook import Outlook
from patchline.web import asking, lists
from patchline.web.delivery import hand_out
from patchline.web.lists import Table
from patchline.web.portal import access
from patchline.web.sessions import PORTAL

pages = Blueprint("portal", __name__, url_prefix=PORTAL)


@pages.get("/")
@access.members
def overview() -> Response:
    """Say in one sentence how it stands, and in one for each site."""
    found = outlook.outlooks(asking.reading(), access.who(), asking.now())
    recalls = [one for one in own_recalls.listed(asking.reading(), access.who().customer) if one.said is None]
    tone, sentence = outlook.whole(found)
    document = {"sentence": sentence, "tone": tone, "sites": [_document(one) for one in found]}
    shown = {"found": found, "how": tone, "sentence": sentence, "recalls": recalls}
    return lists.answer("portal/overview.html", document, None, **shown)


def _document(one: Outlook) -> dict[str, object]:
    level = one.account.level
    return {
        "site": one.site.name,
        "tone": one.tone,
        "sentence": one.sentence,
        "level": level.label,
        "ready": [at.revision.label for at in one.ready],
        "recalled": [at.revision.label for at in one.recalled],
    }


@pages.get("/sites/<site>/")
@access.members
def site(site: str) -> Response:
    """Show what a site may take, in the order of applying, what waits, and what is there."""
    stands, offers = _offers(site)
    rows = [fetching.as_document(one) for one in offers]
    document = {**_document(stands), "offers": rows}
    columns = tuple(rows[0]) if rows else ()
    table = Table(f"{stands.site.name}-hotfixes", columns, [tuple(row.values()) for row in rows])
    return lists.answer("portal/site.html", document, table, stands=stands, offers=offers)


def _offers(name: str) -> tuple[Outlook, list[Offer]]:
    """Return how a site of the customer stands, and what it may take."""
    own, who = access.site(name), access.who()
    stands = outlook.outlooks(asking.reading(), who, asking.now(), own)[0]
    return stands, fetching.offers(asking.reading(), stands)


@pages.get("/sites/<site>/hotfixes/<label>/")
@access.members
def hotfix(site: str, label: str) -> Response:
    """Show how a hotfix is fetched, checked, applied and taken back."""
    stands, offers = _offers(site)
    one = fetching.the_offer(offers, label)
    commands = one.commands(asking.register().settings.web_address)
    document = {**fetching.as_document(one), "commands": commands}
    return lists.answer("portal/hotfix.html", document, stands=stands, one=one, commands=commands)


@pages.get("/sites/<site>/files/<file>")
@access.members
def file(site: str, file: str) -> Response:
    """Hand out a file of a hotfix for a site."""
    return hand_out(access.taker(site), file)
