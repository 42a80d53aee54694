"""Work that a page asks for: a worker does it, and on SQLite, where there is none, this request."""

from patchline.patches.errors import UsageError
from patchline.releaser.work.carrying import carry_out
from patchline.releaser.work.jobs import Workshop
from patchline.web import asking


def left(wish: int) -> str:
    """Do what was asked for where no worker does, and say how it stands.

    Raises:
        PatchlineError: it was refused.
    """
    register = asking.register()
    if not register.database.is_sqlite:
        return f"it waits for a worker as job {wish}"
    asking.close_reading()
    end = carry_out(Workshop(register, _none), wish, asking.now)
    if end.error is not None:
        raise end.error
    return end.told


def _none(name: str) -> bytes:
    """Refuse to ask for a passphrase: nobody types one into a page."""
    raise UsageError("no-passphrase", f"the passphrase of {name} is not asked for here")
