"""Which owner, group, mode, access list and label a file or folder gets.

- A replaced file keeps what it had, but for the executable bits.
- An added file or folder takes them from its folder, as the kernel would for a program with no umask.
- What comes back by a rollback is as it was; what the customer changed meanwhile stays.
"""

from collections.abc import Iterator
from struct import iter_unpack

from patchline.patches.manifest import File, State
from patchline.patches.site.area import Attributes

_LABEL, _ACCESS, _DEFAULT = "security.selinux", "system.posix_acl_access", "system.posix_acl_default"
_OWNER, _GROUP, _MASK, _OTHERS = 0x01, 0x04, 0x10, 0x20
"""Tags of an access list's entries, as the kernel writes them."""


def replaced(there: Attributes, before: State, after: File) -> Attributes:
    """Return the attributes of a file whose content changes."""
    was = isinstance(before, File) and before.executable
    if was == after.executable:
        return there
    mode = there.mode | (there.mode & 0o444) >> 2 if after.executable else there.mode & ~0o111
    return Attributes(mode, there.uid, there.gid, there.extended)


def given_back(there: Attributes, now: State, recorded: Attributes, before: File) -> Attributes:
    """Return the attributes of a file that gets back its earlier content.

    They are `there`, where a hotfix had made it `now`; they were `recorded` when it had replaced `before`.
    """
    ours = replaced(recorded, before, now) if isinstance(now, File) else recorded
    return recorded if there == ours else replaced(there, now, before)


def added(folder: Attributes, executable: bool) -> Attributes:
    """Return what an added file takes from its folder."""
    bits = _default_bits(folder) & 0o666
    return Attributes(bits | (bits & 0o444) >> 2 if executable else bits, folder.uid, folder.gid, _passed_on(folder))


def added_link(folder: Attributes) -> Attributes:
    """Return what an added link takes from its folder: the owner and the group, as it has nothing else."""
    return Attributes(0o777, folder.uid, folder.gid)


def added_folder(folder: Attributes) -> Attributes:
    """Return what an added folder takes from the one it lies in."""
    extended = dict(_passed_on(folder))
    if default := dict(folder.extended).get(_DEFAULT):
        extended[_DEFAULT] = default
    mode = _default_bits(folder) | folder.mode & 0o2000
    return Attributes(mode, folder.uid, folder.gid, tuple(sorted(extended.items())))


def _default_bits(folder: Attributes) -> int:
    """Return the nine permission bits that a folder hands down: its own, or those of its default access list."""
    default = dict(folder.extended).get(_DEFAULT)
    if default is None:
        return folder.mode & 0o777
    bits = dict(_entries(bytes.fromhex(default)))
    return bits[_OWNER] << 6 | bits.get(_MASK, bits[_GROUP]) << 3 | bits[_OTHERS]


def _entries(access_list: bytes) -> Iterator[tuple[int, int]]:
    # Four bytes of format number, then tag, permissions and id of each entry, little-endian.
    for tag, permissions, _ in iter_unpack("<HHI", access_list[4:]):
        yield tag, permissions


def _passed_on(folder: Attributes) -> tuple[tuple[str, str], ...]:
    extended = dict(folder.extended)
    passed = {_LABEL: extended.get(_LABEL), _ACCESS: extended.get(_DEFAULT)}
    return tuple(sorted((name, value) for name, value in passed.items() if value is not None))
