#!/usr/bin/env python3
"""An owner's program that lends the admin login of a product which is a Patchline server itself.

It is put at `HOME/setups/SETUP/ENDPOINT`, and is told beside it, in `ENDPOINT.toml`, what only the owner knows:

    program = "…/patchline"   # the product's own command
    home = "…"                # the product's home
    by = "…"                  # who manages people there
    role = "…"                # what a borrower may be there

A person is made for each loan and sets the password by the product's own link, as a browser without script does. Whoever
was disabled stays so, since the product forgets nobody: a loan that failed after its person was made is asked for anew.
The password comes by standard input and goes on in a form; nothing is printed, and no process is named after it.
"""

import json
import subprocess
import sys
import tomllib
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPException
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin, urlsplit

DONE, REFUSED, TROUBLE = 0, 1, 2
"""How it ends."""
_SECONDS = 20
_PREFIX = "loan-"


class Forms(HTMLParser):
    """The forms of a page: of each, where it is sent and what it holds unasked."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self._open: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = self.found.setdefault(given.get("action", ""), {})
        elif tag == "input" and "name" in given:
            self._open[given["name"]] = given.get("value", "")


@dataclass
class Browser:
    """A browser that runs no script."""

    address: str
    where: str = ""
    page: str = ""
    jar: CookieJar = field(default_factory=CookieJar)

    def open(self, path: str, fields: dict[str, str] | None = None) -> int:
        """Go to a page, or send a form there; return the status once nothing leads on."""
        data = None if fields is None else urlencode(fields).encode()
        # No proxy: what is typed is for the product alone.
        parts = urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar)
        try:
            answer = urllib.request.build_opener(*parts).open(urljoin(self.address, path), data, _SECONDS)
        except HTTPError as refused:
            answer = refused
        with answer:
            self.where, self.page = urlsplit(answer.url).path, answer.read().decode()
            return answer.status

    def send(self, action: str, **typed: str) -> int:
        """Send a form of the page that is open."""
        return self.open(action, {**Forms(self.page).found[action], **typed})

    def sign_in(self, name: str, password: str) -> int:
        """Sign in by the form for it; 200 is yes, 401 no."""
        self.open("/sign-in/")
        return self.send("/sign-in/", name=name, password=password)


@dataclass(frozen=True)
class Product:
    """The product, as its owner knows it."""

    program: str
    home: str
    by: str
    role: str

    def person(self, *words: str) -> dict[str, str]:
        """Run a command about people; an answer with `error` is a refusal."""
        line = [self.program, "person", *words, "--home", self.home, "--as", self.by, "--json"]
        done = subprocess.run(line, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS)
        answer: dict[str, str] = json.loads(done.stdout)
        return answer


def create(product: Product, browser: Browser, name: str, password: str) -> int:
    """Make the person, or take the one whose making was cut off, and set the password."""
    added = product.person("add", name, "--role", product.role)
    if added.get("error") not in (None, "refused.person-exists"):
        return TROUBLE
    link = product.person("link", name)["link"]
    browser.open(urlsplit(link).path)
    return DONE if browser.send("/sign-in/link/", password=password, again=password) == 200 else TROUBLE


def check(_: Product, browser: Browser, name: str, password: str) -> int:
    """Sign in and out again. Only the product's own no is one: too many tries, say, prove nothing."""
    status = browser.sign_in(name, password)
    if status == 200 and not browser.where.startswith("/sign-in/"):
        return DONE if browser.send("/sign-out") == 200 else TROUBLE
    return REFUSED if status == 401 else TROUBLE


def delete(product: Product, _: Browser, name: str, __: str) -> int:
    """Disable the person, which ends their sessions too; who was never made is fine."""
    told = product.person("disable", name).get("error")
    return DONE if told in (None, "not-found.person") else TROUBLE


TASKS = {"create": create, "check": check, "delete": delete}


def main() -> int:
    asked = json.loads(sys.stdin.readline())
    task, name = TASKS.get(sys.argv[1]), asked["username"]
    if task is None or (task is not check and not name.startswith(_PREFIX)):
        return TROUBLE  # Nobody else's login is made or ended here.
    here = Path(sys.argv[0])
    product = Product(**tomllib.loads(here.with_name(f"{here.name}.toml").read_text()))
    return task(product, Browser(asked["address"]), name, asked["password"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, KeyError, HTTPException, subprocess.SubprocessError):
        sys.exit(TROUBLE)
