"""Sending the report to the vendor's server, for `report --send` and `fetch --send`."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from patchline.patches.site.check_in import Answer, check_in, vendor_of
from patchline.patches.site.inventory import Inventory
from patchline.patches.site.state import Site
from patchline.patches.site.view import View
from patchline.patches.site.web import Web


def send_report(site: Site, inventory: Inventory, vendor: str | None, now: datetime) -> tuple[str, Answer]:
    """Send the report of a site; return the server's address and what it answered.

    Raises:
        SourceError: the server is not known, cannot be reached, or does not take it.
    """
    view = View.of(site)
    web = Web(vendor_of(view.trust.channel, vendor))
    try:
        return web.name, check_in(site, inventory, view, web, now)
    finally:
        web.close()


def answer_document(server: str, answer: Answer) -> dict[str, Any]:
    """Return what a server answered, for scripts."""
    return {"server": server, "verdict": answer.verdict, "again": answer.again, "news": dict(answer.news)}


def answer_lines(server: str, answer: Answer) -> Iterator[str]:
    """Yield the same for people."""
    same = ", the same as before" if answer.again else ""
    yield f"report sent to {server}{same}: {answer.verdict or 'taken'}"
    for label in answer.labels:
        yield f"for this site, says the server: {label}; patchline-site fetch brings it"
    if not answer.labels:
        yield "nothing new for this site, says the server"
