"""A real browser before the pages: Debian's Chromium, driven by Playwright; axe-core looks for what shuts people out.

    def test_x(browser, register):
        app = make_app(register)
        cookie = Visitor(app, register).signed_in("rita").cookie
        with serving(app) as address, browser.reader(address, cookie) as reader:
            reader.open("/style")
            reader.look("style")

`look` takes pictures at 1280 and 390 wide and in both colour schemes (build/screens), and runs axe in each; when a reader is
closed, its console must have been silent. Playwright keeps a loop running in the thread that started it, so a browser
lives no longer than the tests of one file.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from tests.conftest import NOTHING_MAY_BE_SKIPPED

ROOT = Path(__file__).parent.parent
SCREENS = ROOT / "build" / "screens"
AXE = ROOT / "tests" / "vendor" / "axe" / "axe.min.js"
WIDTHS = {1280: 900, 390: 844}
ALL_LOOKS = tuple(product(("light", "dark"), WIDTHS))
LOOKS = ALL_LOOKS if NOTHING_MAY_BE_SKIPPED else (("light", 1280), ("dark", 390))
"""In which schemes and widths pages are looked at: in all where nothing may be skipped, else in each once."""
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name that is neither this machine's nor under TLS, for what browsers then refuse.
    "--host-resolver-rules=MAP vendor.example 127.0.0.1",
)


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Serve an app on loopback; yields its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Chromium:
    """A running browser."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    @contextmanager
    def reader(self, address: str, *cookies: dict[str, str], **options: Any) -> Iterator[Reader]:
        """Yield somebody who reads pages; their console must have been silent in the end."""
        context = self.browser.new_context(base_url=address, **options)
        context.add_cookies([{**cookie, "url": address} for cookie in cookies])  # type: ignore[list-item]
        reader = Reader(context.new_page())
        try:
            yield reader
        finally:
            context.close()
        assert not reader.said, reader.said


class Reader:
    """Somebody at a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        page.on("console", lambda told: self.said.append(told.text) if told.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.set_default_timeout(15_000)

    def open(self, path: str) -> Page:
        self.page.goto(path)
        return self.page

    def look(self, name: str) -> None:
        """Take pictures of the page as it is, and let axe look at it, in every width and scheme."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        for scheme, width in LOOKS:
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            self.page.set_viewport_size({"width": width, "height": WIDTHS[width]})
            self.page.screenshot(path=SCREENS / f"{name}-{width}-{scheme}.png", full_page=True)
            assert not (found := self.violations()), f"{name} at {width}, {scheme}: {found}"
            wide = self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} at {width}: the page is {wide} wide"
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size({"width": 1280, "height": 900})

    def violations(self) -> list[str]:
        """Return what axe-core finds."""
        # As text and not as a script of the page, whose policy allows none that is not the server's.
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run()")["violations"]
        return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Give a browser to the tests of a file."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium")
    home = tmp_path_factory.mktemp("browser")
    environment = {**os.environ, "HOME": str(home)}
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=[*_OPTIONS], env=environment)  # type: ignore[arg-type]
        yield Chromium(started)
        started.close()
