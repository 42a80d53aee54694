"""The certificate by which the pages are served without a proxy: what it says, and until when."""

from datetime import datetime
from pathlib import Path

from cryptography import x509

from patchline.patches.errors import MalformedError
from patchline.patches.files import read_file

_LARGEST = 1 << 20


def expiry_of(path: Path) -> datetime:
    """Return when the first certificate of a file expires, the one that browsers are shown.

    Raises:
        NotFoundError, RefusedError: the file is not there, or may not be read.
        MalformedError: it holds none.
    """
    try:
        found = x509.load_pem_x509_certificate(read_file(path, limit=_LARGEST))
    except ValueError:
        raise MalformedError("certificate", f"{path} holds no certificate in PEM") from None
    return found.not_valid_after_utc
