"""Publishing: from an approved revision to what the channel offers.

The register is the truth of what is offered, and the channel follows it:

1. Everything is checked, the release zip is made and uploaded; nobody finds it before it is listed.
2. In one transaction everything is checked again and the revision becomes published, with the digest of its zip.
3. The channel is brought to what the register says (`follow`), under the channel's lock and from what the register
   holds at that very moment: so nothing that was recalled meanwhile is ever listed by somebody who was slower.

A crash between any two steps leaves a whole channel; the same command, or `channel renew`, finishes.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches import channel as names
from patchline.patches.channel import HotfixName
from patchline.patches.errors import RefusedError, StateError, StatementError
from patchline.patches.files import write_file
from patchline.patches.policy import Purpose
from patchline.patches.release import check_release, release_line
from patchline.patches.release_zip import NOTES, write_release
from patchline.patches.root import Root
from patchline.patches.statements import time_text
from patchline.patches.trust import Trust
from patchline.releaser.approvals import count
from patchline.releaser.bundles import ReleaseSet, release_set, save
from patchline.releaser.channel import Channel, Edit
from patchline.releaser.fitting import Shelf, misfits
from patchline.releaser.hotfixes import find, label, locked, move, roles_of
from patchline.releaser.policies import newest_policy, newest_root, vendor_trust
from patchline.releaser.published import ListedTarget
from patchline.releaser.recalls import newest_list, proposed
from patchline.releaser.register import Change, Register
from patchline.releaser.release_words import notes, readme
from patchline.releaser.states import OFFERED, Action, State, check_may
from patchline.releaser.tables.catalogue import Product
from patchline.releaser.tables.hotfixes import Hotfix, Revision

_UNFINISHED = {
    State.DRAFT: "nothing was built",
    State.BUILT: "it was not submitted for review",
    State.HELD: "it is held back",
    State.RECALLED: "it was recalled",
    State.REJECTED: "it was rejected",
    State.ABANDONED: "it was abandoned",
}


@dataclass(frozen=True)
class Release:
    """What the release key said: the `.sha256` file and its signature."""

    line: bytes
    signature: bytes


# Why not


def obstacles(session: Session, revision: Revision, root: Root, now: datetime, release: Release | None) -> list[str]:
    """Return in words everything that stands against publishing a revision; empty when nothing does.

    Args:
        session: to read from.
        revision: any.
        root: the channel's newest.
        now: the time.
        release: what the release key said, if it is given only now.
    """
    state = State(revision.state)
    if state in _UNFINISHED:
        return [_UNFINISHED[state]]
    if state is State.PUBLISHED:
        return []
    return list(_obstacles(session, revision, root, now, release))


def _obstacles(
    session: Session, revision: Revision, root: Root, now: datetime, release: Release | None
) -> Iterator[str]:
    hotfix = session.get_one(Hotfix, revision.hotfix)
    trust = vendor_trust(session, hotfix.product, root)
    counted = count(session, revision, trust, now)
    if counted.lacking:
        yield counted.lacking
    elif counted.emergency is not None and hotfix.customers is None:
        yield "as an emergency it must name its customers"
    if revision.embargo_until is not None and now < revision.embargo_until:
        yield f"it is under embargo until {time_text(revision.embargo_until)}"
    if proposed(session, revision):
        yield "somebody signed a recall of it"
    kept = _with(release_set(session, revision), release)
    yield from _release_obstacles(kept, trust)
    yield from misfits(Shelf(session, revision, kept.manifest, now))


def _release_obstacles(kept: ReleaseSet, trust: Trust) -> Iterator[str]:
    keys = [key for key in trust.policy.keys.values() if key.purpose is Purpose.RELEASE and key.active]
    if keys and not kept.release_line:
        yield "the release key has not signed it"


def check_line(kept: ReleaseSet, release: Release, trust: Trust) -> None:
    """Raise StatementError unless a release key of the policy signed for this very bundle under its name."""
    if release.line != release_line(kept.name, kept.container):
        raise StatementError("release-digest", f"the release is not of {kept.name} with sha256 {kept.container}")
    check_release(release.line, release.signature, kept.container, kept.manifest.digest, trust.policy)


def _with(kept: ReleaseSet, release: Release | None) -> ReleaseSet:
    return replace(kept, release_line=release.line, release_signature=release.signature) if release else kept


# Publishing


def publish(
    register: Register, channel: Channel, by: str, now: datetime, identifier: str, release: Release | None = None
) -> str:
    """Publish an approved revision; or finish what was cut off. Return its name.

    Raises:
        RefusedError: something stands against it, told all at once; or who acts may not.
        StatementError: the release is of another file, or not by a release key.
        StateError: somebody else changed it meanwhile; or the channel cannot be written.
    """
    with register.read() as session:
        revision = find(session, identifier)
        named, product = label(revision), session.get_one(Hotfix, revision.hotfix).product
        unpublished = State(revision.state) is not State.PUBLISHED
    if unpublished:
        _publish(register, channel, by, now, named, release)
    follow(register, channel, product, now)
    return named


def _publish(register: Register, channel: Channel, by: str, now: datetime, named: str, release: Release | None) -> None:
    root = newest_root(register)
    with register.attempt(f"hotfix.{Action.PUBLISH}", named, by, now) as change:
        check_may(Action.PUBLISH, roles_of(change), named)
        revision = find(change.session, named)
        kept = checked(change.session, revision, root, now, release)
        product = change.session.get_one(Hotfix, revision.hotfix).product
    target = HotfixName(product, revision.hotfix, revision.number).target
    uploaded = _upload(register, channel, kept, target)
    with register.attempt(f"hotfix.{Action.PUBLISH}", named, by, now) as change:
        _commit(change, named, root, kept, uploaded, release)


def checked(session: Session, revision: Revision, root: Root, now: datetime, release: Release | None) -> ReleaseSet:
    """Return what is to be published.

    Raises:
        RefusedError: something stands against it, told all at once.
        StatementError: the release is of another file, or not by a release key.
    """
    if release is not None and revision.manifest is not None:
        hotfix = session.get_one(Hotfix, revision.hotfix)
        check_line(release_set(session, revision), release, vendor_trust(session, hotfix.product, root))
    if found := obstacles(session, revision, root, now, release):
        raise RefusedError("not-publishable", f"{label(revision)} is not publishable: {'; '.join(found)}")
    return _with(release_set(session, revision), release)


def _upload(register: Register, channel: Channel, kept: ReleaseSet, target: str) -> ListedTarget:
    with tempfile.TemporaryDirectory(prefix="patchline-release-") as folder:
        return channel.upload(target, make_zip(register, kept, Path(folder)))


def make_zip(register: Register, kept: ReleaseSet, folder: Path) -> Path:
    """Write the release zip of a revision into a folder; the same release gives the same bytes.

    Raises:
        PatchlineError: the store lost the bundle, or the folder cannot take it.
    """
    bundle = save(register, kept, folder)
    write_file(bundle.with_name(bundle.name + NOTES), notes(kept.manifest).encode())
    path = folder / f"{kept.label}.zip"
    write_release(path, readme(kept.manifest, kept.container), bundle)
    return path


def _commit(
    change: Change, named: str, root: Root, kept: ReleaseSet, uploaded: ListedTarget, release: Release | None
) -> None:
    """Make a revision published, provided that it is still what was uploaded and nothing has come up."""
    revision = locked(change, named)
    if checked(change.session, revision, root, change.now, release) != kept:
        raise StateError("edited", f"{named} was approved by others meanwhile")
    revision.release_line, revision.release_signature = kept.release_line, kept.release_signature
    revision.zip_sha256, revision.zip_size = uploaded.sha256, uploaded.size
    revision.published = change.now
    facts = {"zip": uploaded.sha256, "manifest": kept.manifest.digest, "emergency_hours": revision.emergency_hours}
    move(change, revision, Action.PUBLISH, State.PUBLISHED, facts=facts)


def put_again(register: Register, channel: Channel, by: str, now: datetime, named: str) -> None:
    """Make the zip of a published revision anew, with what was signed about it since, and offer it.

    Raises:
        StateError: the channel cannot be written.
    """
    with register.read() as session:
        revision = find(session, named)
        product = session.get_one(Hotfix, revision.hotfix).product
        kept, offered = release_set(session, revision), State(revision.state) in OFFERED
    if offered:
        uploaded = _upload(register, channel, kept, HotfixName(product, revision.hotfix, revision.number).target)
        with register.change(by, now) as change:
            fresh = locked(change, named)
            if (fresh.zip_sha256, fresh.zip_size) != (uploaded.sha256, uploaded.size):
                fresh.zip_sha256, fresh.zip_size = uploaded.sha256, uploaded.size
                change.record("hotfix.zip", named, {"zip": uploaded.sha256})
    follow(register, channel, product, now)


# The channel follows the register


def follow(register: Register, channel: Channel, product: str, now: datetime) -> None:
    """Bring what the channel says of a product to what the register says; nothing where both agree.

    Raises:
        StateError: there is no channel yet, or it cannot be written.
        LockedError: others keep publishing.
    """

    def work(edit: Edit) -> None:
        with register.read() as session:
            policy, recalls = newest_policy(session, product), newest_list(session, product)
            wanted = offered(session, product)
        if policy is not None:
            edit.status(names.policy_target(product), policy.envelope)
        if recalls is not None:
            edit.status(names.recalls_target(product), recalls)
        for name in [name for name in edit.targets if name.startswith(f"{names.HOTFIXES}/{product}/")]:
            if name not in wanted:
                edit.remove(name)
        for name, target in wanted.items():
            if edit.targets.get(name) != target:
                edit.put(target, replace=True)

    channel.change(work, now)


def follow_all(register: Register, channel: Channel, now: datetime) -> None:
    """Do `follow` for every product."""
    with register.read() as session:
        products = list(session.scalars(select(Product.id).order_by(Product.id)))
    for product in products:
        follow(register, channel, product, now)


def offered(session: Session, product: str) -> dict[str, ListedTarget]:
    """Return what the channel should list of a product, by the target's name."""
    query = (
        select(Revision.hotfix, Revision.number, Revision.zip_sha256, Revision.zip_size)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .where(Hotfix.product == product, Revision.state.in_(OFFERED), Revision.zip_sha256.is_not(None))
    )
    found = {}
    for row in session.execute(query):
        name = HotfixName(product, row.hotfix, row.number).target
        found[name] = ListedTarget(name, str(row.zip_sha256), int(row.zip_size or 0))
    return found
