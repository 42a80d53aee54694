"""`patchline trust`: make, sign, compare and show roots, targets, policies and trust files. Needs no home but the person's."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from patchline.patches import documents
from patchline.patches.baselines import BaselineList
from patchline.patches.delegations import Delegations
from patchline.patches.errors import TrustError
from patchline.patches.files import read_file, write_file
from patchline.patches.limits import LIMITS
from patchline.patches.passphrases import passphrase_option
from patchline.patches.root import Root
from patchline.patches.signers import Signer, keys_folder
from patchline.patches.terminal import ask, example, json_option, report, yes_option
from patchline.patches.trust import Trust, trust_document
from patchline.patches.wording import counted
from patchline.releaser import ceremony, confirmations, trust_words
from patchline.releaser.commands.trust_policy import policy
from patchline.releaser.commands.trust_report import report_trust, trust_file_document
from patchline.releaser.home import home_folder
from patchline.releaser.own_signatures import open_own
from patchline.releaser.trial_home import is_trial
from patchline.releaser.trust_files import (
    PolicyFile,
    TrustFile,
    read_policy,
    read_public,
    read_root,
    read_targets,
    read_trust_file,
)

FILE = click.Path(path_type=Path)


@click.group(epilog=example("patchline trust show demo.trust"))
def trust() -> None:
    """Make root, policy and trust file."""


@trust.command(epilog=example("patchline trust root --key a.pem --key b.pem --key c.pem --threshold 2 --out root.json"))
@click.option("--key", "keys", type=FILE, multiple=True, required=True, help="An offline key (PEM); several.")
@click.option("--threshold", type=int, required=True, help="How many of them must sign.")
@click.option("--online", type=FILE, help="The channel's online key (PEM).")
@click.option("--kit", type=FILE, help="The key that signs kits (PEM): makes the root of kits, not of the channel.")
@click.option("--previous", type=FILE, help="The root that this one replaces.")
@click.option("--out", type=FILE, required=True, help="The file to write.")
@json_option
def root(
    keys: tuple[Path, ...],
    threshold: int,
    online: Path | None,
    kit: Path | None,
    previous: Path | None,
    out: Path,
) -> None:
    """Make a root, to be signed by the holders of its keys."""
    before = read_root(previous, kit=None) if previous else None
    made = ceremony.make_root(
        [read_public(path) for path in keys],
        threshold,
        datetime.now(UTC),
        online=read_public(online) if online else None,
        kit=read_public(kit) if kit else None,
        previous=before,
    )
    write_file(out, documents.encode(made.document))
    needed = f"Sign it with {threshold} of its keys: patchline trust sign {out} --key NAME"
    if before is not None:
        needed += f"\nand with {before.roles['root'].threshold} keys of root {before.version}"
    report_trust(out, made, [*trust_words.root_words(made), needed])


@trust.command(
    epilog=example(
        "patchline trust targets --root root.json --publisher online.pem --status online.pem --out targets.json"
    )
)
@click.option("--root", "root_file", type=FILE, required=True, help="The root whose keys will sign it.")
@click.option("--publisher", "publishers", type=FILE, multiple=True, required=True, help="Publishes hotfixes (PEM).")
@click.option("--status", "holders", type=FILE, multiple=True, required=True, help="Signs the channel's status (PEM).")
@click.option("--previous", type=FILE, help="The targets that these replace.")
@click.option("--out", type=FILE, required=True, help="The file to write.")
@json_option
def targets(
    root_file: Path, publishers: tuple[Path, ...], holders: tuple[Path, ...], previous: Path | None, out: Path
) -> None:
    """Make the top-level targets: which online keys publish, to be signed by the holders of the root's keys."""
    base = read_root(root_file)
    made = ceremony.make_targets(
        [read_public(path) for path in publishers],
        [read_public(path) for path in holders],
        datetime.now(UTC),
        previous=read_targets(previous) if previous else None,
    )
    made.check_keys(base)
    write_file(out, documents.encode(made.document))
    needed = f"Sign it with {base.targets.threshold} of the root's keys: patchline trust sign {out} --key NAME"
    report_trust(out, made, [*trust_words.targets_words(made), needed])


@trust.command(epilog=example("patchline trust sign policy.json --key offline-1 --fingerprint 8KQ2M-…"))
@click.argument("file", type=FILE)
@click.option("--key", "name", required=True, metavar="NAME", help="Your key.")
@click.option(
    "--fingerprint", "fingerprints", multiple=True, help="The fingerprint of a new key, heard from its person; several."
)
@passphrase_option
@yes_option
@json_option
def sign(file: Path, name: str, fingerprints: tuple[str, ...]) -> None:
    """Sign a root, targets or a policy, after comparing the fingerprint of every key that is new to you."""
    found = read_trust_file(file)
    if isinstance(found, Trust):
        raise TrustError("unknown-document", f"{file} is a trust file; root and policy in it are signed, not the file")
    signer = open_own(name)
    new = confirmations.confirm(_uses(found), signer.public, keys_folder(), fingerprints, _asker())
    signed = _sign(found, signer)
    write_file(file, documents.encode(trust_file_document(signed)), overwrite=True)
    confirmations.remember(new, keys_folder())
    report_trust(file, signed, [f"{file} signed with {name}; it has {counted(_signatures(signed), 'signature')}"])


