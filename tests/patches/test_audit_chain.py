import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchline.patches.audit_chain import (
    RESTORED,
    START,
    Chain,
    Checkpoint,
    Gap,
    Row,
    check,
    digest_of_unread,
    event_digest,
)
from patchline.patches.documents import digest, encode
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
    assert check(CHAIN, {2: HEADS[1], 3: HEADS[2]}) == Chain(3, HEADS[2])
    assert check([], {}) == Chain(0, START)


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


def restored(after, last, **changed):
    """The first events of a chain, and that of a restore that lost those up to `last`."""
    facts = {"backup": {"count": after, "head": HEADS[after - 1]}, "told": {"count": last, "head": HEADS[last - 1]}}
    body = encode({"action": RESTORED, "facts": {**facts, **changed}})
    digest = event_digest(HEADS[last - 1], last + 1, body)
    return [*CHAIN[:after], Row(last + 1, body, HEADS[last - 1].encode(), digest.encode())]


def test_restore_names_the_events_it_lost_and_every_checkpoint_from_outside_still_counts():
    chain = check(restored(1, 3), {1: HEADS[0], 3: HEADS[2]})
    assert chain.gaps == (Gap(2, 3, 4),) and chain.count == 4
    assert [chain.is_lost(sequence) for sequence in (1, 2, 3, 4)] == [False, True, False, False]
    with pytest.raises(AuditError) as refused:
        check(restored(1, 3), {3: HEADS[1]})
    assert refused.value.code == "audit.other-chain"


@pytest.mark.parametrize(
    "changed",
    [
        {"backup": {"count": 1, "head": HEADS[1]}},
        {"backup": {"count": 2, "head": HEADS[0]}},
        {"told": {"count": 3, "head": HEADS[1]}},
        {"told": {"count": 2, "head": HEADS[2]}},
        {"told": None},
    ],
)
def test_gap_that_its_restore_does_not_name_exactly_is_one(changed):
    with pytest.raises(AuditError) as refused:
        check(restored(1, 3, **changed), {})
    assert refused.value.code == "audit.gap"
