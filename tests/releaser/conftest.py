"""What tests of the vendor's side share."""

from tests.registers import embedded, register

__all__ = ["embedded", "register"]
