"""Where sites check in: they send their signed report and hear whether there is something new."""

from flask import Flask, Response, current_app, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field

from patchline.releaser.fleet.check_ins import Desk
from patchline.releaser.fleet.reading import MOST_BYTES
from patchline.web import access, asking
from patchline.web.api.doors import PREFIX

sites = APIBlueprint("api-check-in", __name__, url_prefix=PREFIX, abp_tags=[Tag(name="sites")])
_KEY = "patchline-desk"
_REPORT = {"application/json": {"schema": {"type": "object", "description": "docs/report-format.md"}}}


class Known(BaseModel):
    """What the site knows already."""

    model_config = ConfigDict(extra="forbid")

    known: str | None = Field(
        None, max_length=80, description="The ETag of the last answer; the same is not told again."
    )


class New(BaseModel):
    """A hotfix that the site may have."""

    hotfix: str
    severity: str
    kind: str
    title: str


class News(BaseModel):
    """What there is for a site. It is a hint to fetch; only the channel's signatures count."""

    site: str
    policy: int | None = Field(description="Number of the newest policy.")
    recalls: int | None = Field(description="Number of the newest recall list.")
    new: list[New]
    recalled: list[str] = Field(description="What is applied there and was recalled.")


def furnish(app: Flask) -> None:
    """Give an app the desk at which sites check in."""
    app.extensions[_KEY] = Desk(asking.served(app).register)


@sites.post(
    "/check-in",
    responses={200: News, 204: {"description": "Nothing new since `known`"}},
    openapi_extensions={"requestBody": {"required": True, "content": _REPORT}},
    operation_id="check_in",
)
@access.anyone
def check_in(query: Known) -> Response:
    """Take a site's report, known by its signature alone, and answer what is new for it.

    The report is the envelope that `patchline-site report` makes. The same one may be sent again and again. The verdict
    on it stands in the header `Patchline-Verdict`.
    """
    request.max_content_length = MOST_BYTES + 1
    desk: Desk = current_app.extensions[_KEY]
    reply = desk.check_in(request.get_data(cache=False), asking.now())
    same = query.known is not None and query.known.strip('"') == reply.etag
    response = Response(status=204) if same else Response(reply.answer, mimetype="application/json")
    response.set_etag(reply.etag)
    response.headers["Patchline-Verdict"] = reply.verdict
    return response
