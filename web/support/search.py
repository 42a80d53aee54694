"""The one search box: whatever support hears on the phone."""

from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from patchline.releaser.fleet.searching import LONGEST, Hit, search
from patchline.web import access, asking, lists

pages = Blueprint("support", __name__, url_prefix="/support")


@pages.get("/", endpoint="search")
@access.people
def find() -> BaseResponse:
    """Find what is typed; where it names one thing alone, go there."""
    typed = request.args.get("q", "")
    found = search(asking.reading(), typed)
    if request.headers.get("HX-Request"):
        return Response(render_template("support/hits.html", found=found, typed=typed, address=address))
    if found.only is not None and "format" not in request.args:
        return redirect(address(found.only))
    document = {"q": typed, **found.as_document()}
    return lists.answer("support/search.html", document, found=found, typed=typed, longest=LONGEST, address=address)


def address(hit: Hit) -> str:
    """Return where something that was found stands."""
    if hit.kind == "customer":
        return url_for("customers.page", identifier=hit.name)
    if hit.kind in ("hotfix", "cve", "fix"):
        asked: dict[str, Any] = {hit.kind: hit.name}
        return url_for("exposure.page", **asked)
    return url_for("sites.page", name=hit.name)
