"""The settings git runs with here, and what may be believed of somebody else's. Pure: runs nothing."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from patchline.patches.errors import GitError

_SETTINGS: Mapping[str, str] = {
    "core.alternateRefsCommand": ":",
    "core.commitGraph": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "fetch.negotiationAlgorithm": "noop",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "safe.bareRepository": "explicit",
    "transfer.fsckObjects": "true",
}
_ADDRESS = re.compile(r"(https|ssh|file)://[!-~]+|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:[!-~]+")


def environment(*, foreign: bool) -> dict[str, str]:
    """Return the environment in which git is started: nothing of the caller's or the machine's settings counts.

    Args:
        foreign: whether it is `upload-pack` in somebody else's repository, the one place where the owner is no matter.
    """
    settings = {**_SETTINGS, "safe.directory": "*"} if foreign else _SETTINGS
    found = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "LC_"))}
    found.update(
        LC_ALL="C",
        GIT_ALLOW_PROTOCOL="https:ssh:file",
        GIT_ATTR_NOSYSTEM="1",
        GIT_CONFIG_COUNT=str(len(settings)),
        GIT_CONFIG_GLOBAL=os.devnull,
        GIT_CONFIG_NOSYSTEM="1",
        GIT_NO_LAZY_FETCH="1",
        GIT_NO_REPLACE_OBJECTS="1",
        GIT_OPTIONAL_LOCKS="0",
        GIT_TERMINAL_PROMPT="0",
    )
    for number, (key, value) in enumerate(settings.items()):
        found[f"GIT_CONFIG_KEY_{number}"], found[f"GIT_CONFIG_VALUE_{number}"] = key, value
    return found


def store_settings(algorithm: str) -> str:
    """Return the `config` of a store of ours."""
    if algorithm == "sha256":
        return "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
    return "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"


def promisor_address(listed: str, top: Path, wanted: str) -> str:
    """Return where a partial clone's missing objects are to be had.

    Args:
        listed: the clone's settings, as `git config --null --list` writes them.
        top: the clone's folder, from which a relative path counts.
        wanted: one of the missing objects, for the message.

    Raises:
        GitError: nobody owes it the objects, or the address is of a kind that could run something.
    """
    pairs = [line.partition("\n")[::2] for line in listed.split("\0") if line]
    settings = dict(pairs)
    owing = [key.removesuffix(".promisor") for key, value in pairs if key.endswith(".promisor") and value != "false"]
    remote = owing[0] if owing else f"remote.{settings.get('extensions.partialclone', '')}"
    address = settings.get(f"{remote}.url")
    if address is None:
        raise GitError("object-missing", f"{top} lacks object {wanted} and owes it to no remote")
    if _ADDRESS.fullmatch(address):
        return address
    folder = (top / address).resolve()
    if ":" in address or not folder.is_dir():
        raise GitError("address", f"{top} owes objects to {address[:200]!r}, which is no usable address")
    return os.fspath(folder)


def quoted_path(path: bytes) -> str:
    """Write a path so that git takes it as one, whatever colon or line feed it holds."""
    inner = "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in path)
    return f'"{inner}"'
