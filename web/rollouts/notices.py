"""Messages to customers about a hotfix or its recall: read before they go out, then left to a worker."""

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from patchline.patches.errors import StateError
from patchline.patches.wording import counted
from patchline.releaser.documents.rollouts import pending_document
from patchline.releaser.rollouts import drafting, notices
from patchline.releaser.tables.people import Role
from patchline.releaser.work import asking as wishes
from patchline.web import access, asking, lists
from patchline.web.leaving import left
from patchline.web.lists import Table

pages = Blueprint("notices", __name__, url_prefix="/rollouts/notices")


@pages.get("/<identifier>")
@access.people
def page(identifier: str) -> Response:
    """Show what would be told to whom."""
    session, now = asking.reading(), asking.now()
    drafts = drafting.draft(session, identifier, now)
    found = notices.pending(session, drafts.drafts)
    rows = pending_document(found)
    document = {
        "revision": drafts.label,
        "purpose": drafts.purpose,
        "messages": rows,
        "left_out": {reason: list(names) for reason, names in drafts.left_out.items()},
        "without_contact": list(drafts.unreachable),
    }
    table = Table(f"messages-{drafts.label}", list(rows[0]) if rows else (), [list(row.values()) for row in rows])
    new = notices.to_tell(found, again=False)
    return lists.answer("rollouts/notices.html", document, table, drafts=drafts, found=found, new=new)


@pages.post("/<identifier>")
@access.roles(Role.SUPPORT, Role.RELEASE_MANAGER)
def send(identifier: str) -> BaseResponse:
    """Leave the messages that nobody got yet to a worker, just as they were shown."""
    session, now = asking.reading(), asking.now()
    chosen = notices.to_tell(notices.pending(session, drafting.draft(session, identifier, now).drafts), again=False)
    if sorted(request.form.getlist("message")) != sorted(one.draft.identity(one.attempt) for one in chosen):
        raise StateError("notices-changed", "the messages are not those that you read: something changed meanwhile")
    with asking.attempt("notice.ask", identifier) as change:
        wish = wishes.notification(change, chosen)
    flash(f"{counted(len(chosen), 'message')}: {left(wish)}", "good")
    return redirect(url_for("notices.page", identifier=identifier), 303)
