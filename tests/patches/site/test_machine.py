import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from patchline.patches.errors import PatchlineError
from tests.samples import fix
from tests.trees import FAST
from tests.worlds import Directory, LinkTo, World

BASE = {
    "lib/a": b"a0\n",
    "lib/b": b"b0\n",
    "etc/c.ini": b"c0\n",
    "d/x": b"x0\n",
    "d/y": b"y0\n",
    "bin/t": (b"t0\n", True),
    "p": b"p0\n",
}
PATHS = (*BASE, "lib/n/new", "p/inner", "etc/c.ini.patchline-new", "lib/a.patchline-saved", "mine", "d/mine")
CONFIG = {"entry": {"etc/c.ini": {"class": "config"}}}


def fixes(text):
    return [fix(name) for name in text.split()]


@cache
def hotfixes():
    """Hotfixes that lie beside, on top of, and in place of each other; made once."""
    folder = Path(tempfile.mkdtemp(prefix="patchline-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    maker = World(folder, BASE)
    return {
        "one": maker.hotfix({"lib/a": b"a1\n", "lib/b": b"b1\n", "lib/n/new": b"n1\n"}, "HF-1", fixes=fixes("F1")),
        "one again": maker.hotfix({"lib/a": b"a1b\n", "lib/n/new": b"n2\n"}, "HF-1", fixes=fixes("F1"), revision=2),
        "on top": maker.hotfix(
            {"lib/a": b"a2\n", "d/x": None},
            "HF-2",
            fixes=fixes("F2"),
            pre={"lib/a": [b"a0\n", b"a1\n", b"a1b\n"]},
        ),
        "config": maker.hotfix({"etc/c.ini": b"c3\n", "d/y": None}, "HF-3", fixes=fixes("F3"), **CONFIG),
        "superset": maker.hotfix(
            {"etc/c.ini": b"c4\n", "d/y": None, "bin/t": b"t4\n"}, "HF-4", fixes=fixes("F3 F4"), **CONFIG
        ),
        "kinds": maker.hotfix({"p": Directory(), "p/inner": b"i5\n", "lib/b": LinkTo("a")}, "HF-5", fixes=fixes("F5")),
        "clash": maker.hotfix({"lib/b": b"b6\n"}, "HF-6", fixes=fixes("F6")),
        "all": maker.hotfix(
            {"lib/a": b"a7\n", "d/y": b"y7\n"}, "HF-7", fixes=fixes("F7"), kind="cumulative", revision=3
        ),
    }


NAMES = ("one", "one again", "on top", "config", "superset", "kinds", "clash", "all")
IDS = tuple(f"HF-{number}" for number in range(1, 8))


class Customer(RuleBasedStateMachine):
    """A site and a customer who edits, removes and adds files, while hotfixes come and go.

    `written` are the contents that the customer wrote and did not overwrite or remove: each must be somewhere.
    """

    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="patchline-", dir=FAST if FAST.is_dir() else None))
        self.world = World(self.folder / "world", BASE)
        self.written: set[bytes] = set()
        self.touched: set[str] = set()
        self.cleaned = False
        self.count = 0

    def try_to(self, work):
        """Do what may be refused; a refusal changes nothing."""
        before = self.world.tree()
        try:
            work()
        except PatchlineError:
            assert self.world.tree() == before

    @rule(
        names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True),
        choice=st.sampled_from(("", "override", "preserve")),
    )
    def apply(self, names, choice):
        picked = [hotfixes()[name] for name in names]
        choices = {choice: [f"app/{path}" for path in PATHS]} if choice else {}
        self.try_to(lambda: self.world.apply(*picked, accept_loss=["F1", "F2", "F3"], **choices))

    @rule(name=st.sampled_from(IDS))
    def rollback(self, name):
        self.try_to(lambda: self.world.rollback(name))

    @rule()
    def back_to_the_baseline(self):
        self.try_to(lambda: self.world.rollback("baseline", to_level=True))

    @rule(keep=st.integers(1, 2))
    def cleanup(self, keep):
        announced = self.world.cleanup(keep, dry_run=True)
        assert self.world.cleanup(keep) == announced
        self.cleaned = self.cleaned or bool(announced.transactions)

    @rule(path=st.sampled_from(PATHS))
    def write(self, path):
        target = self.world.root / path
        if target.is_dir() or not target.parent.is_dir():
            return
        self.lose(target)
        target.unlink(missing_ok=True)
        self.count += 1
        content = f"mine {self.count}\n".encode()
        target.write_bytes(content)
        self.written.add(content)
        self.touched.add(path)

    @rule(path=st.sampled_from(PATHS))
    def write_in_place(self, path):
        target = self.world.root / path
        if target.is_file() and not target.is_symlink():
            self.lose(target)
            self.count += 1
            content = f"mine {self.count}\n".encode()
            target.write_bytes(content)
            self.written.add(content)
            self.touched.add(path)

    @rule(path=st.sampled_from(PATHS))
    def remove(self, path):
        target = self.world.root / path
        if target.is_symlink() or target.is_file():
            self.lose(target)
            target.unlink()
            self.touched.add(path)

    @rule(path=st.sampled_from(PATHS), mode=st.sampled_from((0o600, 0o644, 0o755)))
    def change_mode(self, path, mode):
        target = self.world.root / path
        if target.is_file() and not target.is_symlink():
            target.chmod(mode)
            self.touched.add(path)

    def lose(self, target):
        if target.is_file() and not target.is_symlink():
            self.written.discard(target.read_bytes())

    @invariant()
    def nothing_of_the_customers_is_lost(self):
        contents = {item[1] for item in self.world.tree().values()}
        assert self.written <= contents, self.written - contents

    @invariant()
    def staging_is_empty_and_the_level_is_the_one_on_disk(self):
        own = self.world.root / ".patchline"
        assert list((own / "staging").iterdir()) == []
        level = self.world.inventory(check=False).level
        assert (own / "PATCHLEVEL").read_text().splitlines()[:2] == [level.label, level.code]

    @invariant()
    def what_hotfixes_set_is_as_they_say_where_the_customer_did_nothing(self):
        drift = {item.name.removeprefix("app/") for item in self.world.inventory().drift}
        assert drift <= self.touched

    def teardown(self):
        if not hasattr(self, "world"):
            return
        if not self.cleaned:
            self.take_everything_off()
        shutil.rmtree(self.folder)

    def take_everything_off(self):
        try:
            self.world.rollback("baseline", to_level=True)
        except PatchlineError as error:
            # Rightly: the customer has something in a folder where a file must come back.
            assert error.code == "installation.folder-in-use"
            assert (self.world.root / "p").is_dir()
            return
        tree = self.world.tree()
        for path, content in BASE.items():
            if path not in self.touched:
                assert tree[path][1] == (content[0] if isinstance(content, tuple) else content), path
        self.nothing_of_the_customers_is_lost()


Customer.TestCase.settings = settings(max_examples=60, stateful_step_count=14)
TestCustomer = Customer.TestCase
