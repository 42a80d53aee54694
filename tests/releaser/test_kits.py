"""Kits: what goes in, the same bytes again, whole or not there, and a site that lives on them."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from patchline.patches import channel, documents
from patchline.patches.errors import PatchlineError
from patchline.releaser import ceremony, kits
from patchline.releaser.channel import Channel
from patchline.releaser.channel_roots import Offline, take_in
from patchline.releaser.fleet.reading import read_report
from patchline.releaser.kit_choice import Wish
from patchline.releaser.kits import make_kit
from patchline.releaser.server_keys import KIT, server_public
from patchline.releaser.stores import Store
from tests import vendor
from tests.channel_worlds import Shop, recalled
from tests.channels import keys, targets
from tests.forged_channels import later
from tests.programs import run


@dataclass
class Vendor(Shop):
    """A shop whose channel is the real one, in a store; with a home, in that and with the kit key there."""

    home: Path | None = None

    def __post_init__(self):
        self.folder.mkdir(exist_ok=True)
        super().__post_init__()
        self.store = Store.at(str(self.home / "channel" if self.home else self.folder / "store"))
        self.real = Channel(self.store, keys())
        kit = server_public(self.home, KIT) if self.home else vendor.signer("kit").public
        for_kits = ceremony.make_root([vendor.signer(one).public for one in vendor.OFFLINE], 2, self.now, kit=kit)
        for one in vendor.OFFLINE[:2]:
            for_kits = ceremony.sign_root(for_kits, vendor.signer(one))
        papers = [self.channel.roots[0], for_kits, targets(now=self.now)]
        take_in(self.real, Offline.of(papers), self.now)
        self.status()

    def status(self, *recalled_ones):
        self.put_recalls(recalled=recalled_ones)
        with self.real.changing(self.now) as edit:
            for name in (channel.policy_target("demo"), channel.recalls_target("demo"), channel.CHECKPOINT):
                edit.status(name, self.channel.files[name])

    def publish(self, *hotfixes, **more):
        for hotfix in hotfixes:
            path = self.folder / f"{hotfix.manifest.label}-{hotfix.manifest.digest[:6]}.zip"
            path.write_bytes(self.release(hotfix))
            manifest = hotfix.manifest
            name = channel.HotfixName(manifest.target.product, manifest.hotfix, manifest.revision).target
            listed = self.real.upload(name, path)
            with self.real.changing(self.now) as edit:
                edit.put(listed)

    def report(self):
        path = self.folder / f"report-{time.monotonic_ns()}.json"
        self.site("report", "--out", path)
        return path

    def kit(self, name="kit", report=None, **more):
        wish = Wish(read_report(report.read_bytes()).statement if report else None, customer=more.pop("customer", None))
        return make_kit(self.store, vendor.signer("kit"), wish, self.folder / name, more.pop("now", self.now), **more)


@pytest.fixture
def shop(tmp_path):
    return Vendor(tmp_path)


def labels(kit):
    return [offer.label for offer in kit.choice.releases]


def bytes_of(folder: Path):
    if folder.is_file():
        return folder.read_bytes()
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_site_lives_on_the_three_commands_of_the_readme(shop):
    shop.publish(shop.hotfix(), shop.hotfix("HF-2026-0002", "b.txt"))
    made = shop.kit(report=shop.report())
    lines = re.findall(r"^    patchline-site (.*KIT)$", (made.out / "README.txt").read_text(), re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["fetch", "plan", "apply"]
    for line in lines:
        shop.site(*line.replace("KIT", str(made.out)).split())
    assert shop.level() == "1.0+HF-2026-0001-r1+HF-2026-0002-r1"


def test_only_what_the_site_lacks_goes_in(shop):
    first, other = shop.hotfix(), shop.hotfix("HF-2026-0002", "b.txt")
    elsewhere = {"product": "demo", "baselines": ["2.0"], "platforms": ["linux"], "requires_products": []}
    shop.publish(first, other, shop.hotfix("HF-2026-0003", "c.txt", target=elsewhere))
    shop.site("apply", first.path)
    made = shop.kit(report=shop.report())
    assert labels(made) == ["HF-2026-0002-r1"]
    assert len(list((made.out / "targets/hotfixes").rglob("*.zip"))) == 1
    shop.site("apply", made.out)
    assert labels(shop.kit("next", report=shop.report())) == []
    assert labels(shop.kit("full")) == ["HF-2026-0001-r1", "HF-2026-0002-r1", "HF-2026-0003-r1"]


def test_a_full_kit_has_every_revision_and_a_site_takes_what_is_for_it(shop):
    second = shop.hotfix(revision=2, content=b"better\n")
    shop.publish(shop.hotfix(), second)
    made = shop.kit()
    assert labels(made) == ["HF-2026-0001-r2", "HF-2026-0001-r1"]
    shop.site("apply", made.out)
    assert shop.level() == "1.0+HF-2026-0001-r2"


def test_what_nobody_here_knows_is_no_matter(shop):
    own = shop.hotfix("HF-2026-0099", "c.txt")
    shop.publish(shop.hotfix())
    shop.site("apply", own.path)
    assert labels(shop.kit(report=shop.report())) == ["HF-2026-0001-r1"]


def test_what_is_for_one_customer_goes_to_no_other(shop):
    hotfix = shop.hotfix()
    for_one = [vendor.approval(hotfix.manifest, by, scope=frozenset(["c-1"])) for by in ("ben", "ed-cleo")]
    sidecars = vendor.sidecars(hotfix.manifest, for_one)
    hotfix.path.with_name(hotfix.path.name + ".approvals.jsonl").write_bytes(sidecars.approvals)
    shop.publish(hotfix)
    assert labels(shop.kit()) == []
    assert labels(shop.kit("other", customer="c-2")) == []
    assert labels(shop.kit("own", customer="c-1")) == ["HF-2026-0001-r1"]


def test_what_was_recalled_stays_out_but_its_recall_goes_in(shop):
    hotfix = shop.hotfix()
    shop.publish(hotfix)
    shop.site("apply", hotfix.path)
    shop.status(recalled(hotfix.manifest))
    made = shop.kit()
    assert labels(made) == []
    shop.fetch(made.out)
    assert "RECALLED" in shop.site("inventory").out


def test_what_a_site_would_set_aside_is_told(shop):
    hotfix = shop.hotfix()
    hotfix.path.with_name(hotfix.path.name + ".approvals.jsonl").write_bytes(b"")
    shop.publish(hotfix)
    made = shop.kit()
    assert [offer.why for offer in made.choice.left_out] != []
    assert labels(made) == []


def test_the_same_kit_is_made_again_byte_for_byte(shop):
    shop.publish(shop.hotfix(), shop.hotfix("HF-2026-0002", "b.txt"))
    for as_zip in (False, True):
        one, two = (shop.kit(f"{name}-{as_zip}", as_zip=as_zip) for name in ("one", "two"))
        assert bytes_of(one.out) == bytes_of(two.out)
        assert bytes_of(shop.kit(f"late-{as_zip}", as_zip=as_zip, now=later(hours=1)).out) != bytes_of(one.out)


def test_a_zip_of_a_kit_is_taken_as_it_is(shop):
    shop.publish(shop.hotfix())
    made = shop.kit("kit.zip", report=shop.report(), as_zip=True)
    listed = subprocess.run([sys.executable, "-m", "zipfile", "-t", made.out], capture_output=True, check=True)
    assert b"Done" in listed.stdout
    shop.fetch(made.out)
    shop.site("apply", made.out)
    assert shop.level() == "1.0+HF-2026-0001-r1"


def test_an_older_kit_is_refused_after_a_newer_one(shop):
    shop.publish(shop.hotfix())
    old = shop.kit("old")
    shop.publish(shop.hotfix("HF-2026-0002", "b.txt"))
    shop.fetch(shop.kit("new").out)
    assert shop.fetch(old.out, expect=21)["error"] == "channel.older"


def test_a_kit_expires_after_180_days(shop):
    assert shop.kit().expires == later(days=180)


def test_the_client_of_the_channel_lies_beside_the_readme(shop):
    data = b"#!/usr/bin/env python3\nnot run by anybody"
    line = f"{documents.digest(data)}  patchline-site.pyz\n".encode()
    files = (data, line, vendor.signer("release").sign(line))
    with shop.real.changing(shop.now) as edit:
        for ending, content in zip(channel.CLIENT_ENDINGS, files, strict=True):
            edit.status(channel.CLIENT + ending, content)
    made = shop.kit()
    for ending, content in zip(channel.CLIENT_ENDINGS, files, strict=True):
        assert (made.out / f"patchline-site.pyz{ending}").read_bytes() == content
    assert "openssl dgst" in (made.out / "README.txt").read_text()


def refused(work):
    with pytest.raises(PatchlineError) as caught:
        work()
    return caught.value.code


def test_a_damaged_store_makes_no_kit(shop):
    shop.publish(shop.hotfix(content=os.urandom(3 << 20)))
    [path] = (shop.folder / "store/targets/hotfixes").rglob("*.zip")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert refused(shop.kit) == "store.damaged"
    assert refused(lambda: shop.kit(as_zip=True)) == "store.damaged"
    assert not [path for path in shop.folder.iterdir() if "kit" in path.name]


def test_a_kit_that_is_there_is_never_touched(shop):
    shop.kit()
    assert refused(shop.kit) == "refused.file-exists"
    assert refused(lambda: shop.kit("no/such/folder/kit")) == "not-found.folder"


def test_two_makers_of_one_kit_do_not_mix(shop):
    import fcntl

    making = shop.folder / ".kit.part"
    making.mkdir()
    handle = os.open(making, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert refused(shop.kit) == "locked.kit"
    os.close(handle)
    shop.kit()


DRIVER = """
import sys
from pathlib import Path
from patchline.releaser import kits
from patchline.releaser import ceremony, kits
from patchline.releaser.channel import Channel
from patchline.releaser.channel_roots import Offline, take_in
from patchline.releaser.kit_choice import Wish
from patchline.releaser.stores import Store
from tests import vendor
from tests.programs import run
from tests.forged_channels import NOW
import os, signal
left = int(sys.argv[3])
read = kits._Checked.read
def dying(self, size):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(self, size)
kits._Checked.read = dying
kits.make_kit(Store.at(sys.argv[1]), vendor.signer("kit"), Wish(), Path(sys.argv[2]), NOW, as_zip=sys.argv[4] == "zip")
"""


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_killed_maker_leaves_no_kit_and_a_second_try_finishes(shop, form):
    shop.publish(shop.hotfix())
    whole = bytes_of(shop.kit("whole", as_zip=form == "zip").out)
    out = shop.folder / "kit"
    for reads in (0, 3, 9, 17):
        line = [sys.executable, "-c", DRIVER, shop.folder / "store", out, str(reads), form]
        done = subprocess.run(line, check=False, cwd=Path(__file__).parents[2], capture_output=True)
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        assert not out.exists()
    shop.kit(as_zip=form == "zip")
    assert bytes_of(out) == whole
    assert not (shop.folder / ".kit.part").exists()


def test_what_is_published_while_a_kit_is_begun_goes_in_whole_or_not_at_all(shop, monkeypatch):
    shop.publish(shop.hotfix())
    later_one = [shop.hotfix("HF-2026-0002", "b.txt")]
    read = kits.read_published

    def meanwhile(store):
        if later_one:
            shop.publish(later_one.pop())
        return read(store)

    monkeypatch.setattr(kits, "read_published", meanwhile)
    made = shop.kit()
    assert labels(made) == ["HF-2026-0001-r1", "HF-2026-0002-r1"]
    shop.site("apply", made.out)
    assert shop.level() == "1.0+HF-2026-0001-r1+HF-2026-0002-r1"


def test_the_command_makes_a_kit_from_the_register(tmp_path):
    home = tmp_path / "home"
    run("patchline", "init", "--home", home, "--person", "rita", passphrase="words")
    shop = Vendor(tmp_path / "shop", now=datetime.now(UTC).replace(microsecond=0), home=home)
    shop.publish(shop.hotfix())
    line = ("kit", "make", "--home", home, "--out", tmp_path / "kit")
    made = run("patchline", *line, "--report", shop.report(), "--json", passphrase="words").document
    assert made["releases"] == ["HF-2026-0001-r1"]
    assert (
        "carried by hand"
        in run("patchline", *line[:-1], tmp_path / "two", "--report", shop.report(), passphrase="words").out
    )
    shop.site("apply", tmp_path / "kit")
    assert (
        run("patchline", *line, "--full", "--json", passphrase="words", expect=12).document["error"]
        == "refused.file-exists"
    )
    assert run("patchline", *line, "--json", expect=2).document["error"] == "usage.options"
    other = run(
        "patchline", *line[:-1], tmp_path / "x", "--full", "--product", "crm", "--json", passphrase="words", expect=11
    )
    assert other.document["error"] == "not-found.channel-product"
    zipped = run("patchline", *line[:-1], tmp_path / "k.zip", "--full", "--zip", "--json", passphrase="words").document
    assert zipped["kit"] == str(tmp_path / "k.zip")
