import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from patchline.releaser.access import tries
from patchline.releaser.tables.access import Tries
from tests.registers import NOW

ADA = tries.of_account("vendor", "ada")


def begin(register, counted, now):
    with register.database.write() as session:
        return tries.begin(session, counted, now)


def count(register):
    with register.read() as session:
        return session.scalar(select(func.count()).select_from(Tries))


def test_after_a_few_free_tries_pauses_double_up_to_a_bound():
    pauses = [tries.pause(number, tries.ACCOUNT).total_seconds() for number in range(1, 16)]
    assert pauses[:4] == [0, 0, 0, 0] and pauses[4:10] == [1, 2, 4, 8, 16, 32]
    assert max(pauses) == pauses[-1] == 300


def test_a_try_within_a_pause_does_not_count_and_the_pause_does_not_grow(register):
    assert [begin(register, ADA, NOW) for _ in range(6)] == [1, 2, 3, 4, 5, None]
    assert begin(register, ADA, NOW + timedelta(milliseconds=900)) is None
    assert begin(register, ADA, NOW + timedelta(seconds=1)) == 6
    with register.read() as session:
        assert tries.waits(session, ADA, NOW + timedelta(seconds=2)) == timedelta(seconds=1)


def test_tries_are_forgotten_after_a_day_and_when_somebody_got_in(register):
    for _ in range(5):
        begin(register, ADA, NOW)
    assert begin(register, ADA, NOW + timedelta(hours=24, seconds=1)) == 1
    with register.database.write() as session:
        tries.forget(session, ADA, NOW)
    assert begin(register, ADA, NOW) == 1


def test_own_success_does_not_hide_tries_of_others_accounts(register):
    home = tries.of_address("vendor", "192.0.2.7")
    for _ in range(20):
        begin(register, home, NOW)
    with register.database.write() as session:
        tries.take_back(session, home, NOW)
    assert begin(register, home, NOW) == 20


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2:3::4", "2001:db8:1:2:ffff::1", True),
        ("2001:db8:1:2::4", "2001:db8:1:3::4", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("", "no address", True),
    ],
)
def test_who_has_a_network_of_ipv6_counts_as_one_address(one, other, same):
    assert (tries.of_address("vendor", one) == tries.of_address("vendor", other)) is same


def test_nothing_that_was_typed_can_be_read_from_the_table(register):
    begin(register, tries.of_account("vendor", "my password typed by mistake"), NOW)
    with register.read() as session:
        assert len(session.scalar(select(Tries.key))) == 64
    assert tries.of_account("vendor", " ADA ") == ADA != tries.of_account("customer", "ada")


def test_the_table_is_swept_and_has_a_bound(register, monkeypatch):
    for number in range(12):
        begin(register, tries.of_account("vendor", str(number)), NOW + timedelta(seconds=number))
    monkeypatch.setattr(tries, "MOST_ROWS", 10)
    monkeypatch.setattr(tries, "_SWEPT", 4)
    with register.database.write() as session:
        tries.sweep(session, NOW + timedelta(minutes=1))
    assert count(register) == 8
    with register.database.write() as session:
        for _ in range(3):
            tries.sweep(session, NOW + timedelta(hours=25))
    assert count(register) == 0


GUESSER = """
import sys
from datetime import datetime
from pathlib import Path
from patchline.releaser.access import tries
from patchline.releaser.register import opened
now = datetime.fromisoformat(sys.argv[2])
with opened(Path(sys.argv[1])) as register:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(20):
        with register.database.write() as session:
            print(tries.begin(session, tries.of_account("vendor", "ada"), now))
"""


def test_two_processes_that_guess_at_once_have_together_what_one_has(register):
    line = [sys.executable, "-c", GUESSER, str(register.home), NOW.isoformat()]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    guessers = [subprocess.Popen(line, **pipes) for _ in range(2)]
    for guesser in guessers:
        assert guesser.stdout.readline() == "ready\n"
    for guesser in guessers:
        guesser.stdin.write("go\n")
        guesser.stdin.flush()
    said = [word for guesser in guessers for word in guesser.communicate(timeout=60)[0].split()]
    assert sorted(word for word in said if word != "None") == ["1", "2", "3", "4", "5"]
    assert len(said) == 40
