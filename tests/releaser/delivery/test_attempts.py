"""What is written down about downloads, however many parts they come in."""

from datetime import timedelta

from patchline.patches.errors import EntitlementError
from patchline.releaser.delivery import attempts
from patchline.releaser.delivery.parcels import asked, parcel
from tests.delivering import opened_shop, shop
from tests.registers import statements

__all__ = ["shop"]


def part(shop, start, stop, sent=None):
    with shop.register.read() as session:
        taker = shop.taker()
        found = parcel(session, taker, asked(f"{shop.label}.zip"), shop.life.now)
        attempt = attempts.open_attempt(shop.register, session, taker, found, start, shop.life.now)
    attempt.start(start, shop.life.now)
    attempt.sent(start, stop, stop - start if sent is None else sent, shop.life.now)


def outcomes(shop):
    return [outcome for _, outcome, _ in shop.facts()]


def test_a_file_that_is_resumed_is_one_download(register, tmp_path):
    shop = opened_shop(register, tmp_path / "files")
    size = shop.revision().zip_size
    part(shop, 0, size, sent=1000)
    for start in range(1000, 20_000, 1000):
        part(shop, start, size, sent=1000)
    part(shop, 20_000, size)
    file = f"{shop.label}.zip"
    assert shop.facts() == [(file, "begun", 0), (file, "broken-off", 1000), (file, "done", size)]
    assert [shop.events(f"download.{what}") for what in ("begin", "break-off", "done")] == [1, 1, 1]


def test_parts_in_any_order_are_one_download(shop):
    size = shop.revision().zip_size
    for start, stop in ((0, 100), (200, size), (100, 200)):
        part(shop, start, stop)
    assert outcomes(shop) == ["begun", "done"]


def test_the_same_file_again_is_another_download(shop):
    size = shop.revision().zip_size
    for _ in range(2):
        part(shop, 0, size)
    assert outcomes(shop) == ["begun", "done"] * 2


def test_looking_at_the_end_again_and_again_writes_nothing(shop):
    size = shop.revision().zip_size
    part(shop, 0, size)
    for _ in range(5):
        part(shop, size - 1, size)
    assert outcomes(shop) == ["begun", "done"]


def test_what_was_left_for_long_begins_anew(shop):
    size = shop.revision().zip_size
    part(shop, 0, size, sent=10)
    shop.life.later(days=8)
    part(shop, 10, size)
    assert outcomes(shop) == ["begun", "broken-off", "begun", "done"]


def test_a_part_asks_the_same_few_questions_however_many_came_before(shop):
    size = shop.revision().zip_size
    taker = shop.taker()
    part(shop, 0, size, sent=10)
    for start in range(10, 40, 10):
        with shop.register.read() as session:
            found = parcel(session, taker, asked(f"{shop.label}.zip"), shop.life.now)
            with statements(shop.register) as said:
                now = shop.life.now
                attempt = attempts.open_attempt(shop.register, session, taker, found, start, now)
                attempt.start(start, now)
                attempt.sent(start, size, 10, now)
        assert len(said) == 1


def test_a_refusal_is_written_down_once_an_hour(shop):
    error = EntitlementError("held", "it is held back")
    for minutes in (0, 1, 2, 61):
        now = shop.life.now + timedelta(minutes=minutes)
        attempts.refused(shop.register, shop.taker(), asked(f"{shop.label}.zip"), error, now)
    assert outcomes(shop) == ["held", "held"]
    assert shop.events("download.refused") == 2


def test_what_a_proxy_sends_is_begun_and_done_in_one_transaction(shop):
    size, taker = shop.revision().zip_size, shop.taker()
    for start, stop in ((0, 10), (10, size), (10, size)):
        with shop.register.read() as session:
            found = parcel(session, taker, asked(f"{shop.label}.zip"), shop.life.now)
            attempt = attempts.open_attempt(shop.register, session, taker, found, start, shop.life.now)
        attempt.handed(start, stop, shop.life.now)
    assert outcomes(shop) == ["begun", "done"]
