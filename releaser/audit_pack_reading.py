"""Checking a pack as an auditor does: the chain, and who approved each revision by which policy. Needs no register."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from patchline.patches.audit_chain import Checkpoint
from patchline.patches.errors import AuditError, PatchlineError
from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import Manifest
from patchline.patches.trust import Trust, trust_document
from patchline.patches.verify import Sidecars, verify
from patchline.releaser import audit_pack, pack_check
from patchline.releaser.auditing import heads
from patchline.releaser.trust_files import PolicyFile, read_policy, read_root

_EVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Verdict:
    """What the signatures of a revision amount to: by which policy who approved it, or why it is not approved."""

    label: str
    policy: int | None
    approvers: tuple[str, ...]
    reason: str | None


@dataclass(frozen=True)
class PackVerified:
    """A pack that holds.

    Attributes:
        readable: how many events can be read.
        count, head: where the chain ends.
        gaps: events that restores lost.
        outside: the given checkpoints that were compared.
        verdicts: of each revision.
    """

    readable: int
    count: int
    head: str
    gaps: tuple[tuple[int, int], ...]
    outside: tuple[Checkpoint, ...]
    verdicts: tuple[Verdict, ...]


def check_pack(folder: Path, checkpoints: Sequence[Checkpoint], now: datetime) -> PackVerified:
    """Check a pack.

    Raises:
        AuditError: an event was changed, dropped or added, or the chain is another one than the outside knows.
        NotFoundError: it is no pack, or lacks a part.
        PatchlineError: a root or policy breaks its rules.
    """
    own = read_file(folder / pack_check.CHECKPOINTS, limit=LIMITS.trust_file).decode()
    outside = {**pack_check.checkpoints(own.splitlines()), **heads(checkpoints)}
    try:
        with (folder / pack_check.EVENTS).open(encoding="utf-8") as events:
            count, head, readable, gaps = pack_check.check_chain(events, outside)
    except FileNotFoundError:
        raise AuditError("pack", f"{folder} has no {pack_check.EVENTS}") from None
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise AuditError("pack", f"the events of {folder} do not hold: {error}") from None
    trusts = _trusts(folder)
    labels = sorted(path.name for path in (folder / "revisions").iterdir())
    verdicts = tuple(_verdict(folder / "revisions" / label, trusts, now) for label in labels)
    compared = tuple(one for one in checkpoints if one.count <= count)
    return PackVerified(readable, count, head, tuple((first, last) for first, last in gaps), compared, verdicts)


def _trusts(folder: Path) -> list[Trust]:
    """Return what a site would have believed, under the newest policy first."""
    roots = sorted((read_root(path) for path in (folder / "roots").iterdir()), key=lambda root: root.version)
    for before, after in pairwise(roots):
        before.check_successor(after)
    policies = sorted((read_policy(path) for path in (folder / "policies").iterdir()), key=_version, reverse=True)
    found = []
    for policy in policies:
        for root in reversed(roots):
            try:
                data = trust_document(product=policy.policy.product, root=root, policy=policy.envelope)
            except PatchlineError:
                continue
            found.append(Trust.parse(data))
            break
        else:
            raise AuditError("pack", f"policy {policy.policy.version} was signed by no root of the pack")
    return found


def _version(policy: PolicyFile) -> int:
    return policy.policy.version


def _verdict(folder: Path, trusts: list[Trust], now: datetime) -> Verdict:
    manifest = read_file(folder / audit_pack.MANIFEST, limit=LIMITS.manifest)
    sidecars = Sidecars(_part(folder / audit_pack.PROVENANCE), _part(folder / audit_pack.APPROVALS))
    product = Manifest.parse(manifest).target.product
    reason = "the pack has no policy of its product"
    for trust in trusts:
        if trust.product != product:
            continue
        try:
            verified = verify(manifest, sidecars, trust, now, stale_until=_EVER)
        except PatchlineError as error:
            reason = error.message
            continue
        persons = tuple(sorted(place.person for place in verified.approvals))
        return Verdict(folder.name, verified.policy, persons, None)
    return Verdict(folder.name, None, (), reason)


def _part(path: Path) -> bytes:
    return read_file(path, limit=LIMITS.sidecar) if path.exists() else b""


def as_document(found: PackVerified) -> dict[str, object]:
    """Return it for `--json`."""
    return {
        "readable": found.readable,
        "count": found.count,
        "head": found.head,
        "lost": [list(gap) for gap in found.gaps],
        "consistent": "outside" if found.outside else "itself",
        "revisions": [vars(verdict) for verdict in found.verdicts],
    }
