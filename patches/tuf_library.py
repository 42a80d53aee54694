"""What is used of python-tuf and securesystemslib, imported without hvac.

securesystemslib looks for hvac by itself, whether or not anybody wants its Vault signer, and hvac takes longer to
load than everything else a customer trusts. So it is out of sight while securesystemslib is imported. Every module
of this folder takes their names from here, or comes after this one.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _out_of_sight(name: str) -> Iterator[None]:
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # Python's own way to say that there is no such module
    try:
        yield
    finally:
        del sys.modules[name]


with _out_of_sight("hvac"):
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import (  # type: ignore[attr-defined]  # it declares no public names
        KEY_FOR_TYPE_AND_SCHEME,
        Key,
        Signature,
    )
    from securesystemslib.signer import Signer as TufSignerBase  # type: ignore[attr-defined]
    from tuf.api.metadata import Metadata
    from tuf.api.metadata import Root as TufRoot  # type: ignore[attr-defined]
    from tuf.api.metadata import Targets as TufTargets  # type: ignore[attr-defined]

__all__ = [
    "KEY_FOR_TYPE_AND_SCHEME",
    "Key",
    "Metadata",
    "Signature",
    "TufRoot",
    "TufSignerBase",
    "TufTargets",
    "UnverifiedSignatureError",
]
