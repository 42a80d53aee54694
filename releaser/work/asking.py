"""Asking for work to be done: what would be refused anyway is refused at once, the rest is a wish."""

from patchline.patches.root import Root
from patchline.releaser.bundles import release_set
from patchline.releaser.hotfixes import label, locked, roles_of
from patchline.releaser.publishing import Release, checked
from patchline.releaser.register import Change
from patchline.releaser.states import Action, State, check_may
from patchline.releaser.work import wishes
from patchline.releaser.work.kinds import PUBLISH, SIMULATE


def simulation(change: Change, identifier: str) -> tuple[int, str]:
    """Ask for a built revision to be tried on all known levels; return the wish and the revision's name.

    Raises:
        StoreError: nothing was built.
    """
    revision = locked(change, identifier)
    release_set(change.session, revision)
    return wishes.ask(change, SIMULATE, {"revision": label(revision)}), label(revision)


def publication(change: Change, identifier: str, root: Root, release: Release | None) -> tuple[int, str]:
    """Ask for an approved revision to be published; return the wish and the revision's name.

    Raises:
        RefusedError: something stands against it, or who acts may not.
        StatementError: the release is of another file, or not by a release key.
    """
    revision = locked(change, identifier)
    check_may(Action.PUBLISH, roles_of(change), label(revision))
    if State(revision.state) is not State.PUBLISHED:
        checked(change.session, revision, root, change.now, release)
    parts = [release.line.hex(), release.signature.hex()] if release else []
    return wishes.ask(change, PUBLISH, {"revision": label(revision), "release": parts}), label(revision)
