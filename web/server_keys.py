"""The channel as the pages open it: with keys whose passphrases the machine hands over, since nobody can be asked here."""

from patchline.patches.errors import UsageError
from patchline.patches.passphrases import credential
from patchline.releaser.channel import Channel
from patchline.releaser.channel_home import open_channel
from patchline.web import asking


def passphrase(name: str) -> bytes:
    """Return the passphrase of a key of the server, from the credential `patchline-NAME`.

    Raises:
        UsageError: there is none.
    """
    found = credential(name)
    if not found:
        raise UsageError(
            "no-passphrase",
            f"the pages were given no passphrase for key {name}",
            hint=f"Start the server with the credential patchline-{name}, or do it on the command line.",
        )
    return found


def channel() -> Channel:
    """Open the channel with the server's keys.

    Raises:
        PatchlineError: a key is not there or cannot be unsealed.
    """
    return open_channel(asking.register(), passphrase)
