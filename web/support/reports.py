"""What sites say of themselves: taken from a file or a pasted mail, with its verdict; and what was taken lately."""

from collections.abc import Iterator

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response as BaseResponse

from patchline.patches.errors import PatchlineError, UsageError
from patchline.releaser.documents.reports import report_document
from patchline.releaser.fleet import enrolling, report_lists
from patchline.releaser.fleet.reading import MOST_BYTES
from patchline.releaser.fleet.reports import receive_all
from patchline.releaser.fleet.taking import Taken
from patchline.releaser.fleet.verdicts import Verdict
from patchline.releaser.tables.people import Role
from patchline.web import access, asking, lists
from patchline.web.lists import Page, Table

pages = Blueprint("reports", __name__, url_prefix="/support/reports")
_AROUND = 1 << 16
_MOST_TOLD = 20


@pages.url_value_preprocessor
def _allow(endpoint: str | None, _: object) -> None:
    """Let a form be as large as what it may carry; before anything reads it."""
    if endpoint == "reports.take":
        request.max_content_length = 2 * MOST_BYTES + _AROUND
        request.max_form_memory_size = MOST_BYTES + _AROUND


@pages.get("/")
@access.people
def listed() -> Response:
    """List what was taken, the newest first, and show the form that takes more."""
    page, verdict = Page.asked(), request.args.get("verdict") or None
    found = report_lists.listed(asking.reading(), verdict, page.most, page.after)
    shown, after = page.cut(found, lambda one: one.number)
    rows = [report_document(one) for one in shown]
    table = Table("reports", list(rows[0]) if rows else (), [list(row.values()) for row in rows])
    return lists.answer(
        "support/reports.html",
        {"reports": rows, "after": after},
        table,
        shown=shown,
        verdicts=[str(one) for one in Verdict],
    )


@pages.post("/")
@access.roles(Role.SUPPORT, Role.RELEASE_MANAGER)
def take() -> BaseResponse:
    """Take what was uploaded or pasted; what became of it stands on the next page."""
    site = request.form.get("site", "").strip() or None
    brought = list(_brought())
    if not brought:
        raise UsageError("report-form", "nothing was brought: choose a file, or paste the text of a mail")
    taken = [_one(name, data, site) for name, data in brought]
    outcomes = [one for some in taken for one in some]
    if len(outcomes) == 1 and isinstance(outcomes[0][1], PatchlineError):
        raise outcomes[0][1]
    for tone, words in [_told(name, what) for name, what in outcomes][:_MOST_TOLD]:
        flash(words, tone)
    sites = {one.site for _, one in outcomes if isinstance(one, Taken) and one.site is not None}
    return redirect(url_for("sites.page", name=sites.pop()) if len(sites) == 1 else url_for("reports.listed"), 303)


def _brought() -> Iterator[tuple[str, bytes]]:
    files: list[FileStorage] = request.files.getlist("files")
    for file in files:
        if file.filename:
            yield file.filename[:200], file.read()
    if text := request.form.get("text", "").strip():
        yield "what was pasted", text.encode()


Outcome = Taken | enrolling.Key | PatchlineError


def _one(name: str, data: bytes, site: str | None) -> list[tuple[str, Outcome]]:
    if enrolling.is_enrolment(data):
        try:
            with asking.attempt("site.enrol", site or name) as change:
                return [(name, enrolling.take(change, data, site))]
        except PatchlineError as error:
            return [(name, error)]
    by, now, register = asking.person(), asking.now(), asking.register()
    asking.close_reading()
    return list(receive_all(register, [(name, data)], by, now, site))


def _told(name: str, what: Outcome) -> tuple[str, str]:
    """Return the tone and the words of what became of one."""
    if isinstance(what, PatchlineError):
        return "bad", f"{name}: not taken: {what.message}. {what.hint}"
    if isinstance(what, enrolling.Key):
        return "warn", f"{what.site}: a key waits for its fingerprint: call them, and type what you hear"
    return ("good" if what.verdict is Verdict.ACCEPTED else "warn"), str(what)
