"""`patchline-site enrol`: telling the vendor this site's key, with the code that they gave."""

from pathlib import Path

import click

from patchline.patches import documents
from patchline.patches.errors import UsageError
from patchline.patches.files import write_file
from patchline.patches.plain import create_plain, open_plain
from patchline.patches.signers import Signer
from patchline.patches.site.command_options import EXISTING, clock, site_options, the_site
from patchline.patches.site.report import KEY
from patchline.patches.site.state import Site, locked
from patchline.patches.site_enrolments import enrolment, read_code
from patchline.patches.terminal import example, json_option, note, report


@click.command(epilog=example("patchline-site enrol 7Q2M-4K9X-0B1C-8D3E-5F6G-2H7J-9KAM --out enrolment.json"))
@click.argument("code")
@click.option("--new-key", is_flag=True, help="Make a new key; the one that signs today's reports is removed.")
@click.option("--out", type=EXISTING, help="Write the enrolment to this file.")
@site_options
@json_option
def enrol(code: str, new_key: bool, out: Path | None, root: Path | None, state_folder: Path | None) -> None:
    """Write this site's key down for the vendor, and show its fingerprint, which they ask for by phone."""
    known = read_code(code)
    if known is None:
        raise UsageError("enrolment-code", "that is no code of the vendor; a letter is wrong or missing")
    with the_site(root, state_folder) as site, locked(site, now := clock()):
        signer = _key(site, new=new_key)
        envelope = enrolment(known, site.id, site.product, signer, now)
    line = documents.encode(envelope.as_document())
    fingerprint = signer.public.fingerprint
    note(f"fingerprint of this site's key: {fingerprint}\nRead it to the vendor when they call; tell nobody the code.")
    if out is not None:
        write_file(out, line + b"\n")
        report({"enrolment": str(out), "fingerprint": fingerprint}, f"written to {out}; send it to the vendor")
    else:
        report(envelope.as_document(), line.decode())


def _key(site: Site, *, new: bool) -> Signer:
    """Return the site's key; a new one if there is none, or one is wanted."""
    path = site.state.path / KEY
    if new:
        path.unlink(missing_ok=True)
    if not path.exists():
        create_plain(path)
    return open_plain(path)
