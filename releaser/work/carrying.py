"""Carrying a wish out: its job is run, and how that ended is written down."""

from collections.abc import Callable
from datetime import datetime

from patchline.patches.errors import (
    LockedError,
    PatchlineError,
    SealedKeyError,
    SettingsError,
    SourceError,
    StoreError,
    UsageError,
    VaultError,
)
from patchline.releaser.tables.work import Wish, WishEnd
from patchline.releaser.work.jobs import JOBS, Asked, Workshop
from patchline.releaser.work.wishes import DONE, REFUSED, End, close

_PASSING = (LockedError, SealedKeyError, SettingsError, SourceError, StoreError, UsageError, VaultError)
_PASSING_CODES = ("state.mail-server", "git.no-git", "git.not-a-repository", "git.fetch-failed")
"""Troubles of the place where a job runs: it is tried again. Whatever else refuses a wish ends it."""


def carry_out(workshop: Workshop, number: int, clock: Callable[[], datetime]) -> End:
    """Carry a wish out, unless it ended already.

    Raises:
        PatchlineError: what is needed here is not there now; the wish stays open.
    """
    with workshop.register.read() as session:
        wish, ended = session.get_one(Wish, number), session.get(WishEnd, number)
        asked, job = Asked(wish.arguments, wish.asked_by, wish.asked), wish.job
    if ended is not None:
        return End(ended.outcome, ended.told)
    try:
        end = End(DONE, JOBS[job](workshop, asked, clock()))
    except PatchlineError as error:
        if isinstance(error, _PASSING) or error.code in _PASSING_CODES:
            raise
        end = End(REFUSED, error.message, error)
    close(workshop.register, number, job, end, asked.by, clock())
    return end


def left_to_worker(workshop: Workshop, number: int, clock: Callable[[], datetime]) -> str:
    """Do what was asked for where no worker does, and say how it stands.

    Raises:
        PatchlineError: it was refused.
    """
    if not workshop.register.database.is_sqlite:
        return f"waits for a worker as job {number}"
    end = carry_out(workshop, number, clock)
    if end.error is not None:
        raise end.error
    return end.told
