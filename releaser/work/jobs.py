"""The one table of jobs: what does what can be left to a worker.

Each job looks first whether what it is to do was done: it may have been killed at any moment and runs again then.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from patchline.patches.errors import LockedError, PatchlineError, VaultError
from patchline.patches.signers import Passphrase
from patchline.patches.wording import counted
from patchline.releaser import publishing
from patchline.releaser.channel_home import open_channel
from patchline.releaser.fleet import simulations
from patchline.releaser.fleet.simulations import Holds
from patchline.releaser.hotfixes import find
from patchline.releaser.portal import kit_orders
from patchline.releaser.publishing import Release
from patchline.releaser.register import Register
from patchline.releaser.rollouts import notices
from patchline.releaser.rollouts.drafting import Draft
from patchline.releaser.rollouts.mail import SENT
from patchline.releaser.rollouts.notices import Pending, Standing
from patchline.releaser.work import builds
from patchline.releaser.work.builds import BuildOrder
from patchline.releaser.work.kinds import BUILD, KIT, LOAN, NOTIFY, PUBLISH, SIMULATE

if TYPE_CHECKING:  # Whoever does not lend is spared the time that Vault's client takes to import.
    from patchline.releaser.loans.cases import Hands


@dataclass(frozen=True)
class Workshop:
    """What jobs work with: the register, and where its keys' passphrases come from.

    Attributes:
        hands: those of the broker; None where there is no login to Vault.
    """

    register: Register
    passphrase: Passphrase
    hands: "Hands | None" = None


@dataclass(frozen=True)
class Asked:
    """A wish as its job is told it."""

    arguments: Mapping[str, Any]
    by: str
    at: datetime


Job = Callable[[Workshop, Asked, datetime], str]
"""Does it, and says in words what was done."""


def _build(workshop: Workshop, asked: Asked, now: datetime) -> str:
    """Build a revision; one that has the manifest already stays as it is."""
    builds.make(workshop.register, BuildOrder.of_arguments(asked.arguments), asked.by, now)
    return "is built"


def _simulate(workshop: Workshop, asked: Asked, now: datetime) -> str:
    """Try a revision on all known levels, unless that was done since it was asked for and still holds."""
    named = asked.arguments["revision"]
    with workshop.register.read() as session:
        found = simulations.standing(session, find(session, named))
    done = found.last is not None and found.last.made >= asked.at
    if not done or found.holds is Holds.STALE:
        simulations.run(workshop.register, named, asked.by, now)
    return "was simulated"


def _publish(workshop: Workshop, asked: Asked, now: datetime) -> str:
    """Publish a revision; one that is published already is only put into the channel."""
    channel = open_channel(workshop.register, workshop.passphrase)
    parts = [bytes.fromhex(part) for part in asked.arguments["release"]]
    release = Release(*parts) if parts else None
    publishing.publish(workshop.register, channel, asked.by, now, asked.arguments["revision"], release)
    return "is published"


def _notify(workshop: Workshop, asked: Asked, now: datetime) -> str:
    """Send messages as they were shown; of those that were sent, or may have been, none goes out again."""
    found = [
        Pending(Draft(**{**one["draft"], "sites": tuple(one["draft"]["sites"])}), Standing.NEW, None, one["attempt"])
        for one in asked.arguments["messages"]
    ]
    results = notices.send(workshop.register, found, asked.by, now)
    sent = sum(result.outcome == SENT for result in results)
    return f"{counted(sent, 'message')} of {len(found)} sent"


def _loan(workshop: Workshop, asked: Asked, now: datetime) -> str:
    """Look after a loan at once. What stands in the way is tried again in the broker's rounds, so the wish is done."""
    from patchline.releaser.loans.caring import look_after

    if workshop.hands is None:
        raise VaultError("no-login", "loans are the broker's")
    try:
        return look_after(workshop.hands, asked.arguments["loan"])
    except LockedError:
        return "is looked after by another process"
    except PatchlineError as error:
        return f"waits: {error.message}"


def _kit(workshop: Workshop, asked: Asked, now: datetime) -> str:
    """Make the kit that a customer ordered, unless it is there."""
    return kit_orders.make(workshop.register, workshop.passphrase, asked.arguments, now)


JOBS: Mapping[str, Job] = {
    BUILD.name: _build,
    SIMULATE.name: _simulate,
    PUBLISH.name: _publish,
    NOTIFY.name: _notify,
    KIT.name: _kit,
    LOAN.name: _loan,
}
