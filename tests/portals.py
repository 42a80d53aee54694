"""People of customers at the portal, in a test's shop."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from patchline.releaser.access import web_sessions
from patchline.releaser.fleet.contacts import Person
from patchline.releaser.portal import members
from patchline.releaser.tables.access import CUSTOMER
from patchline.releaser.tables.members import ADMIN
from patchline.web.access import TOKEN
from tests.delivering import Shop
from tests.registers import NOW

_FIELD = re.compile(r'name="csrf_token" value="([^"]+)"')


def invited(shop: Shop, name: str = "Eve", customer: str = "acme", role: str = ADMIN) -> tuple[str, str]:
    """Invite somebody as the vendor; return their id and the token of their link."""
    with shop.life.change() as change:
        address = f"{name.lower()}@{customer}.example"
        member, made = members.invite(change, customer, Person(name, address), role)
        return member.id, made.token


@dataclass
class Guest:
    """Somebody of a customer with a browser that runs no script, signed in."""

    app: Flask
    shop: Shop
    name: str = "Eve"
    customer: str = "acme"
    role: str = ADMIN
    client: Any = field(init=False)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()
        self.id, _ = invited(self.shop, self.name, self.customer, self.role)
        with self.shop.register.database.write() as session:
            token = web_sessions.begin(session, CUSTOMER, self.id, "password", NOW)
        with self.client.session_transaction("/portal/") as kept:
            kept[TOKEN] = token

    @property
    def cookie(self) -> dict[str, str]:
        found = self.client.get_cookie("patchline-customer", path="/portal")
        return {"name": found.key, "value": found.value}

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, buffered=True, **options)

    def send(self, page: str, path: str | None = None, **fields: Any) -> TestResponse:
        """Send a form that stands on a page, to the page itself or to another path."""
        found = _FIELD.search(self.get(page).text)
        assert found, f"{page} has no form"
        return self.client.post(path or page, data={"csrf_token": found[1], **fields})
