"""What a restored register does not know although it was published: the channel as it is now, against the rows.

- Lost revisions, policies and recalls are listed, for people to take in again.
- Numbers of hotfixes that were published are never given again.
- How many audit events are missing says the checkpoint that was published last.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from patchline.patches import channel, documents
from patchline.patches.audit_chain import CHECKPOINT_LIMIT, Checkpoint
from patchline.patches.channel import HOTFIXES, HotfixName
from patchline.patches.errors import PatchlineError
from patchline.patches.limits import LIMITS
from patchline.patches.recall_list import RecallList
from patchline.patches.release_zip import APPROVALS, open_release
from patchline.patches.wording import counted
from patchline.releaser.backup_form import Index
from patchline.releaser.published import ListedTarget, Published, read_published
from patchline.releaser.states import OFFERED, State
from patchline.releaser.stores import Store
from patchline.releaser.tables.hotfixes import PolicyVersion, Revision
from patchline.releaser.trust_files import PolicyFile

_NUMBERED = re.compile(r"HF-([0-9]{4})-([0-9]{4,9})")
_RAISE = text(
    "INSERT INTO counter (series, last) VALUES (:series, :last) ON CONFLICT (series) DO UPDATE "
    "SET last = excluded.last WHERE counter.last < excluded.last"
)


@dataclass(frozen=True)
class Losses:
    """What was published and is not known any more.

    Attributes:
        first, last: the audit events that are missing; None when none is known to be.
        head: the chain's head as it was told last.
        revisions: published ones that the register does not know, or not as published; with their approvals.
        recalls: held or recalled ones that the register does not know as such.
        policies: newer ones than the register knows.
        hotfixes: ids of all that were published.
    """

    first: int | None = None
    last: int | None = None
    head: str | None = None
    revisions: tuple[tuple[str, int], ...] = ()
    recalls: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    hotfixes: tuple[str, ...] = ()

    def as_facts(self) -> dict[str, Any]:
        """Return the losses as they stand in the audit event, and in `--json`."""
        events = {"first": self.first, "last": self.last, "head": self.head} if self.first is not None else None
        revisions = [{"revision": label, "approvals": approvals} for label, approvals in self.revisions]
        return {"events": events, "revisions": revisions, "recalls": [*self.recalls], "policies": [*self.policies]}

    def words(self) -> list[str]:
        """Return the losses for people."""
        lines = []
        if self.first is not None and self.last is not None:
            lines.append(f"{counted(self.last - self.first + 1, 'audit event')}: {self.first} to {self.last}")
        lines += [f"{label}, published with {counted(number, 'approval')}" for label, number in self.revisions]
        lines += [f"the recall of {label}" for label in self.recalls]
        return [*lines, *(f"the {policy}" for policy in self.policies)]


def published_checkpoint(store: Store) -> Checkpoint | None:
    """Return the checkpoint that was published last."""
    listed = read_published(store).targets.get(channel.CHECKPOINT)
    data = store.read(listed.file, CHECKPOINT_LIMIT) if listed else None
    return Checkpoint.parse(data) if data is not None else None


def find(session: Session, store: Store, index: Index) -> Losses:
    """Compare what was published with what the register knows.

    Raises:
        ChannelError, StoreError: what was published cannot be read.
    """
    published = read_published(store)
    told = published_checkpoint(store)
    first = index.count + 1 if told and told.count > index.count else None
    names = {name: HotfixName.read(name) for name in published.targets if name.startswith(f"{HOTFIXES}/")}
    return Losses(
        first=first,
        last=told.count if told and first else None,
        head=told.head if told and first else None,
        revisions=tuple(_revisions(session, store, published, names)),
        recalls=tuple(_recalls(session, store, published)),
        policies=tuple(_policies(session, store, published)),
        hotfixes=tuple(sorted({name.hotfix for name in names.values()})),
    )


def raise_counters(session: Session, lost: Losses) -> None:
    """Let no number of a published hotfix be given again."""
    highest: dict[str, int] = {}
    for hotfix in lost.hotfixes:
        if numbered := _NUMBERED.fullmatch(hotfix):
            series = f"hotfix-{numbered[1]}"
            highest[series] = max(highest.get(series, 0), int(numbered[2]))
    for series, last in sorted(highest.items()):
        session.execute(_RAISE, {"series": series, "last": last})


def _revisions(
    session: Session, store: Store, published: Published, names: dict[str, HotfixName]
) -> list[tuple[str, int]]:
    known = _states(session)
    offered = {*OFFERED, State.RECALLED}
    lost = {
        name: target for name, target in names.items() if known.get((target.hotfix, target.revision)) not in offered
    }
    return [
        (f"{lost[name].hotfix}-r{lost[name].revision}", _approvals(store, published.targets[name]))
        for name in sorted(lost)
    ]


def _states(session: Session) -> dict[tuple[str, int], str]:
    rows = session.execute(select(Revision.hotfix, Revision.number, Revision.state))
    return {(row.hotfix, row.number): row.state for row in rows}


def _approvals(store: Store, listed: ListedTarget) -> int:
    """Return how many approvals a published revision carries; none where its zip is gone too."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "release.zip"
        try:
            with path.open("wb") as file:
                store.read_into(listed.file, file, listed.size)
            with open_release(path) as release:
                return len(release.sidecar(APPROVALS).splitlines())
        except (PatchlineError, KeyError):
            return 0


def _recalls(session: Session, store: Store, published: Published) -> list[str]:
    known = _states(session)
    found = set()
    for data in _documents(store, published, "status/recalls/"):
        recalls = RecallList.parse(data)
        for state, entries in ((State.HELD, recalls.held), (State.RECALLED, recalls.recalled)):
            for one in entries:
                if known.get((one.revision.hotfix, one.revision.number)) != state and not _taken_back(one):
                    found.add(one.revision.label)
    return sorted(found)


def _taken_back(entry: Any) -> bool:
    return bool(getattr(entry, "reinstated", ()))


def _policies(session: Session, store: Store, published: Published) -> list[str]:
    newest = select(PolicyVersion.product, func.max(PolicyVersion.number)).group_by(PolicyVersion.product)
    known = {product: number for product, number in session.execute(newest)}
    found = []
    for data in _documents(store, published, "status/policies/"):
        policy = PolicyFile.read(documents.decode(data, what="policy", limit=LIMITS.trust_file)).policy
        if policy.version > known.get(policy.product, 0):
            found.append(f"policy {policy.version} of {policy.product}")
    return found


def _documents(store: Store, published: Published, prefix: str) -> list[bytes]:
    listed = [target for name, target in sorted(published.targets.items()) if name.startswith(prefix)]
    return [data for target in listed if (data := store.read(target.file, LIMITS.trust_file)) is not None]
