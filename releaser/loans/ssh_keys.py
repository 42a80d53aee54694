"""Public keys of borrowers, by which they use an SSH certificate."""

import base64
import binascii

from patchline.patches.errors import UsageError

_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
LONGEST = 1000


def check_public_key(text: str) -> str:
    """Return a public key as `ssh-keygen` writes it, without its comment.

    Raises:
        UsageError: it is none; a private one is not repeated.
    """
    words = text.split()
    try:
        if len(text) > LONGEST or words[0] not in _KINDS:
            raise ValueError
        blob = base64.b64decode(words[1], validate=True)
        length = int.from_bytes(blob[:4])
        if blob[4 : 4 + length].decode("ascii") != words[0]:
            raise ValueError
    except (ValueError, IndexError, binascii.Error):
        raise UsageError("loan-ssh-key", "what was given is no public SSH key such as id_ed25519.pub has") from None
    return f"{words[0]} {words[1]}"
