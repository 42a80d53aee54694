"""Keys of persons that lie in their browsers: made there, never seen here, known by what they signed themselves.

A key that was enrolled counts for nothing yet: it counts when the offline keys signed a policy that lists it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches import documents
from patchline.patches.enrolments import ENROLMENT_TYPE, Enrolment
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import NotFoundError, RefusedError, UsageError
from patchline.patches.keys import Kind, PublicKey
from patchline.patches.policy import Custody, Policy
from patchline.patches.signature import p256_signature_of_browser
from patchline.patches.statements import time_text
from patchline.releaser.persons import require_role
from patchline.releaser.policies import newest_policies
from patchline.releaser.register import Change
from patchline.releaser.tables.browser_keys import BrowserKey
from patchline.releaser.tables.people import PersonRole, Role

_LONGEST_DEVICE = 80
_MOST_KEYS = 20
ENDING = ".enrolment"


@dataclass(frozen=True)
class Listed:
    """A key as people see it.

    Attributes:
        policies: products whose newest policy lists it as this person's key in a browser, and whether it is active.
    """

    keyid: str
    person: str
    device: str
    public: PublicKey
    added: datetime
    used: datetime | None
    retired: datetime | None
    policies: Mapping[str, bool]

    @property
    def fingerprint(self) -> str:
        """What the person tells the signers of the policy."""
        return self.public.fingerprint

    @property
    def stands(self) -> str:
        """How it stands, in words."""
        if self.retired is not None:
            return "retired"
        active = sorted(product for product, counts in self.policies.items() if counts)
        return f"in the policy of {', '.join(active)}" if active else "made, not yet in the policy"


def enrol(change: Change, device: str, public: str, raw: bytes) -> Listed:
    """Take in a key that the browser of who acts has just made.

    Args:
        change: under way.
        device: how the person calls the browser.
        public: PEM.
        raw: the key's signature over its enrolment, as browsers give it.

    Raises:
        UsageError: the name is none, or there are too many keys.
        SignatureError, StatementError: it is no such key, or did not sign this.
        RefusedError: it is there already, or who acts only looks.
    """
    check_signs(change.session, change.by)
    if not 0 < len(device.strip()) <= len(device) <= _LONGEST_DEVICE or not device.isprintable():
        raise UsageError("browser-key", f"the name of the browser has 1 to {_LONGEST_DEVICE} printable characters")
    key = PublicKey.from_pem(public)
    if key.kind is not Kind.P256:
        raise UsageError("browser-key", "a browser's key is a P-256 key")
    enrolment = Enrolment(change.by, key, Custody.BROWSER)
    signature = p256_signature_of_browser(raw)
    envelope = Envelope(ENROLMENT_TYPE, enrolment.as_payload(), ((key.keyid, signature),))
    Enrolment.read(envelope.as_document())
    _check_free(change, key)
    row = BrowserKey(
        keyid=key.keyid,
        person=change.by,
        device=device,
        public=public,
        enrolment=documents.encode(envelope.as_document()) + b"\n",
        added=change.now,
    )
    change.session.add(row)
    change.session.flush()
    change.record("person.key", change.by, {"keyid": key.keyid, "device": device})
    return _listed(row, {})


def _check_free(change: Change, key: PublicKey) -> None:
    if change.session.get(BrowserKey, key.keyid) is not None:
        raise RefusedError("key-enrolled", f"key {key.keyid[:16]} was enrolled before")
    mine = select(BrowserKey.keyid).where(BrowserKey.person == change.by, BrowserKey.retired.is_(None))
    if len(list(change.session.scalars(mine))) >= _MOST_KEYS:
        raise UsageError("browser-key", f"{change.by} has {_MOST_KEYS} keys in browsers; retire one first")


def retire(change: Change, keyid: str) -> Listed:
    """Say that a key signs no more; the policy must retire it too. One's own, or any as a release manager.

    Raises:
        NotFoundError: there is no such key.
        RefusedError: it is somebody else's.
    """
    row = change.session.get(BrowserKey, keyid, with_for_update=True)
    if row is None:
        raise NotFoundError("browser-key", f"no browser's key begins with {keyid[:16]!r}")
    if row.person != change.by:
        require_role(change.session, change.by, Role.RELEASE_MANAGER)
    if row.retired is None:
        row.retired = change.now
        change.session.flush()
        change.record("person.key-retire", row.person, {"keyid": keyid, "device": row.device})
    return _listed(row, {})


def listed(session: Session, person: str | None = None) -> list[Listed]:
    """Return the keys of a person, or of everybody, the newest first."""
    query = select(BrowserKey).order_by(BrowserKey.added.desc(), BrowserKey.keyid)
    rows = session.scalars(query.where(BrowserKey.person == person) if person is not None else query).all()
    policies = newest_policies(session) if rows else {}
    return [_listed(row, policies) for row in rows]


def enrolment_of(session: Session, keyid: str) -> tuple[str, bytes]:
    """Return a name for a file, and the enrolment that whoever makes the policy takes in.

    Raises:
        NotFoundError: there is no such key.
    """
    row = session.get(BrowserKey, keyid)
    if row is None:
        raise NotFoundError("browser-key", f"no browser's key begins with {keyid[:16]!r}")
    return f"{row.person}-{keyid[:8]}{ENDING}", row.enrolment


def by_beginning(session: Session, beginning: str) -> str:
    """Return the id of the one key whose id or fingerprint begins so.

    Raises:
        NotFoundError: there is none, or more than one.
    """
    found = [
        row.keyid
        for row in session.scalars(select(BrowserKey))
        if beginning and (row.keyid.startswith(beginning) or _public(row).fingerprint.startswith(beginning.upper()))
    ]
    if len(found) != 1:
        raise NotFoundError("browser-key", f"{len(found)} keys in browsers begin with {beginning[:32]!r}")
    return found[0]


def check_signs(session: Session, person: str) -> None:
    """Refuse somebody who is an auditor and nothing else.

    Raises:
        RefusedError: they look and change nothing.
    """
    held = set(session.scalars(select(PersonRole.role).where(PersonRole.person == person)))
    if held == {Role.AUDITOR}:
        raise RefusedError("looks-only", f"{person} is an auditor, who looks and signs nothing")


def document(key: Listed) -> dict[str, Any]:
    """Return a key for `--json`."""
    return {
        "keyid": key.keyid,
        "fingerprint": key.fingerprint,
        "person": key.person,
        "device": key.device,
        "public": key.public.to_pem(),
        "added": time_text(key.added),
        "used": time_text(key.used) if key.used else None,
        "retired": time_text(key.retired) if key.retired else None,
        "stands": key.stands,
        "policies": {product: "active" if counts else "ended" for product, counts in key.policies.items()},
    }


def words(key: Listed) -> str:
    """Return a key's line in a list."""
    used = f"used {key.used:%Y-%m-%d}" if key.used else "never used"
    return f"{key.person}  {key.fingerprint}  {key.device}  made {key.added:%Y-%m-%d}, {used}: {key.stands}"


def _public(row: BrowserKey) -> PublicKey:
    return PublicKey.from_pem(row.public)


def _listed(row: BrowserKey, policies: Mapping[str, Policy]) -> Listed:
    counts = {
        product: policy.keys[row.keyid].active
        for product, policy in policies.items()
        if row.keyid in policy.keys and policy.keys[row.keyid].person == row.person
    }
    return Listed(row.keyid, row.person, row.device, _public(row), row.added, row.used, row.retired, counts)


def keyids(keys: Sequence[Listed]) -> list[str]:
    """Return the ids of those that still sign."""
    return [key.keyid for key in keys if key.retired is None]
