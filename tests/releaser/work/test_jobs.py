import hashlib
import signal
from pathlib import Path

import pytest
from procrastinate.schema import SchemaManager
from sqlalchemy import func, select, text

from patchline.patches.errors import PatchlineError
from patchline.patches.keys import Kind
from patchline.patches.sealed import Cost, _seal, write_private
from patchline.releaser.doctor import Patient, _jobs
from patchline.releaser.tables.hotfixes import Step
from patchline.releaser.tables.work import Simulation, Wish, WishEnd
from patchline.releaser.work import asking, queue
from patchline.releaser.work.wishes import count_open, open_wishes
from tests.fleets import Fleet
from tests.hotfixes import Life
from tests.programs import run
from tests.registers import NOW
from tests.vendor import signer
from tests.workers import PASSPHRASE, held, passes, until, work, worker

on_postgresql = pytest.mark.parametrize("register", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("register", ["sqlite"], indirect=True)


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "bundles").mkdir()
    (register.home / "keys").mkdir(mode=0o700)
    secret = hashlib.sha256(b"online").digest()
    sealed = _seal(secret, Kind.P256, signer("online").public, PASSPHRASE.encode(), Cost(1 << 10))
    write_private(register.home / "keys/online.key", sealed)
    Fleet(register).customer("acme", tier="gold")
    return Life(register, tmp_path / "bundles").prepare()


def asked(life, identifier):
    """Ask for a simulation."""
    with life.change("cleo") as change:
        return asking.simulation(change, identifier)[0]


def asked_to_publish(life, identifier):
    with life.change() as change:
        return asking.publication(change, identifier, life.root, life.release(identifier))[0]


def built(life):
    identifier = life.new()
    life.build(identifier)
    return identifier


def count(life, table, *where):
    with life.register.read() as session:
        return session.scalar(select(func.count()).select_from(table).where(*where))


def ends(life):
    with life.register.read() as session:
        return {row.wish: row.outcome for row in session.scalars(select(WishEnd))}


def findings(life):
    return [finding.code for finding in _jobs(Patient(life.register), NOW)]


def test_wish_comes_and_goes_with_its_change(life):
    identifier = built(life)
    with pytest.raises(ZeroDivisionError), life.change("cleo") as change:
        asking.simulation(change, identifier)
        raise ZeroDivisionError
    assert count(life, Wish) == 0
    if not life.register.database.is_sqlite:
        with life.register.read() as session:
            assert queue.queued(session, "todo") == set()
    asked(life, identifier)
    assert count(life, Wish) == 1
    assert findings(life) == (["jobs"] if life.register.database.is_sqlite else ["no-worker"])


def test_what_would_be_refused_anyway_is_refused_at_once(life):
    with pytest.raises(PatchlineError) as refused:
        asked(life, life.new())
    assert refused.value.code == "store.missing"
    identifier = life.reviewed()
    with pytest.raises(PatchlineError) as refused, life.change() as change:
        asking.publication(change, identifier, life.root, None)
    assert refused.value.code == "refused.not-publishable" and count(life, Wish) == 0


def test_what_waits_is_done_once_and_what_is_refused_meanwhile_is_told(life):
    published, held_back = life.approved(), life.approved()
    first, second = asked_to_publish(life, published), asked_to_publish(life, held_back)
    third = asked(life, published)
    life.recall(held_back, life.recall_file(held_back, "ada", "ben", void=True))
    assert work(life) == {"done": 2, "refused": 1, "waiting": 0}
    assert ends(life) == {first: "done", second: "refused", third: "done"}
    assert life.offered() == [f"{published}-r1"] and findings(life) == []
    assert work(life) == {"done": 0, "refused": 0, "waiting": 0}


