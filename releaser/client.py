"""The customer's client as one file: `patchline-site.pyz`, pure Python, for any Python 3.11 or later and no pip.

- It holds `patches/` and the libraries it needs, taken from this installation, each file checked against the digest
  that its distribution recorded when it was installed from the hash-pinned requirements.
- Reproducible: sorted names, one time, nothing compressed (zlib builds differ), so the same sources give the same bytes.
- Nothing compiled: `cryptography` is left out, and the client's own pure-Python checks stand in.

`python -m patchline.releaser.client OUT` writes it; `make client` does.
"""

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

import click

import patchline.patches
from patchline.patches.errors import BuildError
from patchline.patches.files import write_atomically
from patchline.patches.terminal import example, run

LIBRARIES = ("click", "ecdsa", "rfc8785", "securesystemslib", "six", "tuf", "urllib3")

_TIME = (1980, 1, 1, 0, 0, 0)
_FILE, _FOLDER = 0o100644 << 16, 0o040755 << 16
_SHEBANG = b"#!/usr/bin/env python3\n"
# Must run, as far as this message, on every Python there is.
_MAIN = b"""\
import sys

if sys.version_info < (3, 11):
    sys.stderr.write("error: patchline-site needs Python 3.11 or later\\nhint: this is %s\\n" % sys.version.split()[0])
    sys.exit(10)

from patchline.patches.site.commands import main

sys.exit(main())
"""


def write_client(path: Path) -> None:
    """Write the one-file client, replacing an older one.

    Raises:
        BuildError: a library is missing, was changed since it was installed, or holds compiled code.
    """
    members = {"__main__.py": _MAIN, **dict(_own_files())}
    for library in LIBRARIES:
        members.update(_library_files(library))
    with write_atomically(path, overwrite=True, mode=0o777) as file:
        file.write(_SHEBANG)
        _write_zip(file, members)


def _write_zip(file: BinaryIO, members: dict[str, bytes]) -> None:
    # Python 3.11 finds `patchline`, which has no `__init__`, only where the folder has an entry of its own.
    folders = {f"{parent}/": b"" for name in members for parent in Path(name).parents if parent.name}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted((members | folders).items()):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = 3
            entry.external_attr = _FOLDER | 0x10 if name.endswith("/") else _FILE
            archive.writestr(entry, data)


def _own_files() -> Iterator[tuple[str, bytes]]:
    """Yield `patches/`, and the few lines by which the client knows its own number."""
    (folder,) = patchline.patches.__path__
    for path in Path(folder).rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"patchline/patches/{path.relative_to(folder).as_posix()}", path.read_bytes()
    number = metadata.version("patchline")
    yield (
        f"patchline-{number}.dist-info/METADATA",
        f"Metadata-Version: 2.1\nName: patchline\nVersion: {number}\nLicense: Apache-2.0\n".encode(),
    )


def _library_files(library: str) -> Iterator[tuple[str, bytes]]:
    """Yield a library's modules, and its licence as its terms ask."""
    try:
        files = metadata.files(library)
    except metadata.PackageNotFoundError:
        files = None
    if not files:
        raise BuildError("client-library", f"{library} is not installed, or does not say which files it has")
    for file in files:
        name = file.as_posix()
        if name.endswith((".so", ".pyd")):
            raise BuildError("client-library", f"{library} holds compiled code: {name}")
        if _is_wanted(file):
            yield name, _checked(library, file)


def _is_wanted(file: metadata.PackagePath) -> bool:
    if file.parts[0].endswith(".dist-info"):
        return file.name == "METADATA" or "license" in str(file).lower()
    return (file.suffix == ".py" and not file.name.startswith("test")) or file.name == "LICENSE"


def _checked(library: str, file: metadata.PackagePath) -> bytes:
    data = Path(str(file.locate())).read_bytes()
    recorded = file.hash
    if recorded is None or recorded.mode != "sha256":
        raise BuildError("client-library", f"{library} records no digest of {file}")
    found = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    if found != recorded.value:
        raise BuildError("client-library", f"{library} was changed after it was installed: {file}")
    return data


@click.command("patchline-client", epilog=example("python -m patchline.releaser.client dist/patchline-site.pyz"))
@click.argument("out", type=click.Path(path_type=Path))
def write(out: Path) -> None:
    """Write the customer's client as one file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_client(out)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    click.echo(f"{digest}  {out}")


if __name__ == "__main__":
    raise SystemExit(run(write))
