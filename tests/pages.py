"""The pages over a test's register, asked without a network: `Visitor` signs in, follows links and sends forms."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from patchline.releaser.access import web_sessions
from patchline.releaser.register import Register
from patchline.releaser.tables.access import VENDOR
from patchline.web.access import TOKEN
from patchline.web.app import create_app
from patchline.web.asking import Office
from tests.registers import NOW

_FIELD = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Clock:
    """The time that pages are told."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


def make_app(register: Register, clock: Clock | None = None) -> Flask:
    app = create_app(Office(register, clock or Clock()))
    app.testing = False  # Bugs are shown as people see them.
    return app


@dataclass
class Visitor:
    """Somebody with a browser that runs no script."""

    app: Flask
    register: Register
    now: datetime = NOW
    client: Any = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def signed_in(self, person: str) -> Visitor:
        with self.register.database.write() as session:
            token = web_sessions.begin(session, VENDOR, person, "password", self.now)
        with self.client.session_transaction() as kept:
            kept[TOKEN] = token
        return self

    @property
    def cookie(self) -> dict[str, str]:
        """The cookie of the vendor's pages, for a browser."""
        found = self.client.get_cookie("patchline-vendor")
        return {"name": found.key, "value": found.value}

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, buffered=True, **options)

    def send(self, page: str, path: str | None = None, **fields: Any) -> TestResponse:
        """Send a form that stands on a page, to the page itself or to another path."""
        found = _FIELD.search(self.get(page).text)
        assert found, f"{page} has no form"
        return self.client.post(path or page, data={"csrf_token": found[1], **fields})


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def text_of(response: TestResponse) -> str:
    """Return what a person reads on a page, its white space made single."""
    reader = _Text()
    reader.feed(response.text)
    return " ".join(" ".join(reader.pieces).split())
