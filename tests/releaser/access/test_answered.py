from datetime import timedelta

import pytest

from patchline.patches.errors import IdempotencyError, UnderWayError, UsageError
from patchline.releaser.access import answered
from patchline.releaser.access.answered import Answer, Asked
from tests.registers import NOW

ASKED = Asked("plt_aaaaaaaa", "4f1c", "a" * 64)
ANSWER = Answer(201, {"Location": "/api/v1/customers/acme"}, b'{"id":"acme"}')


def test_same_key_and_request_get_the_first_answer(register):
    assert answered.begin(register, ASKED, NOW) is None
    answered.end(register, ASKED, ANSWER)
    assert answered.begin(register, ASKED, NOW + timedelta(hours=23)) == ANSWER


def test_key_of_another_request_is_refused(register):
    answered.begin(register, ASKED, NOW)
    answered.end(register, ASKED, ANSWER)
    with pytest.raises(IdempotencyError) as error:
        answered.begin(register, Asked(ASKED.owner, ASKED.key, "b" * 64), NOW)
    assert (error.value.http_status, error.value.code) == (422, "idempotency.other-request")


def test_keys_of_others_have_nothing_to_do_with_it(register):
    answered.begin(register, ASKED, NOW)
    assert answered.begin(register, Asked("plt_bbbbbbbb", ASKED.key, "b" * 64), NOW) is None


def test_request_that_is_under_way_is_not_carried_out_twice(register):
    answered.begin(register, ASKED, NOW)
    with pytest.raises(UnderWayError) as error:
        answered.begin(register, ASKED, NOW + timedelta(minutes=9))
    assert error.value.http_status == 409
    assert answered.begin(register, ASKED, NOW + timedelta(minutes=11)) is None


def test_day_later_the_key_is_forgotten(register):
    answered.begin(register, ASKED, NOW)
    answered.end(register, ASKED, ANSWER)
    assert answered.begin(register, ASKED, NOW + timedelta(hours=25)) is None


def test_fault_of_ours_is_tried_again(register):
    for body, status in ((b"{}", 500), (b"x" * (answered.LARGEST + 1), 200)):
        assert answered.begin(register, ASKED, NOW) is None
        answered.end(register, ASKED, Answer(status, {}, body))
    assert answered.begin(register, ASKED, NOW) is None


@pytest.mark.parametrize("key", ["", "a b", "ä", "a\n", "x" * 129])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(UsageError):
        Asked("plt_aaaaaaaa", key, "a" * 64)
