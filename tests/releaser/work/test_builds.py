import json
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import func, select

from patchline.patches.errors import PatchlineError
from patchline.releaser import bundles, catalogue, hotfixes
from patchline.releaser.bundle_files import STATEMENT, read_bundle, sidecar_path
from patchline.releaser.hotfixes import find
from patchline.releaser.people import read_people
from patchline.releaser.recipe import read_recipe
from patchline.releaser.register import Register
from patchline.releaser.signing import sign_provenance
from patchline.releaser.stores import Store
from patchline.releaser.tables.hotfixes import Step
from patchline.releaser.tables.people import Person, PersonRole, Role
from patchline.releaser.tables.work import Wish, WishEnd
from patchline.releaser.work import builds
from patchline.releaser.work.builds import BuildOrder
from tests.programs import run
from tests.registers import NOW
from tests.repositories import Repository
from tests.vendor import signer
from tests.workers import held, passes, until, work, worker

on_postgresql = pytest.mark.parametrize("register", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("register", ["sqlite"], indirect=True)
KEY = "a secret of at least 32 characters, made up for this test"
PEOPLE = f'key = "{KEY}"\n\n[people]\nwalt = ["walt@example.com"]\n'
RECIPE = """\
severity = "important"
guidance = ["restart-service:portal"]
optional = ["plugins/**"]
requires_products = [{ product = "base", versions = ["1", "2"] }]

[roots]
app = ""
etc = "conf"

[classes]
config = ["etc:**"]

[[fixes]]
id = "BUG-7"
title = "Totals are right"
cve = ["CVE-2026-1234"]
paths = ["total.py"]

[[steps]]
id = "restart"
phase = "start"
script = "restart.sh"
interpreter = "/bin/sh"

[scan]
names = "customers.txt"
allow = [{ path = "app/total.py", reason = "looked at" }]
"""


@dataclass
class Shop:
    """A product of a register, whose code lies in a repository, with a draft."""

    register: Register
    repository: Repository
    folder: Path
    hotfix: str = ""

    def draft(self):
        wanted = hotfixes.Wanted("shop", "1", "Totals are right", fixes=("BUG-7",))
        with self.register.change("cleo", NOW) as change:
            self.hotfix = hotfixes.new(change, wanted).hotfix
        return self

    def patchline(self, *arguments, by="cleo", **more):
        home = {"PATCHLINE_HOME": str(self.register.home), "PATCHLINE_PERSON": by}
        return run("patchline", *arguments, environment=home, cwd=self.folder, **more)

    def queue(self, *more, **how):
        return self.patchline("hotfix", "build", self.hotfix, *more, "--queue", "--json", **how)

    def stands(self):
        """State, manifest, and how often it was built."""
        with self.register.read() as session:
            revision = find(session, self.hotfix)
            query = select(func.count()).select_from(Step).where(Step.revision == revision.id, Step.action == "build")
            return str(revision.state), revision.manifest_sha256, session.scalar(query)

    def ends(self):
        with self.register.read() as session:
            return [(end.outcome, end.told) for end in session.scalars(select(WishEnd).order_by(WishEnd.wish))]

    def wishes(self):
        with self.register.read() as session:
            return [wish.arguments for wish in session.scalars(select(Wish).order_by(Wish.id))]


@pytest.fixture
def shop(register, tmp_path):
    repository = Repository(tmp_path / "shop.git", bare=True)
    repository.commit({"total.py": b"41\n", "conf/a.ini": b"a\n"}, tag="v1")
    repository.commit({"total.py": b"42\n"}, "Mend\n\nFixes: BUG-7", author="walt@example.com")
    with register.change("cleo", NOW) as change:
        catalogue.add_product(change, "shop", None, repository.path)
    catalogue.add_baseline(register, catalogue.Release("shop", "1", tag="v1"), "cleo", NOW)
    (tmp_path / "people.toml").write_text(PEOPLE)
    return Shop(register, repository, tmp_path).draft()


def recipe(folder):
    """Write a recipe that says something of everything."""
    (folder / "restart.sh").write_text("exit 0\n")
    (folder / "customers.txt").write_text("acme\n")
    (folder / "hotfix.toml").write_text(RECIPE)
    return read_recipe(folder / "hotfix.toml")


def refused(code, call):
    with pytest.raises(PatchlineError) as error:
        call()
    assert error.value.code == code, error.value


def test_recipe_comes_out_of_a_wish_as_it_went_in_and_no_key_of_people_goes_in(shop):
    authored, people = recipe(shop.folder), read_people(shop.folder / "people.toml")
    order = builds.ordered(shop.register, shop.hotfix, "main", authored, people)
    arguments = json.dumps(order.as_arguments())
    assert BuildOrder.of_arguments(json.loads(arguments)) == order
    assert order.authored == authored and order.head == shop.repository.git("rev-parse", "main")
    assert '"walt"' in arguments and "unknown:" in arguments
    assert KEY not in arguments and "example.com" not in arguments
    (shop.folder / "restart.sh").write_bytes(b"x" * (4 << 20))
    large = builds.ordered(shop.register, shop.hotfix, "main", read_recipe(shop.folder / "hotfix.toml"), people)
    refused("usage.options", large.as_arguments)


@on_sqlite
def test_embedded_register_builds_at_once_what_a_build_by_hand_would_have_made(shop):
    recipe(shop.folder)
    given = ("--head", "main", "--recipe", "hotfix.toml", "--people", "people.toml")
    told = shop.queue(*given).document
    assert (told["state"], told["job"], told["head"]) == ("built", 1, shop.repository.git("rev-parse", "main"))
    by_hand = shop.patchline("hotfix", "build", shop.hotfix, *given, "--json").document
    assert by_hand["manifest"] == told["manifest"] and shop.ends() == [("done", "is built")]


@on_sqlite
def test_what_would_be_refused_anyway_is_refused_at_once(shop):
    with shop.register.database.write() as session:
        session.add(Person(id="sue", name="Sue", added=NOW, roles=[PersonRole(role=Role.SUPPORT)]))
    wrong = shop.queue("--head", "main", "--onto", "a.hotfix", "--allow", "a=b", "--out", "b.hotfix", expect=2).out
    assert "--allow, --onto, --out cannot go with --queue" in wrong
    assert "--head is missing" in shop.queue(expect=2).out
    assert "release-manager" in shop.queue("--head", "main", by="sue", expect=12).out
    assert "nowhere" in shop.queue("--head", "nowhere", expect=14).out
    with shop.register.change("cleo", NOW) as change:
        hotfixes.stop(change, shop.hotfix, hotfixes.Action.ABANDON, "not needed")
    assert "is abandoned" in shop.queue("--head", "main", expect=13).out
    assert shop.wishes() == []


@on_postgresql
def test_worker_builds_the_commit_that_was_named_and_one_that_is_killed_is_followed_by_another(shop, tmp_path):
    told = shop.queue("--head", "main", "--people", "people.toml").document
    assert told["state"] == "draft" and "manifest" in told
    shop.repository.commit({"total.py": b"43\n"})  # The branch goes on.
    with worker(shop, log=tmp_path / "log") as first, held(shop, "step") as waits:
        until(waits)  # The bundle is built and kept, and the worker about to write that down.
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert shop.stands() == ("draft", None, 0)
        assert len([name for name in Store.at(shop.register.bundles).names("") if name.endswith(".hotfix")]) == 1
    passes(shop)
    assert work(shop) == {"done": 1, "refused": 0, "waiting": 0}
    state, manifest, times = shop.stands()
    assert (state, times) == ("built", 1)

    # Done once more, as after a death before its end was written: nothing happens.
    order = BuildOrder.of_arguments(shop.wishes()[0])
    builds.make(shop.register, order, "cleo", NOW)
    assert shop.stands() == (state, manifest, 1)

    # The builder signs it elsewhere.
    path = tmp_path / "save" / f"{shop.hotfix}-r1.hotfix"
    path.parent.mkdir()
    shop.patchline("hotfix", "show", shop.hotfix, "--save", path.parent)
    assert read_bundle(path).manifest.provenance["head_commit"] == told["head"]
    assert read_bundle(path).manifest.contributors[-1] == "walt"
    signed = sign_provenance(path, signer("builder")).read_bytes()
    assert sidecar_path(path, STATEMENT).is_file()

    # What was signed meanwhile stays signed, though the job runs again.
    shop.patchline("hotfix", "build", shop.hotfix, "--bundle", path)
    builds.make(shop.register, order, "cleo", NOW)
    with shop.register.read() as session:
        assert bundles.release_set(session, find(session, shop.hotfix)).sidecars.provenance == signed
    assert shop.stands() == (state, manifest, 2)
