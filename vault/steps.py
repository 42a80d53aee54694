"""One thing that a server needs: how it stands, and what makes it right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import hvac  # type: ignore[import-untyped]

from patchline.patches.errors import VaultError
from patchline.vault.connection import Connection


class Standing(StrEnum):
    """How a thing stands."""

    RIGHT = "right"
    MISSING = "missing"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Step:
    """One thing that a server needs.

    Attributes:
        subject: what it is, for people.
        standing: how it stands.
        make: makes it right; None where only its administrator can.
    """

    subject: str
    standing: Standing
    make: Callable[[], object] | None = None


def equal(found: object, wish: object) -> Standing:
    """Return how something stands that is there."""
    return Standing.RIGHT if found == wish else Standing.DIFFERENT


def read(connection: Connection, path: str) -> dict[str, Any] | None:
    """Return what lies at a path, None when nothing does.

    Raises:
        VaultError: Vault cannot be asked, or says no.
    """
    try:
        return connection.ask(f"{path}", lambda vault: dict(vault.adapter.get(f"/v1/{path}")["data"]), safe=True)
    except VaultError as error:
        if error.code == "vault.missing":
            return None
        raise


def write(connection: Connection, path: str, document: Mapping[str, Any]) -> Any:
    """Write something at a path.

    Raises:
        VaultError: Vault cannot be asked, or says no.
    """

    def question(vault: hvac.Client) -> Any:
        return vault.adapter.post(f"/v1/{path}", json=dict(document))

    return connection.ask(f"{path}", question)
