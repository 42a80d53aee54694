"""`patchline recall`: taking a published hotfix back, each person with their own key on their own machine."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from patchline.patches.errors import NotFoundError, SettingsError, UsageError
from patchline.patches.manifest import Manifest
from patchline.patches.passphrases import passphrase_option
from patchline.patches.recall_list import Entry
from patchline.patches.recall_statements import Recall, Reinstatement
from patchline.patches.terminal import Lazy, LazyGroup, example, json_option, note, report, yes_option
from patchline.patches.terminal import confirm as ask_yes
from patchline.patches.trust import Trust
from patchline.releaser import recalling
from patchline.releaser.bundle_files import read_manifest
from patchline.releaser.own_signatures import open_own
from patchline.releaser.recalling import RecallFile, read_recall_file
from patchline.releaser.trust_files import read_trust

FILE = click.Path(path_type=Path)
_HOTFIX = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)+(-r[1-9][0-9]*)?")


_FROM = "patchline.releaser.commands.recall_customers"


@click.group(
    cls=LazyGroup,
    table={
        "acknowledge": Lazy(_FROM, "acknowledge", "Write down what a customer says about a recalled hotfix."),
        "show": Lazy(_FROM, "show", "Show who still runs a recalled hotfix, and who acknowledged."),
    },
    epilog=example("patchline recall confirm HF-2026-0012-r1.recall.jsonl --key ben --trust shop.trust"),
)
def recall() -> None:
    """Recall a hotfix, or take its recall back."""


@recall.command(
    epilog=example(
        'patchline recall propose HF-2026-0012-r1.hotfix --reason "loses orders" --key ada --trust shop.trust \\',
        "  --replacement HF-2026-0012-r2.hotfix --out HF-2026-0012-r1.recall.jsonl",
    )
)
@click.argument("file", metavar="ID|FILE", type=FILE)
@click.option("--reason", required=True, help="Why; customers read it.")
@click.option("--replacement", type=FILE, help="The bundle, release zip or manifest to apply instead.")
@click.option("--void", is_flag=True, help="It was approved and never published.")
@click.option("--key", "name", required=True, metavar="KEY", help="Your key, an approver's.")
@click.option("--trust", "trust_file", type=FILE, required=True, help="The vendor's trust file.")
@click.option("--out", type=FILE, required=True, help="The recall file to write, for the next person to confirm.")
@passphrase_option
@yes_option
@json_option
def propose(
    file: Path, reason: str, replacement: Path | None, void: bool, name: str, trust_file: Path, out: Path
) -> None:
    """Recall a bundle, release zip, manifest or registered hotfix for good; it takes a second person to confirm."""
    trust = read_trust(trust_file)
    manifest = _manifest(file)
    instead = _manifest(replacement) if replacement else None
    note("\n".join(recalling.manifest_words(manifest)))
    if instead is not None:
        note("\n".join(["replaced by", *recalling.manifest_words(instead)]))
    _agree(f"Recall {manifest.label} for good?")
    made = recalling.propose(
        manifest,
        open_own(name),
        trust,
        datetime.now(UTC),
        reason=reason,
        out=out,
        replacement=instead,
        void=void,
    )
    _report(made, trust, manifest)


@recall.command(
    epilog=example(
        "patchline recall confirm HF-2026-0012-r1.recall.jsonl --key ben --trust shop.trust \\",
        "  --bundle HF-2026-0012-r1.hotfix",
    )
)
@click.argument("file", type=FILE)
@click.option(
    "--bundle", type=FILE, help="The bundle, release zip or manifest it is about, to compare; a reinstatement needs it."
)
@click.option("--key", "name", required=True, metavar="KEY", help="Your key, an approver's.")
@click.option("--trust", "trust_file", type=FILE, required=True, help="The vendor's trust file.")
@passphrase_option
@yes_option
@json_option
def confirm(file: Path, bundle: Path | None, name: str, trust_file: Path) -> None:
    """Add your signature to a recall, or to a reinstatement, that somebody proposed."""
    trust = read_trust(trust_file)
    found = read_recall_file(file)
    manifest = _manifest(bundle) if bundle else None
    note("\n".join(recalling.statement_words(found.statement)))
    if manifest is not None:
        note("\n".join(recalling.manifest_words(manifest)))
    verb = "Recall" if isinstance(found.statement, Recall) else "Give free again"
    _agree(f"{verb} {found.statement.revision.label}?")
    signed = recalling.confirm(found, open_own(name), trust, datetime.now(UTC), manifest)
    _report(signed, trust, manifest)


@recall.command(
    epilog=example(
        "patchline recall reinstate HF-2026-0012-r1.recall.jsonl --bundle HF-2026-0012-r1.hotfix \\",
        '  --reason "was a mistake" --key ada --trust shop.trust --out HF-2026-0012-r1.reinstate.jsonl',
    )
)
@click.argument("files", metavar="RECALL...", type=FILE, nargs=-1, required=True)
@click.option("--bundle", type=FILE, required=True, help="The bundle, release zip or manifest that was recalled.")
@click.option("--reason", required=True, help="Why; customers read it.")
@click.option("--key", "name", required=True, metavar="KEY", help="Your key, an approver's.")
@click.option("--trust", "trust_file", type=FILE, required=True, help="The vendor's trust file.")
@click.option("--out", type=FILE, required=True, help="The file to write, for the others to confirm.")
@passphrase_option
@yes_option
@json_option
def reinstate(files: tuple[Path, ...], bundle: Path, reason: str, name: str, trust_file: Path, out: Path) -> None:
    """Take back the recalls of a hotfix; it needs as many persons as its approval."""
    trust = read_trust(trust_file)
    manifest = _manifest(bundle)
    recalls = [read_recall_file(file) for file in files]
    if any(one.statement.revision != recalls[0].statement.revision for one in recalls):
        raise UsageError("options", "the recall files are about different hotfixes")
    for one in recalls:
        if isinstance(one.statement, Reinstatement):
            raise UsageError("options", f"{one.path} is no recall")
        note("\n".join(recalling.statement_words(one.statement)))
    note("\n".join(recalling.manifest_words(manifest)))
    _agree(f"Give {manifest.label} free again?")
    envelopes = tuple(envelope for one in recalls for envelope in one.envelopes)
    made = recalling.reinstate(
        manifest,
        Entry(recalls[0].statement.revision, envelopes),
        open_own(name),
        trust,
        datetime.now(UTC),
        reason=reason,
        out=out,
    )
    _report(made, trust, manifest)


def _manifest(path: Path) -> Manifest:
    """Read a bundle or manifest; a hotfix that is no file here is looked up in the register of this machine."""
    if path.exists() or not _HOTFIX.fullmatch(str(path)):
        return read_manifest(path)
    from patchline.releaser.bundles import release_set
    from patchline.releaser.commands.options import the_register
    from patchline.releaser.hotfixes import find

    try:
        with the_register() as register, register.read() as session:
            return release_set(session, find(session, str(path))).manifest
    except SettingsError:
        raise NotFoundError("bundle-file", f"{path} is no file, and there is no register here") from None


def _agree(question: str) -> None:
    if not ask_yes(question):
        raise UsageError("declined", "nothing was signed")


def _report(found: RecallFile, trust: Trust, manifest: Manifest | None) -> None:
    statement, lacking = found.statement, found.lacking(trust.policy, manifest)
    document: dict[str, Any] = {
        "file": str(found.path),
        "kind": "recall" if isinstance(statement, Recall) else "reinstatement",
        "name": found.digest,
        "reason": statement.reason,
        **statement.revision.as_document(),
        "persons": sorted(found.persons(trust.policy)),
        "lacking": lacking,
    }
    if isinstance(statement, Recall):
        document |= {"replacement": statement.replacement.as_document() if statement.replacement else None}
        document |= {"void": statement.void}
    else:
        document |= {"recalls": sorted(statement.recalls)}
    text = f"{found.path}: {statement.revision.label}, "
    next_one = f"; the next person: patchline recall confirm {found.path} --key NAME --trust FILE"
    report(document, text + ("; ".join(lacking) + next_one if lacking else "signed by enough persons"))
