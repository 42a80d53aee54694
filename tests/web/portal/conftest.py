"""What tests of the portal share."""

import pytest

from tests.browser import browser
from tests.delivering import shop
from tests.pages import make_app
from tests.portals import Guest

__all__ = ["browser", "shop"]


@pytest.fixture
def app(shop):
    return make_app(shop.register)


@pytest.fixture
def eve(app, shop):
    return Guest(app, shop)
