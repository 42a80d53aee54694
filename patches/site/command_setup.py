"""`patchline-site init` and `trust`: making a site, and what it trusts."""

from pathlib import Path
from typing import Any

import click

from patchline.patches.baselines import BaselineList
from patchline.patches.errors import RefusedError, UsageError
from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.plain import can_sign, create_plain
from patchline.patches.site import inventory
from patchline.patches.site.command_options import EXISTING, clock, site_options, the_site
from patchline.patches.site.creating import NewSite, create
from patchline.patches.site.disk import Disk
from patchline.patches.site.report import KEY
from patchline.patches.site.state import locked
from patchline.patches.site.view import View, trust_row
from patchline.patches.terminal import ask, example, json_option, note, report
from patchline.patches.trust import Trust


@click.command(
    epilog=example(
        "patchline-site init --root /opt/idm --product idm --baseline 4.1.2 --trust idm.trust --fingerprint 7Q2M4-…"
    )
)
@click.option("--root", "roots", multiple=True, required=True, metavar="[NAME=]ROOT", help="A root; the first is app.")
@click.option("--state", "state_folder", type=EXISTING, envvar="PATCHLINE_STATE", help="State folder to make.")
@click.option("--product", required=True, help="The product, as the trust file names it.")
@click.option("--baseline", required=True, metavar="V", help="The version as the vendor writes it.")
@click.option("--trust", "trust_file", type=EXISTING, required=True, help="The trust file, handed over once.")
@click.option("--fingerprint", metavar="F", help="The trust file's fingerprint as you heard it another way.")
@click.option("--files", type=EXISTING, metavar="LIST", help="The baseline's file list: checks the installation.")
@click.option("--follow", type=EXISTING, multiple=True, help="A link below a root that belongs there.")
@json_option
def init(
    roots: tuple[str, ...],
    state_folder: Path | None,
    product: str,
    baseline: str,
    trust_file: Path,
    fingerprint: str | None,
    files: Path | None,
    follow: tuple[Path, ...],
) -> None:
    """Make an installation a site: what it has, and whom it trusts."""
    trust = Trust.parse(read_file(trust_file, limit=LIMITS.trust_file))
    if product != trust.product:
        raise RefusedError("trust-product", f"{trust_file} is for product {trust.product}, not {product}")
    listed = _baseline_list(files, trust, baseline)
    _compare(trust, fingerprint)
    follow = tuple(path.absolute() for path in follow)
    new = NewSite(product, baseline, _named(roots), follow, trust.data, listed)
    folder = create(new, state_folder, Disk(), clock())
    if can_sign():
        create_plain(folder / KEY)
    with the_site(next(iter(new.roots.values())), folder) as site:
        found = inventory.take(site, site.ledger(), unfinished=False, check=True)
    _tell(found, folder, trust, listed is not None)


def _named(roots: tuple[str, ...]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for text in roots:
        name, separator, path = text.partition("=")
        if not separator:
            name, path = "app", text
        if name in named:
            raise UsageError("options", f"root {name} is named twice")
        named[name] = Path(path).absolute()
    return named


def _baseline_list(files: Path | None, trust: Trust, baseline: str) -> bytes | None:
    if files is None:
        return None
    listed = BaselineList.parse(read_file(files, limit=LIMITS.manifest))
    if listed.baseline != baseline:
        raise RefusedError("list-baseline", f"{files} lists baseline {listed.baseline}, not {baseline}")
    listed.check_known_to(trust)
    return listed.data


def _compare(trust: Trust, heard: str | None) -> None:
    """Compare the trust file with what its receiver heard by phone or read on paper."""
    note(f"The trust file's fingerprint is {trust.fingerprint}.")
    if trust.trial:
        note("This trust file was made for trying out; its keys all lie in one place.")
    if heard is None:
        heard = ask("The fingerprint you heard another way", option="--fingerprint")
    if "".join(heard.upper().replace("-", "").split()) != trust.fingerprint.replace("-", ""):
        raise RefusedError("trust-fingerprint", f"the fingerprint you gave is not {trust.fingerprint}")


def _tell(found: inventory.Inventory, folder: Path, trust: Trust, listed: bool) -> None:
    document = {**found.as_document(), "state": str(folder), "trust": trust.fingerprint}
    lines = [f"site {found.site.id}: {found.site.product} {found.level.label}, code {found.level.code}"]
    lines.append(f"state in {folder}")
    if not listed:
        lines.append("untouched paths are not checked: no list of the baseline's files was given")
    elif found.drift:
        lines.append(f"{len(found.drift)} of {found.checked} files differ from the baseline:")
        lines += [f"  {item}" for item in found.drift[:50]]
    else:
        lines.append(f"all {found.checked} files are as in the baseline")
    report(document, "\n".join(lines))


@click.command(epilog=example("patchline-site trust policy-7.json"))
@click.argument("file", type=EXISTING)
@site_options
@json_option
def trust(root: Path | None, state_folder: Path | None, file: Path) -> None:
    """Take a newer root, policy or trust file."""
    data = read_file(file, limit=LIMITS.trust_file)
    with the_site(root, state_folder) as site, locked(site, now := clock()):
        before = View.of(site)
        after = before.advanced(data)
        after.keep(site, before)
        if row := trust_row(before.trust, after.trust, now, {}):
            site.ledger().append(row)
    known, newer = before.trust, after.trust
    document: dict[str, Any] = {"policy": newer.policy.version, "was": known.policy.version}
    report(document, f"policy {newer.policy.version} (was {known.policy.version}), root {newer.root.version}")