@on_sqlite
def test_embedded_register_does_it_at_once(life):
    identifier = life.approved()
    home = ("--home", life.register.home, "--json", "--as")
    run("patchline", "hotfix", "simulate", identifier, "--queue", *home, "cleo")
    files = Path(life.folder / "release.sha256")
    release = life.release(identifier)
    files.write_bytes(release.line)
    files.with_name("release.sha256.sig").write_bytes(release.signature)
    line = ("patchline", "hotfix", "publish", identifier, "--release", files, "--queue", *home, "rita")
    assert run(*line, passphrase=PASSPHRASE).document["state"] == "published"
    assert ends(life) == {1: "done", 2: "done"} and count(life, Simulation) == 1
    run("patchline", "worker", "--home", life.register.home, expect=2)


@on_sqlite
def test_trouble_of_the_place_leaves_the_wish_open(life):
    asked_to_publish(life, life.approved())
    run("patchline", "worker", "--once", "--home", life.register.home, expect=2)
    with life.register.read() as session:
        assert open_wishes(session) == [(1, "publish")]
    assert work(life)["done"] == 1


@on_postgresql
def test_killed_worker_loses_nothing_and_what_it_did_is_not_done_twice(life, tmp_path):
    identifier = life.approved()
    asked_to_publish(life, identifier)
    asked(life, identifier)
    with worker(life, log=tmp_path / "log") as first, held(life, "wish_end") as waits:
        until(waits)  # The publication is made, and the worker about to write that down.
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert life.offered() == [f"{identifier}-r1"] and ends(life) == {}
    assert findings(life) == []  # Its last sign is fresh.
    passes(life)
    assert findings(life) == ["no-worker"]
    assert work(life) == {"done": 2, "refused": 0, "waiting": 0}
    assert count(life, Step, Step.action == "publish") == 1 and count(life, Simulation) == 1


@on_postgresql
def test_two_workers_share_what_waits(life, tmp_path):
    wishes = [asked(life, built(life)) for _ in range(6)]
    with worker(life, "--once", log=tmp_path / "a") as first, worker(life, "--once", log=tmp_path / "b") as second:
        assert (first.wait(60), second.wait(60)) == (0, 0)
    told = (tmp_path / "a").read_text() + (tmp_path / "b").read_text()
    assert sorted(int(line.split()[1].strip(":")) for line in told.splitlines() if ": done" in line) == wishes
    assert ends(life) == dict.fromkeys(wishes, "done") and count(life, Simulation) == len(wishes)


@on_postgresql
def test_lost_connections_lose_nothing_and_sigterm_ends_in_order(life, tmp_path):
    asked(life, built(life))
    with worker(life, log=tmp_path / "log") as process:
        with held(life, "simulation") as waits:
            until(waits)
            with life.register.database.engine.connect() as other:
                mine = "pid <> pg_backend_pid() AND pid NOT IN (SELECT pid FROM pg_locks WHERE granted AND relation = 'simulation'::regclass AND mode = 'ExclusiveLock')"
                query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND {mine}"
                other.execute(text(query))
        until(lambda: len(ends(life)) == 1)
        assert count(life, Simulation) == 1
        later = asked(life, built(life))
        with held(life, "simulation") as waits:
            until(waits)
            process.send_signal(signal.SIGTERM)
            until(lambda: b"told to stop" in (tmp_path / "log").read_bytes())
            assert later not in ends(life)
        assert process.wait(30) == 143
    assert ends(life)[later] == "done"
    with life.register.read() as session:
        assert queue.living(session) == 0 and count_open(session) == 0


@on_postgresql
def test_wishes_that_stand_in_no_queue_after_a_restore_are_queued_again(life):
    asked(life, built(life))
    with life.register.database.write() as session:
        session.execute(text("TRUNCATE procrastinate.procrastinate_jobs CASCADE"))
    assert work(life) == {"done": 1, "refused": 0, "waiting": 0}


@on_postgresql
def test_schema_in_the_database_is_that_of_the_procrastinate_that_is_installed(life):
    newest = max(path.stem for path in Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    with life.register.read() as session:
        assert session.scalar(text("SELECT obj_description('procrastinate'::regnamespace)")) == newest
    assert newest == "03.04.00_50_post_add_retry_failed_job_procedure"  # Another one needs a migration of ours.
