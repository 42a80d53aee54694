"""`patchline-site fetch`: what is new for this site, from the channel or a kit."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from patchline.patches.errors import SourceError
from patchline.patches.site.accepting import offer_documents, offer_lines
from patchline.patches.site.check_in import Answer
from patchline.patches.site.command_look import take
from patchline.patches.site.command_options import EXISTING, clock, site_options, stale_option, the_site
from patchline.patches.site.command_send import answer_document, answer_lines, send_report
from patchline.patches.site.download_tokens import read_token
from patchline.patches.site.fetching import Fetched, fetch
from patchline.patches.site.offers import Standing
from patchline.patches.site.sources import opened_source
from patchline.patches.site.view import site_trust
from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, note, report


@click.command("fetch", epilog=example("patchline-site fetch", "patchline-site fetch --from /media/stick/kit"))
@click.option("--from", "given", metavar="URL|DIR", help="Channel or kit; default: the channel of the trust file.")
@click.option(
    "--token-file",
    metavar="FILE",
    type=EXISTING,
    envvar="PATCHLINE_TOKEN_FILE",
    help="File with the token for the vendor's server, or with the header line of it; readable by its owner alone.",
)
@click.option("--send", is_flag=True, help="Then send this site's report to the vendor's server.")
@click.option(
    "--to", "vendor", metavar="URL", envvar="PATCHLINE_VENDOR", help="The vendor's server; default: the channel's own."
)
@stale_option
@site_options
@json_option
def fetch_command(
    root: Path | None,
    state_folder: Path | None,
    stale: datetime | None,
    given: str | None,
    token_file: Path | None,
    vendor: str | None,
    *,
    send: bool,
) -> None:
    """Take the newest policy and recalls, and bring what is new for this site; apply nothing.

    With --send the report goes out afterwards, and it is a warning when the vendor's server names a hotfix for this site
    that the channel does not list. A server that hands hotfixes to tokens alone is asked with --token-file; policy and
    recalls are taken, and the report is sent, before it is an error that it hands out nothing.
    """
    token = read_token(token_file) if token_file else None
    with the_site(root, state_folder) as site:
        address = given or site_trust(site).channel
        if address is None:
            raise SourceError("none", "this site knows no channel to fetch from")
        with opened_source(address, token) as source:
            fetched = fetch(site, source, clock(), stale)
        sent = send_report(site, take(site, check=True), vendor, clock()) if send else None
    warnings = [*fetched.warnings, *(_unlisted(fetched, sent[1]) if sent else [])]
    for warning in warnings:
        note(f"warning: {warning}")
    if fetched.refused is not None:
        raise fetched.refused
    document = {**_document(fetched), "warnings": warnings, "sent": answer_document(*sent) if sent else None}
    report(document, "\n".join([*_lines(fetched), *(answer_lines(*sent) if sent else [])]))


def _unlisted(fetched: Fetched, answer: Answer) -> list[str]:
    """Return what the server names and the channel does not: one of the two is not up to date."""
    listed = {offer.label for offer in fetched.offers}
    return [
        f"the vendor's server names {one}, which the channel does not list"
        for one in answer.labels
        if one not in listed
    ]


def _document(fetched: Fetched) -> dict[str, Any]:
    view, tree = fetched.look.view, fetched.look.tree
    expires, role = tree.expires
    client = fetched.client
    offers = offer_documents(fetched.offers)
    return {
        "source": fetched.look.source.name,
        "kit": tree.kit,
        "policy": view.trust.policy.version,
        "root": view.trust.root.version,
        "recalls": view.recalls and view.recalls.newest.number,
        "checkpoint": view.known.checkpoint and vars(view.known.checkpoint),
        "expires": {"role": role, "time": time_text(expires)},
        "offers": [{**one, "path": _path(fetched, one["release"])} for one in offers],
        "vanished": fetched.vanished,
        "ratified": fetched.ratified,
        "withdrawn": {label: one.as_document() for label, one in fetched.withdrawn.items()},
        "client": client and {"version": client[0].version, "path": str(client[1])},
        "warnings": fetched.warnings,
    }


def _path(fetched: Fetched, label: str) -> str | None:
    path = fetched.paths.get(label)
    return None if path is None else str(path)


def _lines(fetched: Fetched) -> list[str]:
    view, tree = fetched.look.view, fetched.look.tree
    new = [offer for offer in fetched.offers if offer.standing is Standing.NEW]
    lines = [f"{'kit' if tree.kit else 'channel'} {fetched.look.source.name}, good until {time_text(tree.expires[0])}"]
    number = view.recalls.newest.number if view.recalls else "none"
    lines.append(f"policy {view.trust.policy.version}, recall list {number}")
    for offer in new:
        manifest = offer.verified.manifest if offer.verified else None
        told = f" {manifest.title} ({manifest.severity})" if manifest else ""
        urgent = ", approved as an emergency only" if offer.verified and offer.verified.emergency else ""
        lines.append(f"new: {offer.label}{told}{urgent}{_where(fetched, offer.label)}")
    lines += offer_lines(offer for offer in fetched.offers if offer.standing not in (Standing.NEW, Standing.APPLIED))
    lines += [f"{label}, which is applied here, is {one}" for label, one in fetched.withdrawn.items()]
    lines += [f"vanished: {name} was listed once and was never recalled; ask the vendor" for name in fetched.vanished]
    lines += [f"ratified: {label} is approved by the ordinary rules now" for label in fetched.ratified]
    if fetched.client is not None:
        client, path = fetched.client
        lines.append(f"client {client.version}, signed by the vendor's release key, lies in {path}; it was not run")
    if not new:
        lines.append("nothing new for this site")
    return lines


def _where(fetched: Fetched, label: str) -> str:
    path = _path(fetched, label)
    return f"\n  {path}" if path else ""
