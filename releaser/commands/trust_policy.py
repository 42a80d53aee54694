"""`patchline trust policy`: the next version of whose word counts."""

from pathlib import Path

import click

from patchline.patches import documents, identifiers
from patchline.patches.errors import UsageError
from patchline.patches.files import open_regular, read_file, write_file
from patchline.patches.limits import LIMITS
from patchline.patches.policy import Custody, Policy, Purpose
from patchline.patches.recall_list import RecallList
from patchline.patches.recalls import KnownRecalls
from patchline.patches.rules import MOST_HOURS, ROLE, EmergencyRule
from patchline.patches.terminal import example, json_option
from patchline.releaser import policy_making, trust_words
from patchline.releaser.bundle_files import read_manifest
from patchline.releaser.commands.trust_report import report_trust
from patchline.releaser.policy_making import Changes, NewKey, OldKey
from patchline.releaser.trust_files import PolicyFile, read_enrolment, read_policy, read_public

FILE = click.Path(path_type=Path)


@click.command(
    "policy",
    epilog=example(
        "patchline trust policy --product shop --builder bob=bob.pem --approver ada.enrolment \\",
        "  --approver ben=ben.pem --release release.pem --threshold 2 --out policy.json",
        "patchline trust policy --product shop --previous policy.json --revoke 8KQ2M-… --out policy-2.json",
    ),
)
@click.option("--product", required=True, help="The product it is for.")
@click.option("--previous", type=FILE, help="The policy to start from.")
@click.option(
    "--builder", "builders", multiple=True, metavar="PERSON=PEM|ENROLMENT", help="A builder's new key; several."
)
@click.option(
    "--approver",
    "approvers",
    multiple=True,
    metavar="PERSON=PEM[:CUSTODY[:ROLE]]|ENROLMENT[:ROLE]",
    help="An approver's new key; several. CUSTODY: cli (default), browser, transit; an enrolment says it itself.",
)
@click.option("--release", type=FILE, help="The release key (PEM, P-256).")
@click.option(
    "--retire",
    "retired",
    multiple=True,
    metavar="FINGERPRINT[=FILE]",
    help="A key that signs no more. What it signed for the bundle, manifest or list of digests in FILE still counts; several.",
)
@click.option(
    "--revoke", "revoked", multiple=True, metavar="FINGERPRINT", help="A key that counts for nothing; several."
)
@click.option(
    "--recall",
    "recalled",
    type=FILE,
    multiple=True,
    help="What to recall: a bundle, manifest or list of digests, or all that is recalled in a recall list; several.",
)
@click.option("--threshold", type=int, help="How many persons must approve.")
@click.option(
    "--emergency", metavar="ROLE:HOURS:PERSONS", help="Who may ship to named customers in an emergency, for how long."
)
@click.option("--recipe", type=FILE, help="The policy's document as TOML, instead of the one to start from.")
@click.option("--out", type=FILE, required=True, help="The file to write.")
@json_option
def policy(
    product: str,
    previous: Path | None,
    builders: tuple[str, ...],
    approvers: tuple[str, ...],
    release: Path | None,
    retired: tuple[str, ...],
    revoked: tuple[str, ...],
    recalled: tuple[Path, ...],
    threshold: int | None,
    emergency: str | None,
    recipe: Path | None,
    out: Path,
) -> None:
    """Make a policy, to be signed by the holders of the root's keys."""
    before = read_policy(previous).policy if previous else None
    added = [_new_key(text, Purpose.BUILDER) for text in builders]
    added += [_new_key(text, Purpose.APPROVER) for text in approvers]
    if release is not None:
        added.append(NewKey(policy_making.RELEASE_PERSON, read_public(release), Purpose.RELEASE))
    changes = Changes(
        added=tuple(added),
        old=(*_retired(retired), *(OldKey(text) for text in revoked)),
        recalled=frozenset[str]().union(*(_recalled(path, before) for path in recalled)),
        threshold=threshold,
        emergency=_emergency(emergency),
    )
    given = read_file(recipe, limit=LIMITS.sidecar) if recipe else None
    payload = policy_making.policy_payload(product, changes, previous=before, recipe=given)
    envelope = policy_making.unsigned_policy(payload)
    write_file(out, documents.encode(envelope.as_document()))
    made = PolicyFile.read(envelope.as_document())
    needed = f"Sign it with the root's keys: patchline trust sign {out} --key NAME"
    report_trust(out, made, [*trust_words.policy_words(made.policy), needed])


