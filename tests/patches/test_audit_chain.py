import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchline.patches.audit_chain import START, Checkpoint, Row, check, digest_of_unread, event_digest
from patchline.patches.documents import digest
from patchline.patches.errors import AuditError, PatchlineError


def chain(*bodies):
    rows, previous = [], START
    for sequence, body in enumerate(bodies, 1):
        made = event_digest(previous, sequence, body)
        rows.append(Row(sequence, body, previous.encode(), made.encode()))
        previous = made
    return rows


CHAIN = chain(b'{"n":1}', b'{"n":2}', b'{"n":3}')
HEADS = [row.digest.decode() for row in CHAIN]


def test_whole_chain_holds_and_agrees_with_what_the_outside_was_told():
    assert check(CHAIN, {2: HEADS[1], 3: HEADS[2]}) == (3, HEADS[2])
    assert check([], {}) == (0, START)


@pytest.mark.parametrize(
    ("rows", "outside", "code", "told"),
    [
        ([CHAIN[0], CHAIN[2]], {}, "audit.gap", "event 2 is missing"),
        (CHAIN[1:], {}, "audit.gap", "event 1 is missing"),
        ([*CHAIN, CHAIN[2]], {}, "audit.gap", "event 4 is missing"),
        (CHAIN[:2], {3: HEADS[2]}, "audit.cut-off", "3 events"),
        (CHAIN, {2: HEADS[2]}, "audit.other-chain", "event 2"),
        ([CHAIN[0], *chain(b"", b"other", b"{}")[1:]], {}, "audit.changed", "event 2"),
    ],
)
def test_event_that_was_changed_dropped_added_or_cut_off_is_noticed_and_located(rows, outside, code, told):
    with pytest.raises(AuditError, match=told) as refused:
        check(rows, outside)
    assert refused.value.code == code


@given(st.integers(0, 2), st.sampled_from(["body", "previous", "digest"]), st.integers(0, 63), st.integers(0, 7))
def test_any_flipped_bit_of_any_event_is_noticed_and_located(index, column, place, bit):
    data = bytearray(getattr(CHAIN[index], column))
    data[place % len(data)] ^= 1 << bit
    rows = [row._replace(**{column: bytes(data)}) if row is CHAIN[index] else row for row in CHAIN]
    with pytest.raises(AuditError, match=f"event {index + 1}") as refused:
        check(rows, {})
    assert refused.value.code == "audit.changed"


def test_chain_can_be_followed_without_reading_the_events():
    assert digest_of_unread(HEADS[0], 2, digest(CHAIN[1].body)) == HEADS[1]


def test_checkpoint_is_read_as_it_was_written_and_nothing_else_is():
    made = Checkpoint(3, HEADS[2], "2026-11-22T12:00:00Z")
    assert Checkpoint.parse(made.as_bytes()) == made
    for bad in (b"", b"{}", made.as_bytes()[:-1], made.as_bytes().replace(b"3", b"-3", 1), b"[" * 5000):
        with pytest.raises(PatchlineError):
            Checkpoint.parse(bad)
