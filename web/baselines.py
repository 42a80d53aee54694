"""Baselines with their fixes, and campaigns: one fix carried to many of them."""

from flask import Blueprint, request
from werkzeug.wrappers import Response

from patchline.releaser import campaigns
from patchline.releaser.catalogue import list_baselines
from patchline.releaser.desk import fix_matrix
from patchline.releaser.documents.campaigns import campaign_document, told
from patchline.releaser.fleet.adoption import lacking_at
from patchline.web import access, asking, lists
from patchline.web.lists import Table

pages = Blueprint("baselines", __name__, url_prefix="/baselines")


@pages.get("/")
@access.people
def listed() -> Response:
    """Show the baselines of a product, and which fix each of them has."""
    session = asking.reading()
    baselines = list_baselines(session)
    products = list(dict.fromkeys(one.product for one in baselines))
    product = request.args.get("product") or next(iter(products), "")
    mine = [one for one in baselines if one.product == product]
    found = fix_matrix.matrix(session, product, [one.label for one in mine])
    rows = [[fix, *(f"{cell.word} {cell.hotfix or ''}".strip() for cell in cells)] for fix, cells in found.rows]
    table = Table(f"fixes-{product}", ["fix", *found.baselines], rows)
    shown = {"products": products, "product": product, "baselines": mine, "matrix": found}
    return lists.answer("baselines/listed.html", fix_matrix.document(found), table, **shown)


@pages.get("/campaigns/<identifier>")
@access.people
def campaign(identifier: str) -> Response:
    """Show how a campaign stands at each of its baselines."""
    session = asking.reading()
    found, stands = campaigns.the_campaign(session, identifier), campaigns.show(session, identifier)
    lacking = lacking_at(session, found, [one.row.baseline for one in stands if one.state != "contained"])
    document = campaign_document(found, stands, lacking)
    columns = ("baseline", "state", "hotfix", "sites_exposed", "problem")
    table = Table(identifier, columns, [[one[name] for name in columns] for one in document["baselines"]])
    rows = [(one, told(one), lacking.get(one.row.baseline)) for one in stands]
    return lists.answer("baselines/campaign.html", document, table, campaign=found, rows=rows)
