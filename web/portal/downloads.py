"""What a customer has fetched, and what was refused."""

from flask import Blueprint, Response

from patchline.patches.errors import UsageError
from patchline.releaser.delivery import past
from patchline.releaser.portal import members
from patchline.web import asking, lists
from patchline.web.lists import Page, Table
from patchline.web.portal import access
from patchline.web.sessions import PORTAL

pages = Blueprint("portal_downloads", __name__, url_prefix=f"{PORTAL}/downloads")
_LONGEST_NUMBER = 18


@pages.get("/")
@access.members
def listed() -> Response:
    """List downloads, the newest first."""
    page, customer = Page.asked(), access.who().customer
    rows = past.listed(asking.reading(), customer, page.most, _before(page.after))
    shown, after = page.cut(rows, lambda one: one.number)
    documents = [one.as_document() for one in shown]
    table = Table("downloads", tuple(documents[0]) if documents else (), [tuple(one.values()) for one in documents])
    document = {"downloads": documents, "after": after}
    names = members.names(asking.reading(), customer)
    return lists.answer("portal/downloads.html", document, table, shown=shown, names=names)


def _before(after: str | None) -> int | None:
    if after is None:
        return None
    if not (after.isascii() and after.isdecimal() and len(after) <= _LONGEST_NUMBER):
        raise UsageError("page", f"{after[:40]!r} is not where a page ended")
    return int(after)
