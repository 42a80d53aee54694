"""What tests of the pages share."""

from tests.browser import browser
from tests.registers import embedded, register_of_pages

__all__ = ["browser", "embedded", "register_of_pages"]
