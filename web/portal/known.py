"""What the vendor knows about a customer, all of it on one page and as a file."""

from flask import Blueprint, Response

from patchline.releaser.portal import known
from patchline.web import asking, lists
from patchline.web.portal import access
from patchline.web.sessions import PORTAL

pages = Blueprint("portal_known", __name__, url_prefix=f"{PORTAL}/known")


@pages.get("/")
@access.members
def page() -> Response:
    """Show it."""
    document = known.document(asking.reading(), access.who().customer, asking.now())
    return lists.answer("portal/known.html", document, known=document)