def _new_key(text: str, purpose: Purpose) -> NewKey:
    """Read PERSON=PEM[:CUSTODY[:ROLE]...] or ENROLMENT[:ROLE]...; a file's name holds no colon and no equals sign."""
    person, equals, rest = text.partition("=")
    path, *more = (rest if equals else text).split(":")
    if not path or not (identifiers.PERSON.fullmatch(person) if equals else Path(path).exists()):
        raise UsageError("key-person", f"{text!r} is neither PERSON=FILE nor an enrolment")
    if more and purpose is not Purpose.APPROVER:
        raise UsageError("key-person", f"{text!r}: only an approver's key has custody and roles")
    if not equals:
        found = read_enrolment(Path(path))
        return NewKey(found.person, found.public, purpose, found.custody, tuple(more))
    custody, roles = more[0] if more else "cli", more[1:]
    if custody not in tuple(Custody):
        raise UsageError("key-person", f"{text!r}: custody is one of {', '.join(Custody)}")
    return NewKey(person, read_public(Path(path)), purpose, Custody(custody), tuple(roles))


def _retired(texts: tuple[str, ...]) -> list[OldKey]:
    """Return the keys to retire, each with every manifest that was named for it."""
    found: dict[str, frozenset[str]] = {}
    for text in texts:
        fingerprint, equals, path = text.partition("=")
        more = _manifests(Path(path)) if equals else frozenset[str]()
        found[fingerprint] = found.get(fingerprint, frozenset()) | more
    return [OldKey(fingerprint, manifests) for fingerprint, manifests in found.items()]


def _manifests(path: Path) -> frozenset[str]:
    """Return the manifest of a bundle, or the digests in a text, one a line."""
    with open_regular(path) as file:
        lines = file.read(1 << 24).split(b"\n")
    if lines and identifiers.DIGEST.fullmatch(lines[0].decode("latin-1")):
        texts = [line.decode("latin-1") for line in lines if line]
        if wrong := [text for text in texts if not identifiers.DIGEST.fullmatch(text)]:
            raise UsageError("digests", f"{path}: {wrong[0][:80]!r} is no digest of a manifest")
        return frozenset(texts)
    return frozenset([read_manifest(path).digest])


def _recalled(path: Path, before: Policy | None) -> frozenset[str]:
    """Return what a recall list recalls by the policy before, reinstated ones left out; of other files `_manifests`."""
    with open_regular(path) as file:
        data = file.read(LIMITS.manifest)
    if not data.startswith(b'{"format"') or b'"recalled":[' not in data:
        return _manifests(path)
    if before is None:
        raise UsageError("options", f"{path} is a recall list; its signatures are counted by --previous")
    known = KnownRecalls.first(RecallList.parse(data), before)
    entries = [entry for entry in known.newest.recalled if not entry.reinstated]
    return frozenset(entry.revision.manifest for entry in entries if not known.proven.isdisjoint(entry.digests))


def _emergency(text: str | None) -> EmergencyRule | None:
    if text is None:
        return None
    role, *numbers = text.split(":")
    if not ROLE.fullmatch(role) or len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise UsageError("emergency", f"{text!r} is not ROLE:HOURS:PERSONS")
    hours, persons = (int(number) for number in numbers)
    if not 1 <= hours <= MOST_HOURS:
        raise UsageError("emergency", f"an emergency lasts 1 to {MOST_HOURS} hours, not {hours}")
    return EmergencyRule(role, hours, persons)