Signable = Root | Delegations | PolicyFile


def _uses(found: Signable) -> list[confirmations.Use]:
    if isinstance(found, Root):
        return confirmations.uses_of_root(found)
    if isinstance(found, Delegations):
        return confirmations.uses_of_targets(found)
    return confirmations.uses_of_policy(found.policy)


def _signatures(found: Signable) -> int:
    return len(found.envelope.signatures if isinstance(found, PolicyFile) else found.document["signatures"])


def _asker() -> Any:
    """Return how to ask for a fingerprint; None where nobody could answer."""
    return (lambda question: ask(question, option="--fingerprint")) if sys.stdin.isatty() else None


def _sign(found: Signable, signer: Signer) -> Signable:
    if isinstance(found, Root):
        return ceremony.sign_root(found, signer)
    if isinstance(found, Delegations):
        return ceremony.sign_targets(found, signer)
    return PolicyFile(found.envelope.signed_by(signer), found.policy)


@trust.command(epilog=example("patchline trust diff policy-1.json policy-2.json"))
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@json_option
def diff(old: Path, new: Path) -> None:
    """Say in words what new roots, targets, policies or trust files change."""
    before, after = read_trust_file(old), read_trust_file(new)
    if isinstance(before, Root) and isinstance(after, Root) and before.kit == after.kit:
        changes = trust_words.root_changes(before, after)
    elif isinstance(before, Delegations) and isinstance(after, Delegations):
        changes = trust_words.targets_changes(before, after)
    elif isinstance(before, PolicyFile) and isinstance(after, PolicyFile):
        changes = trust_words.policy_changes(before.policy, after.policy)
    elif isinstance(before, Trust) and isinstance(after, Trust):
        changes = trust_words.trust_changes(before, after)
    else:
        raise TrustError("unknown-document", f"{old} and {new} are of two kinds")
    report({"changes": changes}, "\n".join(changes) or "nothing changes")


@trust.command(epilog=example("patchline trust show shop.trust"))
@click.argument("file", type=FILE)
@json_option
def show(file: Path) -> None:
    """Say in words what a root, targets, a policy or a trust file holds."""
    found = read_trust_file(file)
    report_trust(file, found, _words(found))


def _words(found: TrustFile) -> list[str]:
    if isinstance(found, Root):
        return trust_words.root_words(found)
    if isinstance(found, Delegations):
        return trust_words.targets_words(found)
    if isinstance(found, Trust):
        return trust_words.trust_words(found)
    signed = f"  {counted(len(found.envelope.signatures), 'signature')}, not checked here: that takes the root"
    return [*trust_words.policy_words(found.policy), signed]


@trust.command("file", epilog=example("patchline trust file --root root.json --policy policy.json --out shop.trust"))
@click.option("--root", "root_file", type=FILE, required=True, help="The root.")
@click.option("--policy", "policy_file", type=FILE, required=True, help="The policy.")
@click.option("--customer", help="The id of the customer it is for.")
@click.option("--files", "lists", type=FILE, multiple=True, help="The list of a baseline's files; several.")
@click.option("--channel", metavar="URL", help="Where the site fetches from.")
@click.option("--trial", is_flag=True, help="Say in it that it is for trying out; a trial home always does.")
@click.option("--out", type=FILE, required=True, help="The file to write.")
@json_option
def trust_file(
    root_file: Path,
    policy_file: Path,
    customer: str | None,
    lists: tuple[Path, ...],
    channel: str | None,
    trial: bool,
    out: Path,
) -> None:
    """Make the trust file that a site starts from; it is handed over by a trusted way and compared by fingerprint."""
    found = read_policy(policy_file)
    known = [BaselineList.parse(read_file(path, limit=LIMITS.manifest)) for path in lists]
    for one in known:
        if one.product != found.policy.product:
            raise TrustError("product", f"the list of {one.baseline!r} is of product {one.product!r}")
    data = trust_document(
        product=found.policy.product,
        root=read_root(root_file),
        policy=found.envelope,
        customer=customer,
        baselines={one.baseline: one.digest for one in known},
        channel=channel,
        trial=trial or is_trial(home_folder()),
    )
    write_file(out, data)
    made = Trust.parse(data)
    report_trust(out, made, [str(out), f"fingerprint {made.fingerprint}"])


trust.add_command(policy)
