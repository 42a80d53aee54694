"""`patchline key`: a person's own signing keys. Needs no home but the person's."""

from pathlib import Path
from typing import Any

import click

from patchline.patches import documents, identifiers, sealed
from patchline.patches.enrolments import Enrolment
from patchline.patches.errors import PatchlineError, UsageError
from patchline.patches.files import write_file
from patchline.patches.keys import Kind, PublicKey
from patchline.patches.passphrases import passphrase_for, passphrase_option
from patchline.patches.policy import Custody
from patchline.patches.signers import keys_folder
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.own_signatures import open_own
from patchline.releaser.trust_files import read_public

TRANSIT = "transit:"


@click.group(epilog=example("patchline key new ada"))
def key() -> None:
    """Make and show signing keys."""


@key.command(epilog=example("patchline key new ada"))
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in Kind]),
    default=Kind.P256.value,
    show_default=True,
    help="The release key must be p256.",
)
@passphrase_option
@json_option
def new(name: str, kind: str) -> None:
    """Make a private key, sealed by a passphrase, in your own key folder."""
    folder = keys_folder()
    path = sealed.key_path(folder, name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        raise sealed.exists_already(path)
    public = sealed.create_sealed(path, Kind(kind), passphrase_for(name, new=True))
    document = {**_document(public), "name": name, "file": str(path)}
    report(document, f"{path}\n{kind} {public.fingerprint}\nGive away: patchline key public {name}")


@key.command("list", epilog=example("patchline key list"))
@json_option
def list_keys() -> None:
    """List your private keys."""
    paths = sorted(keys_folder().glob(f"*{sealed.ENDING}"))
    found = [{"name": path.name.removesuffix(sealed.ENDING), **_listed(path)} for path in paths]
    width = max((len(one["name"]) for one in found), default=0)
    lines = [f"{one['name']:{width}}  {one.get('error') or one['kind'] + ' ' + one['fingerprint']}" for one in found]
    report(found, "\n".join(lines))


def _listed(path: Path) -> dict[str, Any]:
    """Return what there is to say about a key's file; a damaged one hides no others."""
    try:
        return _document(sealed.read_sealed(path).public)
    except PatchlineError as error:
        return {"error": error.code}


@key.command(epilog=example("patchline key public ada > ada.pem"))
@click.argument("name")
@json_option
def public(name: str) -> None:
    """Print the public key of one of your keys, as PEM; also of one in Vault, as transit:MOUNT/KEY."""
    found = _own_public(name)
    report(_document(found), found.to_pem().rstrip("\n"))


@key.command(epilog=example("patchline key fingerprint ada", "patchline key fingerprint ada.pem"))
@click.argument("source", metavar="NAME|PEM")
@json_option
def fingerprint(source: str) -> None:
    """Print the fingerprint of a key of yours or of a public key's file, for comparing by voice."""
    found = named_public(source)
    report(_document(found), found.fingerprint)


@key.command(epilog=example("patchline key enrol ada --person ada --custody cli --out ada.enrolment"))
@click.argument("name")
@click.option("--person", required=True, metavar="ID", help="Who you are in the policy.")
@click.option(
    "--custody",
    type=click.Choice([custody.value for custody in Custody]),
    help="Where the key lies; default: transit for a key in Vault, else cli.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
@passphrase_option
@json_option
def enrol(name: str, person: str, custody: str | None, out: Path) -> None:
    """Say whose key it is, signed by the key itself, for those who make the policy."""
    if not identifiers.PERSON.fullmatch(person):
        raise UsageError("person-id", f"{person!r} is no id of a person")
    in_vault = name.startswith(TRANSIT)
    custody = custody or (Custody.TRANSIT if in_vault else Custody.CLI).value
    if in_vault and custody != Custody.TRANSIT:
        raise UsageError("options", "the custody of a key in Vault is transit: its administrator can use it")
    signer = open_own(name)
    enrolment = Enrolment(person, signer.public, Custody(custody))
    write_file(out, documents.encode(enrolment.signed(signer).as_document()) + b"\n")
    document = {**_document(signer.public), "person": person, "custody": custody, "file": str(out)}
    told = f"Tell each signer of the policy this fingerprint yourself: {signer.public.fingerprint}"
    report(document, f"{out}: {person}, {custody}\n{told}")


def named_public(source: str) -> PublicKey:
    """Return the public key of `file:PATH`, of a PEM file, or of a sealed key's name."""
    path = Path(source.removeprefix("file:"))
    if source.startswith("file:") or path.is_file():
        return read_public(path)
    if not source.startswith(TRANSIT) and not sealed.NAME.fullmatch(source.removeprefix("sealed:")):
        raise UsageError("key-uri", f"{source!r} is no name of a key and no file")
    return _own_public(source.removeprefix("sealed:"))


def _own_public(name: str) -> PublicKey:
    """Return the public key of a sealed key, which takes no passphrase, or of one in Vault."""
    if name.startswith(TRANSIT):
        return open_own(name).public
    return sealed.read_sealed(sealed.key_path(keys_folder(), name)).public


def _document(public: PublicKey) -> dict[str, Any]:
    return {
        "kind": public.kind.value,
        "keyid": public.keyid,
        "fingerprint": public.fingerprint,
        "public": public.to_pem(),
    }
