"""Asking for work to be done: what would be refused anyway is refused at once, the rest is a wish."""

from collections.abc import Sequence
from dataclasses import asdict

from patchline.patches.root import Root
from patchline.releaser.bundles import release_set
from patchline.releaser.hotfixes import label, locked, roles_of
from patchline.releaser.persons import require_role
from patchline.releaser.publishing import Release, checked
from patchline.releaser.register import Change
from patchline.releaser.rollouts.notices import Pending
from patchline.releaser.states import Action, State, check_may, check_moment
from patchline.releaser.tables.people import Role
from patchline.releaser.work import wishes
from patchline.releaser.work.builds import BuildOrder
from patchline.releaser.work.kinds import BUILD, NOTIFY, PUBLISH, SIMULATE


def check_building(change: Change, identifier: str) -> None:
    """Raise what stands against a build of a revision.

    Raises:
        RefusedError: who acts may not.
        StateError: it was submitted.
    """
    revision = locked(change, identifier)
    check_may(Action.BUILD, roles_of(change), label(revision))
    check_moment(Action.BUILD, State(revision.state), label(revision))


def building(change: Change, order: BuildOrder) -> int:
    """Ask for a revision to be built; return the wish.

    Raises:
        RefusedError, StateError: as `check_building` says.
        UsageError: what people wrote is too large.
    """
    check_building(change, order.revision)
    return wishes.ask(change, BUILD, order.as_arguments())


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


def notification(change: Change, found: Sequence[Pending]) -> int:
    """Ask for messages to be sent just as they are; return the wish.

    Raises:
        RefusedError: who acts may not write to customers.
    """
    require_role(change.session, change.by, Role.SUPPORT, Role.RELEASE_MANAGER)
    return wishes.ask(
        change, NOTIFY, {"messages": [{"draft": asdict(one.draft), "attempt": one.attempt} for one in found]}
    )
