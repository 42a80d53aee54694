"""Approvals that are signed in the browser: the same statement, in the same envelope, taken in by the same rules.

What was signed is never taken from the browser: it is made here again from the manifest and the time that the page
showed, and a signature over anything else does not fit. So a page that was left open signs nothing but what it showed.
"""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from patchline.patches.envelopes import Envelope, write_sidecar
from patchline.patches.errors import RefusedError, StateError, UsageError
from patchline.patches.manifest import Manifest
from patchline.patches.root import Root
from patchline.patches.signature import p256_signature_of_browser
from patchline.patches.statements import PAYLOAD_TYPE, TIME, Approval
from patchline.releaser import approvals
from patchline.releaser.approvals import Taken
from patchline.releaser.approving.browser_keys import check_signs
from patchline.releaser.hotfixes import label, locked
from patchline.releaser.register import Change
from patchline.releaser.states import OFFERED, Action, State, check_moment
from patchline.releaser.tables.browser_keys import BrowserKey
from patchline.releaser.tables.hotfixes import Hotfix, Revision


def statement(session: Session, revision: Revision, moment: datetime) -> bytes:
    """Return the bytes of the approval of a revision for everybody it is for, to be shown and signed.

    Raises:
        StateError: nothing was built.
    """
    if revision.manifest is None:
        raise StateError("hotfix-state", f"{label(revision)} is {revision.state}; nothing was built")
    customers = session.get_one(Hotfix, revision.hotfix).customers
    made = Approval.make(
        Manifest.parse(revision.manifest),
        scope=frozenset(customers) if customers else None,
        reproduced=False,
        now=moment,
    )
    return made.as_payload()


def take(
    change: Change, identifier: str, *, manifest: str, moment: str, keyid: str, signature: bytes, root: Root
) -> Taken:
    """Take in what a browser signed: an approval, or one that ratifies what went out as an emergency.

    Args:
        change: under way, by the person whose key it is.
        identifier: of the revision.
        manifest: digest of the manifest that the page showed.
        moment: the time in the statement that it showed.
        keyid: of the key in that browser.
        signature: over the envelope's signed bytes, as browsers give it.
        root: the channel's newest.

    Raises:
        RefusedError: it is not this person's key, or the page showed another revision; or as `approvals.take`.
        SignatureError: the signature does not fit what the page showed.
        VerificationError, StateError: as `approvals.take`.
    """
    check_signs(change.session, change.by)
    revision = locked(change, identifier)
    ratifies = State(revision.state) in OFFERED
    check_moment(Action.RATIFY if ratifies else Action.APPROVE, State(revision.state), label(revision))
    if manifest != revision.manifest_sha256:
        told = f"the page showed manifest {manifest[:16]}; {label(revision)} is {str(revision.manifest_sha256)[:16]}"
        raise RefusedError("other-statement", told)
    key = _own_key(change, keyid)
    payload = statement(change.session, revision, _read_moment(moment))
    envelope = Envelope(PAYLOAD_TYPE, payload, ((key.keyid, p256_signature_of_browser(signature)),))
    taking = approvals.ratify if ratifies else approvals.take
    taken = taking(change, label(revision), write_sidecar([envelope]), root)
    key.used = change.now
    change.session.flush()
    return taken


def _own_key(change: Change, keyid: str) -> BrowserKey:
    key = change.session.get(BrowserKey, keyid)
    if key is None or key.person != change.by:
        raise RefusedError("other-key", f"key {keyid[:16]} is no browser's key of {change.by}")
    if key.retired is not None:
        raise RefusedError("browser-key-ended", f"key {keyid[:16]} of {change.by} was retired")
    return key


def _read_moment(written: str) -> datetime:
    try:
        if TIME.fullmatch(written):
            return datetime.strptime(written, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        pass
    raise UsageError("date", f"{written[:40]!r} is no time of a statement")
