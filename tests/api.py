"""The API over a test's register, asked without a network by `Program`, which has a token."""

from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from patchline.releaser.access import tokens
from patchline.releaser.access.tokens import NewToken, Scope
from patchline.releaser.register import Register
from patchline.releaser.tables.tokens import PERSON
from tests.registers import NOW

EVERYTHING = tokens.RULES[PERSON].scopes


def make_token(register: Register, person: str = "rita", scopes: tuple[Scope, ...] = EVERYTHING) -> str:
    """Make a token of a person; return it."""
    with register.change(person, NOW) as change:
        return tokens.make(change, NewToken(PERSON, "a test", scopes, person=person)).secret


@dataclass
class Program:
    """A program that asks the API."""

    app: Flask
    register: Register
    person: str = "rita"
    scopes: tuple[Scope, ...] = EVERYTHING
    token: str = ""
    client: Any = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()
        self.token = self.token or make_token(self.register, self.person, self.scopes)

    def ask(self, method: str, at: str, expect: int | None = 200, **options: Any) -> TestResponse:
        """Ask, and insist on the status."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        answer = self.client.open(f"/api/v1{at}", method=method, headers=headers, buffered=True, **options)
        assert expect in (None, answer.status_code), (method, at, answer.status_code, answer.text)
        return answer

    def get(self, at: str, expect: int | None = 200, **options: Any) -> Any:
        """Return the document at an address."""
        return self.ask("GET", at, expect, **options).json

    def post(self, at: str, document: Any = None, expect: int | None = 200, **options: Any) -> Any:
        """Send a document; return what is answered."""
        return self.ask("POST", at, expect, json={} if document is None else document, **options).json
