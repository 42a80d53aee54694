"""How pages say moments, sizes and digests, and which picture goes with which state."""

from datetime import datetime

from flask import Flask
from markupsafe import Markup

from patchline.patches.statements import time_text
from patchline.patches.wording import counted, readable_size
from patchline.releaser.fleet.words import age, known
from patchline.web import asking

GOOD, BUSY, WARN, BAD, OFF = "good", "busy", "warn", "bad", "off"
TONES = {
    **dict.fromkeys(("approved", "published", "applied", "works", "done", "returned", "free", "acknowledged"), GOOD),
    **dict.fromkeys(("verified", "active", "good", "ratified"), GOOD),
    **dict.fromkeys(
        ("draft", "built", "planned", "applicable", "available", "downloaded", "reserved", "issuing"), BUSY
    ),
    **dict.fromkeys(("attention", "refused"), WARN),
    **dict.fromkeys(("revoked",), BAD),
    **dict.fromkeys(("in-review", "running", "on-loan", "revoking", "soaking"), BUSY),
    **dict.fromkeys(("fixed", "in-the-baseline"), GOOD),
    **dict.fromkeys(("under-way",), BUSY),
    **dict.fromkeys(
        ("important", "held", "paused", "due-soon", "pending-restart", "pending", "stale", "told", "unratified"), WARN
    ),
    **dict.fromkeys(
        ("critical", "recalled", "rejected", "overdue", "quarantined", "failed", "stopped", "expired", "affected"), BAD
    ),
    **dict.fromkeys(("abandoned", "not-applicable", "superseded", "unknown", "never-reported", "disabled"), OFF),
}
"""Tone of each state; what is not named has the quiet one. A tone is a colour and a picture, never alone: the word stands beside."""
ICONS = {GOOD: "check", BUSY: "dot", WARN: "alert", BAD: "stop", OFF: "minus"}


def tone(state: str) -> str:
    """Return the tone of a state."""
    return TONES.get(state.replace(" ", "-").lower(), OFF)


def icon(name: str) -> Markup:
    """Return a picture of the sheet; it says nothing that the text beside it does not."""
    return Markup(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="/static/icons.svg#{}"></use></svg>'
    ).format(name)


def moment(value: datetime | None, nothing: str = "never") -> Markup:
    """Return a moment: its day and time in UTC, and how long ago it was as the title."""
    if value is None:
        return Markup("{}").format(nothing)
    # What lies ahead has no age.
    title = age(value, asking.now()) if value <= asking.now() else f"in {counted((value - asking.now()).days, 'day')}"
    form = Markup('<time datetime="{}" title="{}">{}</time>')
    return form.format(time_text(value), title, f"{value:%Y-%m-%d %H:%M} UTC")


def since(value: datetime | None) -> str:
    """Return how long ago a moment was."""
    return age(value, asking.now())


def evidence(grade: str, as_of: datetime | None) -> str:
    """Return how we know something, of when, and how old that is."""
    return known(grade, as_of, asking.now())


def short(digest: str) -> Markup:
    """Return the beginning of a digest, with all of it to be copied and read."""
    return Markup('<code class="digest" title="{0}">{1}</code>').format(digest, digest[:12])


def teach(app: Flask) -> None:
    """Let templates use them."""
    app.jinja_env.globals.update(
        icon=icon, tone=tone, tone_icon=lambda state: icon(ICONS[tone(state)]), counted=counted
    )
    app.jinja_env.filters.update(moment=moment, since=since, size=readable_size, short=short)
    app.jinja_env.globals.update(evidence=evidence, now=asking.now)
