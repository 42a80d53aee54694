"""Many at once, in processes of their own, on one register: exact quorum, no contributor, nobody twice."""

import multiprocessing
import random
import traceback
from collections import Counter
from pathlib import Path

import pytest

from patchline.patches import envelopes
from patchline.patches.errors import PatchlineError
from patchline.patches.manifest import Manifest
from patchline.releaser import approvals, hotfixes, publishing
from patchline.releaser.channel import Channel
from patchline.releaser.policies import newest_root
from patchline.releaser.register import opened
from patchline.releaser.stores import Store
from patchline.releaser.tables.hotfixes import Approval, Hotfix, Step
from tests import channels, vendor
from tests.conftest import NOTHING_MAY_BE_SKIPPED
from tests.hotfixes import Life
from tests.registers import NOW

VOTES = 1000 if NOTHING_MAY_BE_SKIPPED else 60
THRESHOLD = 5
VOTERS = [f"voter-{number}" for number in range(20)]
PROCESSES = 3
_FORK = multiprocessing.get_context("spawn")


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Life(register, tmp_path / "files")


def crowd():
    """A policy with more approvers than it takes, some of whom had a part in the hotfix."""
    persons = {**vendor.PERSONS, **{name: [vendor.policy_key(name)] for name in VOTERS}}
    rules = [{"threshold": THRESHOLD, "independent": 1, "reproduced": 0}]
    return vendor.policy_document(persons=persons, rules=rules)


def vote_all(home, identifier, sidecars, results):
    """Take approvals in, one after the other, as one process among several."""
    done = Counter()
    try:
        with opened(Path(home)) as register:
            root = newest_root(register)
            for sidecar in sidecars:
                try:
                    with register.change("rita", NOW) as change:
                        approvals.take(change, identifier, sidecar, root)
                    done["taken"] += 1
                except PatchlineError as error:
                    done[error.code] += 1
    except BaseException:  # noqa: BLE001 (the parent tells it)
        done[traceback.format_exc()] += 1
    results.put(done)


def at_once(target, jobs):
    """Run jobs in processes of their own; return what they counted together."""
    results = _FORK.Queue()
    processes = [_FORK.Process(target=target, args=(*job, results)) for job in jobs]
    for process in processes:
        process.start()
    found = sum((results.get(timeout=300) for _ in processes), Counter())
    for process in processes:
        process.join()
    return found


def test_racing_votes_make_an_exact_quorum_without_contributors_and_without_twins(life):
    life.prepare(crowd())
    identifier = life.reviewed(contributors=sorted(VOTERS[:5]))
    with life.register.read() as session:
        manifest = Manifest.parse(hotfixes.find(session, identifier).manifest)
    names = [*VOTERS, "bob", "ed-cleo", "eve"]
    votes = {name: envelopes.write_sidecar([vendor.approval(manifest, name)]) for name in names}
    chosen = random.Random(7)
    cast = [votes[chosen.choice(names)] for _ in range(VOTES)]
    jobs = [(str(life.register.home), identifier, cast[start::PROCESSES]) for start in range(PROCESSES)]
    found = at_once(vote_all, jobs)
    assert found["taken"] == THRESHOLD and sum(found.values()) == VOTES, found
    known = {"taken", "refused.voted", "refused.enough", "refused.part-taken", "approval.contributor",
             "approval.builder", "approval.unknown-key"}  # fmt: skip
    assert set(found) <= known
    with life.register.read() as session:
        persons = [one.person for one in session.query(Approval)]
        steps = [one.state for one in session.query(Step).order_by(Step.number) if one.action == "approve"]
    assert len(persons) == len(set(persons)) == THRESHOLD and set(persons) <= set(VOTERS[5:])
    assert steps == ["in-review"] * (THRESHOLD - 1) + ["approved"]
    assert life.state(identifier) == "approved"


def publish_all(home, identifiers, results):
    done = Counter()
    try:
        with opened(Path(home)) as register:
            channel = Channel(Store.at(register.channel), channels.keys())
            for identifier, release in identifiers:
                try:
                    publishing.publish(register, channel, "rita", NOW, identifier, release)
                    done["published"] += 1
                except PatchlineError as error:
                    done[error.code] += 1
    except BaseException:  # noqa: BLE001 (the parent tells it)
        done[traceback.format_exc()] += 1
    results.put(done)


def test_people_who_publish_at_once_publish_everything_once(life):
    life.prepare()
    found = [life.approved(wanted={"baseline": "1.0"}) for _ in range(1)]
    life.add_baseline("2.0")
    life.add_baseline("3.0")
    found += [life.approved(wanted={"baseline": label}) for label in ("2.0", "3.0")]
    work = [(identifier, life.release(identifier)) for identifier in found]
    jobs = [(str(life.register.home), work), (str(life.register.home), work[::-1]), (str(life.register.home), work)]
    counted = at_once(publish_all, jobs)
    # Who comes second finds it published, or in the middle of it, and is told so.
    assert counted["published"] >= len(found) and set(counted) <= {"published", "state.hotfix-state", "state.edited",
                                                                   "refused.not-publishable"}, counted  # fmt: skip
    assert life.offered() == [f"{identifier}-r1" for identifier in found]
    with life.register.read() as session:
        assert [one.action for one in session.query(Step)].count("publish") == len(found)


def make_all(home, number, results):
    done = Counter()
    try:
        with opened(Path(home)) as register:
            for _ in range(number):
                with register.change("rita", NOW) as change:
                    made = hotfixes.new(change, hotfixes.Wanted("demo", "1.0", "t"))
                done[made.hotfix] += 1
    except BaseException:  # noqa: BLE001 (the parent tells it)
        done[traceback.format_exc()] += 1
    results.put(done)


def test_no_number_is_given_twice_to_those_who_ask_at_once(life):
    life.prepare()
    found = at_once(make_all, [(str(life.register.home), 10)] * PROCESSES)
    assert sorted(found) == [f"HF-2026-{number:04}" for number in range(1, 10 * PROCESSES + 1)]
    assert set(found.values()) == {1}
    with life.register.read() as session:
        assert session.query(Hotfix).count() == 10 * PROCESSES
