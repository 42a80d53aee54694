import hashlib
import tomllib
from pathlib import Path

from tests.browser import AXE, serving
from tests.pages import Visitor, make_app

ROOT = Path(__file__).parent.parent.parent
VENDORED = (ROOT / "web" / "static" / "vendor", AXE.parent)


def test_vendored_files_are_those_of_their_lists():
    for folder in VENDORED:
        listed = tomllib.loads((folder / "VENDOR.toml").read_text())["file"]
        for one in listed:
            assert hashlib.sha256((folder / one["name"]).read_bytes()).hexdigest() == one["sha256"], one["name"]
            assert (folder / one["licence_file"]).is_file()
        known = {one["name"] for one in listed} | {one["licence_file"] for one in listed} | {"VENDOR.toml"}
        assert {path.name for path in folder.iterdir()} <= known | {"LICENSE-3RD-PARTY.txt"}


def test_parts_of_pages_can_be_read_by_everybody(browser, embedded):
    app = make_app(embedded)
    cookie = Visitor(app, embedded).signed_in("rita").cookie
    with serving(app) as address, browser.reader(address, cookie) as reader:
        reader.open("/style")
        reader.look("style")
