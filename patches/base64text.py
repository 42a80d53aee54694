"""Strict base64: the standard alphabet, padded, no white space, and only the one encoding of the bytes."""

import base64
import binascii

from patchline.patches.errors import StatementError


def decode_base64(text: str, what: str) -> bytes:
    """Return the bytes.

    Raises:
        StatementError: the text is not exactly what `encode_base64` makes of some bytes.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise StatementError("base64", f"{what} is not base64") from None
    if encode_base64(data) != text:
        raise StatementError("base64", f"{what} is not in the one canonical form of base64")
    return data


def encode_base64(data: bytes) -> str:
    """Return padded standard base64."""
    return base64.b64encode(data).decode()
