"""What tests of the vendor's side share."""

from tests.registers import register

__all__ = ["register"]
