"""Reporting a level: what is brought is shown as it would be sent, then sent, and answered with a receipt."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from patchline.patches.errors import ReportError, UsageError
from patchline.releaser.fleet.reading import MOST_BYTES
from patchline.releaser.fleet.verdicts import Verdict
from patchline.releaser.portal import reporting
from patchline.web import asking
from patchline.web.portal import access
from patchline.web.sessions import PORTAL

pages = Blueprint("portal_reports", __name__, url_prefix=f"{PORTAL}/sites/<site>/report")
_AROUND = 1 << 16
_LARGE = ("portal_reports.preview", "portal_reports.send")


@pages.url_value_preprocessor
def _allow(endpoint: str | None, _: object) -> None:
    """Let a form be as large as a report may be; before anything reads it."""
    if endpoint in _LARGE:
        request.max_content_length = 2 * MOST_BYTES + _AROUND
        request.max_form_memory_size = MOST_BYTES + _AROUND


@pages.get("/")
@access.members
def form(site: str) -> str:
    """Show how a level is reported."""
    return render_template("portal/report.html", site=access.site(site))


@pages.post("/")
@access.members
def preview(site: str) -> str:
    """Show all that would be sent; nothing is kept."""
    own, brought = access.site(site), _brought()
    asking.close_reading()
    shown = reporting.preview(asking.register(), access.who(), site, brought)
    return render_template("portal/preview.html", site=own, shown=shown, said=shown.carried.statement)


def _brought() -> bytes:
    upload = request.files.get("file")
    data = upload.read(MOST_BYTES + 1) if upload is not None and upload.filename else b""
    data = data or request.form.get("text", "").strip().encode()
    if not data:
        raise UsageError("portal-report", "nothing was brought: choose the file, or paste the text")
    if len(data) > MOST_BYTES:
        raise ReportError("too-large", f"a report has at most {MOST_BYTES >> 20} MiB")
    return data


@pages.post("/send")
@access.members
def send(site: str) -> Response:
    """Send what was shown."""
    data, _ = request.form.get("report", "").encode(), access.site(site)
    asking.close_reading()
    receipt = reporting.send(asking.register(), access.who(), site, data, asking.now())
    good = receipt.taken.verdict in (Verdict.ACCEPTED, Verdict.REPEATED, Verdict.REPLAYED, Verdict.OUT_OF_ORDER)
    words = f"Received {receipt.digest[:12]}: {_words(receipt.taken.verdict)}"
    flash(words, "good" if good else "warn")
    return redirect(url_for("portal.site", site=site), 303)


def _words(verdict: Verdict) -> str:
    """Return what became of a report, without what only the vendor can do about it."""
    return f"{verdict.words.partition(' (')[0]}."
