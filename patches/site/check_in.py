"""Checking in at the vendor's server: this site's signed report goes there, and what there is for it comes back.

- What comes back is a hint: nobody signed it. What is new, and what was recalled, says the channel alone.
- As long as nothing changed here the same report is sent again, byte by byte, for some hours: it needs no number and no
  signature of its own, and the server answers it at once.
- The lock of the site is held while a report gets its number, and not while the network is waited for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from patchline.patches import documents
from patchline.patches.errors import DocumentError, InstallationError, SourceError
from patchline.patches.fields import Fields
from patchline.patches.site.inventory import Inventory
from patchline.patches.site.report import make_report, subject_of
from patchline.patches.site.state import Site, locked
from patchline.patches.site.view import View
from patchline.patches.site.web import Sent, Web

PATH = "api/v1/check-in"
_FILE = "check-in.json"
_LIMIT = 1 << 20
_AGAIN = timedelta(hours=12)
"""How long the same report is sent again; then a new one says that nothing changed."""


@dataclass(frozen=True)
class Answer:
    """What the vendor's server said.

    Attributes:
        verdict: what became of the report.
        again: the same report had been sent before.
        news: what there is for this site, as the server says.
    """

    verdict: str
    again: bool
    news: Mapping[str, Any]

    @property
    def labels(self) -> list[str]:
        """The hotfixes that the server says this site may have."""
        return [str(one.get("hotfix")) for one in self.news.get("new", ()) if isinstance(one, dict)]


@dataclass(frozen=True)
class _Kept:
    """What was sent last: the report's line, what it is about, when; and the answer with its name."""

    subject: str
    sent: str
    line: str
    etag: str = ""
    news: str = "{}"

    @classmethod
    def of(cls, site: Site) -> "_Kept | None":
        data = site.read_document(_FILE)
        if data is None:
            return None
        fields = Fields(documents.decode(data, what=_FILE), _FILE, InstallationError)
        texts = {name: fields.text(name, limit=_LIMIT) for name in ("subject", "sent", "line", "news")}
        return cls(**texts, etag=fields.text("etag", limit=200) if fields.has("etag") else "")

    def write(self, site: Site) -> None:
        document = {key: value for key, value in vars(self).items() if value}
        site.disk.replace(site.state, _FILE, documents.encode(document))


def vendor_of(channel: str | None, given: str | None) -> str:
    """Return the address of the vendor's server: the one that is given, or that which serves the channel itself.

    Raises:
        SourceError: nobody knows it.
    """
    if given:
        return given
    if channel and channel.startswith(("http://", "https://")) and channel.rstrip("/").endswith("/channel"):
        return channel.rstrip("/").removesuffix("/channel")
    raise SourceError("no-vendor", "this site does not know the vendor's server")


def check_in(site: Site, inventory: Inventory, view: View, web: Web, now: datetime) -> Answer:
    """Send the report of a site, and return what is answered.

    Raises:
        SourceError: the server cannot be reached, or does not take the report.
    """
    subject = subject_of(inventory, view, now)
    with locked(site, now):
        kept = _Kept.of(site)
        again = kept is not None and _holds(kept, subject, now)
        if kept is None or not again:
            envelope = make_report(inventory, view, now)
            if not envelope.signatures:
                raise SourceError(
                    "refused", "nothing here can sign, and the vendor's server takes signed reports alone"
                )
            line = documents.encode(envelope.as_document()).decode()
            kept = _Kept(subject, now.isoformat(timespec="seconds"), line)
            kept.write(site)
    sent = web.send(f"{PATH}?known={quote(kept.etag)}" if kept.etag else PATH, kept.line.encode(), _LIMIT)
    kept = _answered(kept, sent, web.name)
    with locked(site, now):
        kept.write(site)
    verdict = sent.header("Patchline-Verdict")[:40]
    return Answer(verdict if verdict.isprintable() else "", again, json.loads(kept.news))


def _holds(kept: _Kept, subject: str, now: datetime) -> bool:
    """Tell whether the report that was sent last still says how it is here."""
    try:
        age = now - datetime.fromisoformat(kept.sent)
    except (ValueError, TypeError):
        return False
    return kept.subject == subject and timedelta(0) <= age < _AGAIN


def _answered(kept: _Kept, sent: Sent, server: str) -> _Kept:
    if sent.status == 204 and kept.etag:
        return kept
    if sent.status != 200:
        raise SourceError("refused", f"{server} does not take the report: {_reason(sent)}")
    try:
        news = documents.decode(sent.body, what="the answer", limit=_LIMIT)
    except DocumentError:
        raise SourceError("status", f"{server} gave an answer that is none of Patchline's") from None
    etag = sent.header("ETag").strip('"')
    etag = etag if len(etag) <= 80 and etag.isalnum() else ""
    return _Kept(kept.subject, kept.sent, kept.line, etag, documents.encode(news).decode())


def _reason(sent: Sent) -> str:
    """Return what a refusal says, in a few words."""
    try:
        problem = json.loads(sent.body)
        return str(problem["detail"])[:400]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {sent.status}"
