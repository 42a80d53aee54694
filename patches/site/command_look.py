"""`patchline-site inventory`, `history` and `report`: what a site has, and saying so."""

from pathlib import Path
from typing import Any

import click

from patchline.patches import documents
from patchline.patches.errors import UsageError
from patchline.patches.files import write_file
from patchline.patches.site import inventory as inventories
from patchline.patches.site import restarts
from patchline.patches.site.accepting import withdrawn
from patchline.patches.site.command_options import EXISTING, clock, site_options, the_site
from patchline.patches.site.inventory import Inventory
from patchline.patches.site.journal import Journal, check_heads
from patchline.patches.site.ledger import Ledger
from patchline.patches.site.report import make_report
from patchline.patches.site.state import Site, locked
from patchline.patches.site.view import View
from patchline.patches.terminal import example, json_option, note, report
from patchline.patches.wording import counted


def take(site: Site, *, check: bool) -> Inventory:
    """Take the inventory of a site as its commands show it."""
    journal, ledger = Journal(site), site.ledger()
    check_heads(journal, ledger)
    found = inventories.take(site, ledger, unfinished=journal.under_way, check=check)
    found.pending = restarts.pending(site, ledger.active, restarts.boot_time())
    found.withdrawn = withdrawn(site, ledger, View.of(site))
    return found


@click.command(epilog=example("patchline-site inventory --check"))
@click.option("--check", is_flag=True, help="Compare every managed file with what is expected.")
@site_options
@json_option
def inventory(root: Path | None, state_folder: Path | None, check: bool) -> None:
    """Show the patch level, its code, and what is applied."""
    with the_site(root, state_folder) as site:
        found = take(site, check=check)
    lines = [f"{site.product} {found.level.label}", f"code {found.level.code}"]
    for layer in found.layers:
        lines.append(f"  {layer.label} applied {layer.time}: {', '.join(layer.fixes) or 'no fixes'}")
        lines += [f"    {found.withdrawn[layer.manifest]}"] if layer.manifest in found.withdrawn else []
        lines += [f"    preserved {name}" for name in layer.preserved]
        lines += [f"    kept {name} (.patchline-new beside it)" for name in layer.kept]
        lines += [f"    lost {fix}" for fix in layer.lost]
        lines += ["    unratified: approved as an emergency only"] if layer.manifest in found.unratified else []
        lines += ["    applied, restart pending"] if layer.manifest in found.pending else []
    if found.unfinished:
        lines.append("a change was cut off; `patchline-site recover` finishes or undoes it")
    if check:
        lines.append(f"{counted(found.checked or 0, 'file')} checked, {len(found.drift)} not as expected")
        lines += [f"  {item}" for item in found.drift]
    report(found.as_document(), "\n".join(lines))


@click.command(epilog=example("patchline-site history"))
@site_options
@json_option
def history(root: Path | None, state_folder: Path | None) -> None:
    """Show what was done here, oldest first."""
    with the_site(root, state_folder) as site:
        ledger = site.ledger()
    lines = [_line(row, ledger) for row in ledger.chain.rows]
    report({"rows": ledger.chain.rows}, "\n".join(lines) or "nothing was done yet")


def _line(row: dict[str, Any], ledger: Ledger) -> str:
    reference = f" [{row['reference']}]" if row.get("reference") else ""
    return f"{row['time']} {_done(row, ledger)}{reference}"


def _done(row: dict[str, Any], ledger: Ledger) -> str:
    """Return what a row of the ledger says was done."""
    match row["row"]:
        case "apply":
            until = row.get("accepted_stale_until")
            stale = f", accepting until {until} what had expired" if until else ""
            return "applied " + ", ".join(f"{layer['hotfix']}-r{layer['revision']}" for layer in row["layers"]) + stale
        case "rollback":
            gone = [ledger.find(layer["transaction"], layer["number"]).label for layer in row["layers"]]
            return f"rolled back {', '.join(gone)}"
        case "undone":
            return f"{row['operation']} undone ({row['reason']})"
        case "cleanup":
            return f"cleaned up {counted(len(row['transactions']), 'change')}"
        case "ratified":
            labels = {layer.manifest: layer.label for layer in ledger.layers}
            return "ratified " + ", ".join(
                f"{labels[one]} ({', '.join(row['manifests'][one])})" for one in row["manifests"]
            )
        case "trust":
            until = row.get("accepted_stale_until")
            return f"took policy {row['policy']}" + (f", accepting until {until} what had expired" if until else "")
        case other:
            return str(other)


@click.command(
    "report",
    epilog=example(
        "patchline-site report --out report.json", "patchline-site report --send --to https://support.vendor.example"
    ),
)
@click.option("--out", type=EXISTING, help="Write the signed report to this file.")
@click.option("--send", is_flag=True, help="Send it to the vendor's server, and hear what is new for this site.")
@click.option(
    "--to", "vendor", metavar="URL", envvar="PATCHLINE_VENDOR", help="The vendor's server; default: the channel's own."
)
@site_options
@json_option
def report_command(
    root: Path | None, state_folder: Path | None, out: Path | None, vendor: str | None, *, send: bool
) -> None:
    """Make the signed report for the vendor; it is shown before it leaves."""
    if send:
        if out is not None:
            raise UsageError("options", "--send and --out are two ways of handing it over")
        _send(root, state_folder, vendor)
        return
    with the_site(root, state_folder) as site, locked(site, now := clock()):
        envelope = make_report(take(site, check=True), View.of(site), now)
    line = documents.encode(envelope.as_document())
    note(envelope.payload.decode())
    if not envelope.signatures:
        note("not signed: nothing here can sign; it counts as carried by hand")
    if out is not None:
        write_file(out, line + b"\n")
        report({"report": str(out)}, f"written to {out}")
    else:
        report(envelope.as_document(), line.decode())


def _send(root: Path | None, state_folder: Path | None, vendor: str | None) -> None:
    from patchline.patches.site.command_send import answer_document, answer_lines, send_report  # It asks the network.

    with the_site(root, state_folder) as site:
        server, answer = send_report(site, take(site, check=True), vendor, clock())
    report(answer_document(server, answer), "\n".join(answer_lines(server, answer)))
