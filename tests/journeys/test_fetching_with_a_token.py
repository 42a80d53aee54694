"""A site fetches from the vendor's own server: with its token, without one, and after its contract ended."""

import pytest

from patchline.patches.statements import time_text
from patchline.patches.trust import Trust, trust_document
from patchline.releaser.fleet import entitlements
from tests import channels, vendor
from tests.channel_worlds import clock_at
from tests.delivering import copied_shop
from tests.gunicorns import gunicorn
from tests.hotfixes import FILES
from tests.programs import run
from tests.registers import NOW
from tests.worlds import World


@pytest.fixture
def vendors(tmp_path):
    """The vendor's shop and its address."""
    with copied_shop(tmp_path) as shop, gunicorn(shop.register.home, tmp_path / "gunicorn", time_text(NOW)) as address:
        yield shop, address


def test_a_site_fetches_with_its_token_what_it_is_entitled_to(vendors, tmp_path):
    shop, address = vendors
    papers = {"root": channels.root(), "policy": vendor.policy_envelope(), "channel": f"{address}/channel"}
    site = World(tmp_path / "site", FILES, now=NOW, trust=Trust.parse(trust_document(product="demo", **papers)))
    secret = shop.token()
    token = tmp_path / "patchline.header"
    token.write_text(f"Authorization: Bearer {secret}\n")
    token.chmod(0o600)

    def fetch(*more, expect=0):
        places = ("--root", site.root, "--state", site.state)
        with clock_at(NOW):
            told = run("patchline-site", "fetch", "--json", *places, *more, expect=expect)
        assert secret not in told.out + told.err
        return told.document

    without = fetch(expect=13)
    assert without["error"] == "source.unauthorized" and "wants a token" in without["message"]
    assert "--token-file" in without["hint"]

    number = shop.grant()
    found = fetch("--token-file", token)
    assert [(one["release"], one["standing"]) for one in found["offers"]] == [(shop.label, "new")]
    with clock_at(NOW):
        run("patchline-site", "apply", found["offers"][0]["path"], "--root", site.root, "--state", site.state)
        run("patchline-site", "rollback", shop.label, "--root", site.root, "--state", site.state)

    with shop.life.change() as change:
        entitlements.end(change, number)
    ended = fetch("--token-file", token, expect=13)
    assert ended["error"] == "source.forbidden"
    assert shop.events("download.refused")
    assert "ended" in ended["message"] or "entitled" in ended["message"]
    assert secret not in (tmp_path / "gunicorn" / "log").read_text()
