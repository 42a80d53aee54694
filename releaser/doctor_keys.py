"""What the doctor says of keys: which lie where, which are missing, and what losing each would mean."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from patchline.patches import sealed
from patchline.patches.channel import HOTFIXES, SNAPSHOT, STATUS, TIMESTAMP
from patchline.patches.errors import PatchlineError
from patchline.patches.policy import Policy, Purpose
from patchline.patches.wording import counted
from patchline.releaser import server_keys
from patchline.releaser.published import Published

_SERVERS = {*server_keys.NAMES, *server_keys.ROLES}
_NOT_LOOKED_INTO = {"mirrors", "bundles", "channel"}
_PRIVATE = b"PRIVATE KEY-----"


@dataclass(frozen=True)
class Finding:
    """Something to be mended: a stable code, what it is, what to do."""

    code: str
    message: str
    hint: str


def missing(home: Path) -> Iterator[Finding]:
    """Yield the server's keys that are not there, or damaged."""
    for name in server_keys.NAMES:
        try:
            server_keys.server_public(home, name)
        except PatchlineError as error:
            yield Finding("key", f"the server's key {name}: {error.message}", error.hint)


def foreign(home: Path, published: Published, policies: Sequence[Policy]) -> Iterator[Finding]:
    """Yield private keys below the home that must not be on a server."""
    holders = _holders(published, policies)
    for path in _files(home):
        if path.suffix == sealed.ENDING:
            finding = _judged(path, holders, own=path.parent == server_keys.server_keys_folder(home))
        else:
            finding = _plain(path)
        if finding is not None:
            yield finding


def _judged(path: Path, holders: dict[str, str], *, own: bool) -> Finding | None:
    try:
        keyid = sealed.read_sealed(path).public.keyid
    except PatchlineError:
        return None
    if keyid in holders:
        hint = "Move it to a machine or medium of its holder, and see that no backup of this server has it."
        return Finding("foreign-key", f"{path} is {holders[keyid]}; it must not lie on a server", hint)
    if own and path.stem in _SERVERS:
        return None
    hint = "Move it away; a server has no other keys than its own."
    return Finding("foreign-key", f"{path} is a private key that is not the server's", hint)


def _plain(path: Path) -> Finding | None:
    try:
        with path.open("rb") as file:
            found = _PRIVATE in file.read(200)
    except OSError:
        return None
    hint = "Remove it; patchline key new makes keys that a passphrase protects."
    return Finding("plain-key", f"{path} holds a private key", hint) if found else None


def _files(home: Path) -> Iterator[Path]:
    for top, folders, files in os.walk(home):
        if Path(top) == home:
            folders[:] = [name for name in folders if name not in _NOT_LOOKED_INTO]
        yield from (Path(top) / name for name in sorted(files) if name.endswith((sealed.ENDING, ".pem")))


def _holders(published: Published, policies: Sequence[Policy]) -> dict[str, str]:
    """Return what keys are that never belong on a server, by their ids."""
    found: dict[str, str] = {}
    for root in (*published.roots, *published.kit_roots):
        for role in ("root", "targets"):
            found |= dict.fromkeys(root.roles[role].keys, "an offline key of the root")
    purposes = {
        Purpose.APPROVER: "an approver's key",
        Purpose.BUILDER: "a builder's key",
        Purpose.RELEASE: "the release key",
    }
    for policy in policies:
        found |= {keyid: f"{purposes[key.purpose]}, of {key.person}" for keyid, key in policy.keys.items()}
    return found


def unnamed(home: Path, published: Published) -> Iterator[Finding]:
    """Yield the roles of the channel that no key of the home can sign."""
    if published.delegations is None or not published.roots:
        return
    own = set()
    for name in _SERVERS:
        try:
            own.add(server_keys.server_public(home, name).keyid)
        except PatchlineError:
            continue
    root, delegations = published.roots[-1], published.delegations
    roles = {
        SNAPSHOT: root.roles[SNAPSHOT],
        TIMESTAMP: root.roles[TIMESTAMP],
        HOTFIXES: delegations.hotfixes,
        STATUS: delegations.status,
    }
    if published.kit_roots:
        roles["kits"] = published.kit_roots[-1].roles[TIMESTAMP]
    for name, role in roles.items():
        if not own & set(role.keys):
            hint = "Put the key back from a backup, or make a new root or new targets that name the one here."
            yield Finding("role", f"no key here signs {name} as root and targets name it", hint)


def thin(policy: Policy) -> Iterator[Finding]:
    """Yield what one lost key or one absent person would stop."""
    active = [key for key in policy.keys.values() if key.active]
    approvers = {key.person for key in active if key.purpose is Purpose.APPROVER}
    needed = max(rule.threshold for rule in policy.rules)
    if len(approvers) <= needed:
        what = f"{policy.product} has {counted(len(approvers), 'approver')} and needs {needed}: nobody may be absent"
        yield Finding("approvers", what, "Enrol another approver: patchline trust policy --previous.")
    if not any(key.purpose is Purpose.RELEASE for key in active):
        what = f"{policy.product} has no release key, so customers cannot check with openssl alone"
        yield Finding("release-key", what, "Add one: patchline trust policy --previous --release.")


def losses(published: Published, policies: Sequence[Policy]) -> Iterator[str]:
    """Yield, for each key, what losing it would mean."""
    if published.roots:
        role = published.roots[-1].roles["root"]
        spare = len(role.keys) - role.threshold
        yield (
            f"an offline key: {counted(spare, 'loss', 'losses')} of {len(role.keys)} can be borne, the others sign a new root; "
            "after one more, no root, targets or policy can ever follow, and every site needs a new trust file by hand"
        )
        yield (
            "the online key: sites take nothing new after the timestamp expires, until a new root names another key; "
            "who steals it can withhold hotfixes, never ship one"
        )
    if published.kit_roots:
        yield "the kit key: no kits, until a new root of kits names another key"
    for policy in policies:
        people: dict[Purpose, set[str]] = {}
        for key in policy.keys.values():
            if key.active:
                people.setdefault(key.purpose, set()).add(key.person)
        needed = max(rule.threshold for rule in policy.rules)
        approvers = people.get(Purpose.APPROVER, set())
        yield (
            f"an approver's key of {policy.product}: {max(0, len(approvers) - needed)} of {len(approvers)} can be missing; "
            "a new policy, signed by offline keys, names another"
        )
        builders = ", ".join(sorted(people.get(Purpose.BUILDER, set()))) or "nobody"
        yield f"the builder's key of {policy.product} ({builders}): no new bundle, until a new policy names another"
        if people.get(Purpose.RELEASE):
            yield f"the release key of {policy.product}: no new release for people with openssl, until a new policy names another"
