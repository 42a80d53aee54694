"""The audit log as pages: how the chain stands, what happened, and both to take away."""

import tempfile

from flask import Blueprint, Response, request, send_file

from patchline.patches.audit_chain import Checkpoint
from patchline.patches.errors import UsageError
from patchline.patches.statements import time_text
from patchline.releaser import audit_reading, auditing
from patchline.releaser.audit_reading import Wanted
from patchline.releaser.tables.people import Role
from patchline.web import access, asking, lists
from patchline.web.lists import Page, Table

pages = Blueprint("audit", __name__, url_prefix="/audit")
COLUMNS = ("sequence", "at", "by", "action", "subject", "facts", "digest")


@pages.get("/")
@access.roles(Role.ENGINEER, Role.RELEASE_MANAGER)
def events() -> Response:
    """Show how the chain stands and what happened, the newest first."""
    page, given, reading = Page.asked(), request.args, asking.reading()
    action, subject, person = (given.get(name, "").strip() or None for name in ("action", "subject", "person"))
    wanted = Wanted(action, subject, person)
    seen = audit_reading.look(reading, wanted, page.limit, _number(page.after))
    standing = audit_reading.standing(reading, whole=given.get("verify") == "all")
    document = {
        "chain": standing.as_document(),
        "events": [one.as_document() for one in seen.events],
        "after": seen.after,
    }
    rows = [[getattr(one, name) for name in COLUMNS] for one in seen.events]
    table, most = Table("events", COLUMNS, rows), audit_reading.LOOKED_THROUGH
    return lists.answer("audit/events.html", document, table, standing=standing, seen=seen, wanted=wanted, most=most)


def _number(given: str | None) -> int | None:
    if given is None:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) < 16):
        raise UsageError("page", "events go on before a number")
    return int(given)


@pages.get("/export")
@access.roles(Role.ENGINEER, Role.RELEASE_MANAGER)
def export() -> Response:
    """Hand the whole chain out, an event a line."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it was sent)
    auditing.export(asking.reading(), file)
    file.seek(0)
    return send_file(file, "application/jsonl", as_attachment=True, download_name="events.jsonl")


@pages.get("/checkpoint")
@access.roles(Role.ENGINEER, Role.RELEASE_MANAGER)
def checkpoint() -> Response:
    """Hand out how the chain stands, to be kept where nobody who has the database comes."""
    standing = audit_reading.standing(asking.reading(), whole=False)
    answer = Response(
        Checkpoint(standing.count, standing.head, time_text(asking.now())).as_bytes(), mimetype="application/json"
    )
    answer.headers.set("Content-Disposition", "attachment", filename=f"checkpoint-{standing.count}.json")
    return answer
