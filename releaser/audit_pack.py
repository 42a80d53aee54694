"""One folder that an auditor checks with no server: what happened to a hotfix or between two days, and who signed it.

README.txt  check.py        what it is, and how to check it with Python alone
events.jsonl                the chain from the first event it is about; others by their digest alone
checkpoints.jsonl           what the register told the outside
revisions/LABEL/…           manifest, provenance, approvals, release signature, recalls
policies/PRODUCT-N.json     roots/N.root.json
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches import documents
from patchline.patches.audit_chain import RESTORED, Row
from patchline.patches.errors import NotFoundError
from patchline.patches.files import os_failure, write_atomically, write_file
from patchline.patches.statements import time_text
from patchline.releaser import audit, pack_check
from patchline.releaser.bundles import approvals_of
from patchline.releaser.published import read_roots
from patchline.releaser.register import Register
from patchline.releaser.stores import Store
from patchline.releaser.tables.hotfixes import Hotfix, PolicyVersion, Recall, Revision, Step

FORMAT = 1
MANIFEST, PROVENANCE, APPROVALS, RECALLS = "manifest.json", "provenance.jsonl", "approvals.jsonl", "recalls.jsonl"
LINE, SIGNATURE = "release.sha256", "release.sha256.sig"
_AT = re.compile(rb'"at":"([^"]{20})"')
_README = """\
What happened {about}, from the register of {vendor}.

events.jsonl       every audit event since the first one this is about, a line each; events about something else stand
                   in it by their digest alone, so the chain can be checked without reading them
checkpoints.jsonl  how long the chain was and its last digest, as it was told outside at the time
revisions/         manifest, provenance, approvals, release signature and recalls of each revision, as they were signed
policies/ roots/   whose signatures counted, signed by the offline keys

Check the chain with Python alone, and with any checkpoint that you kept yourself (status/checkpoint.json of the
channel, or the one in a site's report). Read check.py first; it has a hundred lines.

    python3 check.py [CHECKPOINT.json ...]

Check chain and signatures with Patchline, from a source that you trust:

    patchline audit verify --pack . [--checkpoint CHECKPOINT.json]
"""


@dataclass(frozen=True)
class About:
    """What a pack is about: a hotfix, or a time.

    Attributes:
        hotfix: its id, or None.
        start, end: moments as events write them; the end does not belong to it.
    """

    hotfix: str | None = None
    start: str = ""
    end: str = "~"

    @property
    def words(self) -> str:
        """What it is about, in words."""
        return f"to {self.hotfix}" if self.hotfix else f"from {self.start} to {self.end}"

    def matcher(self) -> Callable[[bytes], bool]:
        """Return what tells whether an event belongs to it."""
        if self.hotfix is None:
            return self._in_time
        mark = self.hotfix.encode()
        return lambda body: mark in body and self._names(json.loads(body)["subject"])

    def _in_time(self, body: bytes) -> bool:
        found = _AT.search(body)
        return found is not None and self.start <= found[1].decode() < self.end

    def _names(self, subject: str) -> bool:
        return subject == self.hotfix or subject.startswith(f"{self.hotfix}-r")


@dataclass(frozen=True)
class Packed:
    """What a pack holds."""

    events: int
    count: int
    head: str
    revisions: tuple[str, ...]


def pack(register: Register, about: About, out: Path, now: datetime) -> Packed:
    """Write a pack into a new folder.

    Raises:
        NotFoundError: nothing happened to it, or then.
        RefusedError: the folder is there already.
    """
    with register.snapshot() as session:
        matches = about.matcher()
        first = next((row.sequence for row in audit.rows(session) if matches(row.body)), None)
        if first is None:
            raise NotFoundError("event", f"no event {about.words}")
        revisions = list(_revisions(session, about))
        _make_folder(out)
        events = _write_events(session, about, first, out)
        count, head = audit.head(session)
        told = [one for one in audit.told(session) if one.count >= first - 1]
        write_file(out / pack_check.CHECKPOINTS, b"".join(one.as_bytes() + b"\n" for one in told))
        for revision in revisions:
            _write_revision(session, revision, out)
        _write_policies(session, revisions, out)
    _write_roots(register, out)
    vendor = register.settings.name or "a vendor"
    write_file(
        out / "README.txt", (_README.format(about=about.words, vendor=vendor) + f"\nMade {time_text(now)}.\n").encode()
    )
    write_file(out / "check.py", Path(pack_check.__file__).read_bytes())
    return Packed(events, count, head, tuple(_label(revision) for revision in revisions))


def _make_folder(out: Path) -> None:
    try:
        out.mkdir()
        for name in ("revisions", "policies", "roots"):
            (out / name).mkdir()
    except OSError as error:
        raise os_failure(error) from None


def _write_events(session: Session, about: About, first: int, out: Path) -> int:
    """Write the chain from an event on; return how many events can be read in it."""
    matches, readable = about.matcher(), 0
    count, head = audit.head(session)
    with write_atomically(out / pack_check.EVENTS) as file:
        for row in audit.rows(session, first):
            if row.sequence == first:
                start = {
                    "format": FORMAT,
                    "first": first,
                    "previous": row.previous.decode(),
                    "count": count,
                    "head": head,
                }
                file.write(documents.encode(start) + b"\n")
            shown = matches(row.body) or RESTORED.encode() in row.body
            readable += shown
            file.write(documents.encode(_line(row, shown=shown)) + b"\n")
    return readable


def _line(row: Row, *, shown: bool) -> dict[str, Any]:
    if shown:
        return {"sequence": row.sequence, "body": row.body.decode()}
    return {"sequence": row.sequence, "sha256": hashlib.sha256(row.body).hexdigest()}


def _revisions(session: Session, about: About) -> Iterator[Revision]:
    query = select(Revision).where(Revision.manifest_sha256.is_not(None)).order_by(Revision.hotfix, Revision.number)
    if about.hotfix is not None:
        yield from session.scalars(query.where(Revision.hotfix == about.hotfix))
        return
    found = {
        row.revision
        for row in session.execute(select(Step.revision, Step.at))
        if about.start <= time_text(row.at) < about.end
    }
    yield from (revision for revision in session.scalars(query) if revision.id in found)


def _label(revision: Revision) -> str:
    return f"{revision.hotfix}-r{revision.number}"


def _write_revision(session: Session, revision: Revision, out: Path) -> None:
    folder = out / "revisions" / _label(revision)
    folder.mkdir()
    statements = select(Recall.envelope).where(Recall.revision == revision.id).order_by(Recall.id)
    parts = {
        MANIFEST: revision.manifest,
        PROVENANCE: revision.provenance,
        APPROVALS: approvals_of(session, revision),
        LINE: revision.release_line,
        SIGNATURE: revision.release_signature,
        RECALLS: b"".join(session.scalars(statements)),
    }
    for name, data in parts.items():
        if data:
            write_file(folder / name, data)


def _write_policies(session: Session, revisions: list[Revision], out: Path) -> None:
    products = set(session.scalars(select(Hotfix.product).where(Hotfix.id.in_({one.hotfix for one in revisions}))))
    for policy in session.scalars(select(PolicyVersion).where(PolicyVersion.product.in_(products))):
        write_file(out / "policies" / f"{policy.product}-{policy.number}.json", policy.envelope)


def _write_roots(register: Register, out: Path) -> None:
    for root in read_roots(Store.at(register.channel), kit=False):
        write_file(out / "roots" / f"{root.version}.root.json", documents.encode(root.document))
