"""The credentials of a loan as Vault has them at `setups/SETUP/loan/LOAN`, and the wrapping that hands them over.

The wrapping is one of the reading of that very path. It says where it was made, and nobody else can make one that says so;
`sys/wrapping/wrap` would make one of anything, for anybody.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from patchline.patches.errors import VaultError
from patchline.vault import names
from patchline.vault.connection import Server
from patchline.vault.failures import FAILURES, failure
from patchline.vault.preparing import SETUPS
from patchline.vault.session import Session

LARGEST = 64 << 10
"""Bytes of the credentials of a loan; Vault would take a megabyte and be slow for everybody."""
WRAPPED = 900
"""Seconds in which a hand-over can be opened."""

Credential = dict[str, str]
"""Of one endpoint: `username`, and `password` or `private_key` and `certificate`. Strings alone: Vault rounds numbers."""


@dataclass(frozen=True)
class KeptLoan:
    """The credentials of a loan as Vault has them.

    Attributes:
        number: the version that says so, 0 where there is none.
        credentials: by endpoint.
    """

    number: int = 0
    credentials: Mapping[str, Credential] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Wrapping:
    """A one-time token that opens a loan's credentials, and what names it."""

    token: str = field(repr=False)
    accessor: str


def loan_path(setup: str, loan: str) -> str:
    """Return where the credentials of a loan lie, below the mount."""
    return f"{names.name(setup)}/loan/{names.name(loan)}"


def open_wrapping(server: Server, token: str, setup: str, loan: str) -> Mapping[str, Credential]:
    """Open a hand-over, after looking whether it was made for this loan; it cannot be opened again.

    Raises:
        VaultError: it was opened already (the alarm), was made otherwise, or Vault cannot be asked.
    """
    about = f"the hand-over of loan {loan}"
    session = Session(str(server.ca) if server.ca else True)
    try:
        looked = server.client(session=session).adapter.post("/v1/sys/wrapping/lookup", json={"token": token})["data"]
        if looked["creation_path"] != f"{SETUPS}/data/{loan_path(setup, loan)}":
            raise VaultError("loan-other", f"{about}: it was not made of this loan's credentials")
        return read_credentials(server.client(token, session).adapter.post("/v1/sys/wrapping/unwrap")["data"]["data"])
    except FAILURES as error:
        told = failure(error, about)
    if told.code == "vault.wrapping-used":
        raise VaultError("loan-opened", f"{about}: it was opened already, or is older than {WRAPPED // 60} minutes")
    raise told


def read_credentials(data: Any) -> dict[str, Credential]:
    """Read what Vault has; anything else than texts of bounded size is an answer of somebody else's."""
    if len(json.dumps(data)) > LARGEST:
        raise VaultError("too-large", f"what lies there has more than {LARGEST >> 10} KiB")
    return {
        str(endpoint): {str(key): str(text) for key, text in credential.items()}
        for endpoint, credential in dict(data).items()
        if isinstance(credential, dict)
    }
