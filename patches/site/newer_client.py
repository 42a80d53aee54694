"""The client that a channel or kit carries: data, which the installed client checks and never runs.

It is offered when the release key of the site's policy signed it, whoever may publish on the server, and when it is
newer than the installed one. A person looks at it and puts it in place.
"""

import io
import re
import zipfile
from dataclasses import dataclass
from importlib import metadata

from patchline.patches import channel, documents
from patchline.patches.errors import ManifestError, PatchlineError, SourceError
from patchline.patches.release import check_client
from patchline.patches.release_zip import CLIENT_FILES
from patchline.patches.site.tree import Look, read_target

_VERSION = re.compile(rb"^Version: ([0-9][0-9A-Za-z.+-]{0,60})$", re.MULTILINE)
_LIMITS = tuple(CLIENT_FILES.values())
_MOST_METADATA = 1 << 16


@dataclass(frozen=True)
class NewerClient:
    """A client that the release key signed, newer than the installed one."""

    version: str
    data: bytes


def newer_client(look: Look) -> tuple[NewerClient | None, str | None]:
    """Return the client that a source carries where it is newer; else None, and what is wrong with it if anything is.

    Raises:
        SourceError: the source went away.
    """
    try:
        parts = _parts(look)
        if parts is None:
            return None, None
        data, line, signature = parts
        check_client(line, signature, documents.digest(data), look.view.trust.policy)
    except PatchlineError as error:
        return None, f"the client in {look.source.name} is not offered: {error.message}"
    version = _version(data)
    if version is None:
        return None, f"the client in {look.source.name} does not say which version it is"
    return (NewerClient(version, data), None) if _order(version) > _order(installed()) else (None, None)


def _parts(look: Look) -> list[bytes] | None:
    """Return the client and what the release key says about it; None where there is none.

    In a kit they lie beside the README, for people who have no client yet.
    """
    pairs = [
        (f"{channel.CLIENT}{ending}", limit) for ending, limit in zip(channel.CLIENT_ENDINGS, _LIMITS, strict=True)
    ]
    try:
        if look.tree.kit:
            return [look.source.read(name.rpartition("/")[2], limit) for name, limit in pairs]
        targets = [look.tree.targets[name] for name, _ in pairs]
        return [read_target(look.source, target, limit) for target, (_, limit) in zip(targets, pairs, strict=True)]
    except KeyError:
        return None
    except SourceError as error:
        if error.code == "source.missing":
            return None
        raise


def hint_at(look: Look) -> str:
    """Return what to do about a hotfix that needs a newer client than the installed one."""
    client, _ = newer_client(look)
    if client is None:
        return ManifestError.hints["client"]
    if look.tree.kit:
        where = f"{look.source.name}, {channel.CLIENT.rpartition('/')[2]}"
        return f"Client {client.version} in {where} is signed by the vendor's release key: put it in the installed one's place."
    return f"Client {client.version} is in the channel: `patchline-site fetch` brings it."


def installed() -> str:
    """Return the version of the client that runs."""
    return metadata.version("patchline")


def _version(data: bytes) -> str | None:
    """Return which version a signed client says that it is."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if re.fullmatch(r"patchline-[^/]+\.dist-info/METADATA", entry.filename):
                    with archive.open(entry) as member:
                        match = _VERSION.search(member.read(_MOST_METADATA))
                    return match[1].decode() if match else None
    except (zipfile.BadZipFile, OSError, NotImplementedError, EOFError):
        pass
    return None


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:4])
