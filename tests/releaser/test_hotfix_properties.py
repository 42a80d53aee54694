"""Any sequence of steps whatsoever: nothing is published that a site would not count, nothing recalled is offered."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from patchline.patches.errors import PatchlineError
from patchline.releaser import caches, hotfixes, policies, recalls
from patchline.releaser.approvals import count
from patchline.releaser.register import opened
from patchline.releaser.states import OFFERED, Action, State
from patchline.releaser.tables.hotfixes import Approval, Contributor, Revision
from tests.conftest import EXHAUSTIVE
from tests.hotfixes import Life, changed
from tests.registers import make_home

KEYS = st.sampled_from(["ada", "ben", "ed-cleo", "dora", "builder", "eve"])
PEOPLE = st.sampled_from(["ada", "ben", "bob", "cleo", "rita"])
PATHS = st.sampled_from(["a.txt", "b.txt", "c.txt"])
BEFORE = {"a.txt": b"old\n", "b.txt": b"b0\n", "c.txt": b"c0\n"}


class Lives(RuleBasedStateMachine):
    """Somebody who tries everything in any order; what is refused is refused."""

    made = Bundle("made")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="patchline-lives-"))
        (self.folder / "files").mkdir()
        self._opened = opened(make_home("sqlite", self.folder / "home"))
        self.life = Life(self._opened.__enter__(), self.folder / "files").prepare()
        self.ever = 0

    def teardown(self) -> None:
        self._opened.__exit__(None, None, None)
        shutil.rmtree(self.folder)

    def tried(self, call, *arguments, **more) -> None:
        try:
            call(*arguments, **more)
        except PatchlineError:
            self.ever += 1

    @rule(target=made, by=PEOPLE)
    def new(self, by):
        return self.life.new(by)

    @rule(which=made, by=PEOPLE, path=PATHS, text=st.integers(1, 3))
    def build(self, which, by, path, text):
        self.tried(self.life.build, which, by, files=[changed(path, BEFORE[path], b"%d\n" % text)])

    @rule(which=made, by=PEOPLE)
    def submit(self, which, by):
        self.tried(self.life.submit, which, by)

    @rule(which=made, key=KEYS)
    def approve(self, which, key):
        self.tried(self.life.approve, which, key)

    @rule(target=made, by=PEOPLE, path=PATHS, keys=st.lists(KEYS, min_size=2, max_size=3, unique=True))
    def hurry(self, by, path, keys):
        """Come to the interesting part sooner."""
        identifier = self.life.new(by)
        self.tried(self.life.build, identifier, by, files=[changed(path, BEFORE[path], b"hurry\n")])
        self.tried(self.life.submit, identifier, by)
        for key in keys:
            self.tried(self.life.approve, identifier, key)
        self.tried(self.life.publish, identifier)
        return identifier

    @rule(which=made, by=PEOPLE)
    def publish(self, which, by):
        self.tried(self.life.publish, which, by)

    @rule(which=made, by=PEOPLE, action=st.sampled_from([Action.REJECT, Action.ABANDON]))
    def stop(self, which, by, action):
        self.tried(self._change, by, lambda change: hotfixes.stop(change, which, action, "no"))

    @rule(which=made, by=PEOPLE)
    def revise(self, which, by):
        self.tried(self._change, by, lambda change: hotfixes.revise(change, which))

    @rule(which=made, by=PEOPLE)
    def hold(self, which, by):
        self.tried(self.life.hold, which, by)

    @rule(which=made)
    def lift(self, which):
        self.tried(self.life.lift, which)

    @rule(which=made, keys=st.lists(KEYS, min_size=1, max_size=3, unique=True), void=st.booleans())
    def recall(self, which, keys, void):
        self.tried(lambda: self.life.recall(which, self.life.recall_file(which, *keys, void=void)))

    @rule(which=made, keys=st.lists(KEYS, min_size=1, max_size=3, unique=True))
    def reinstate(self, which, keys):
        self.tried(lambda: self.life.recall(which, self._reinstatement(which, keys)))

    def _reinstatement(self, which, keys):
        with self.life.register.read() as session:
            if recalls.entry_of(session, hotfixes.find(session, which)) is None:
                raise PatchlineError("bug", "nothing to take back")
        return self.life.reinstatement(which, *keys)

    def _change(self, by, work):
        with self.life.change(by) as change:
            work(change)

    @invariant()
    def nothing_goes_out_without_a_satisfied_count_of_its_very_bytes(self):
        root = self.life.root
        with self.life.register.read() as session:
            trust = policies.vendor_trust(session, "demo", root)
            for revision in session.query(Revision).filter(Revision.state.in_([State.APPROVED, *OFFERED])):
                assert count(session, revision, trust, self.life.now).enough
                votes = session.query(Approval).filter_by(revision=revision.id).all()
                assert {one.manifest_sha256 for one in votes} == {revision.manifest_sha256}
                parts = {one.person for one in session.query(Contributor).filter_by(revision=revision.id)}
                assert parts.isdisjoint(one.person for one in votes)

    @invariant()
    def nothing_recalled_is_offered_and_everything_published_is(self):
        with self.life.register.read() as session:
            offered = [
                f"{one.hotfix}-r{one.number}"
                for one in session.query(Revision).filter(Revision.state.in_(OFFERED)).order_by(Revision.hotfix)
            ]
        assert sorted(self.life.offered()) == sorted(offered)

    @invariant()
    def caches_follow_from_the_facts(self):
        with self.life.register.read() as session:
            assert list(caches.differences(session)) == []


def test_no_path_leads_out_without_approval_and_nothing_recalled_is_offered():
    many = settings(
        max_examples=100 if EXHAUSTIVE else 6,
        stateful_step_count=30 if EXHAUSTIVE else 15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Lives, settings=many)
