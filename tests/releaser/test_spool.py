import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchline.patches.errors import BuildError
from patchline.patches.limits import LIMITS
from patchline.releaser import spool
from patchline.releaser.spool import Spool, check_size, measure
from tests.samples import sha256

CONTENTS = st.lists(st.lists(st.binary(max_size=40), max_size=4), max_size=12)


@pytest.mark.parametrize("in_memory", [0, 60, 1 << 20])
@settings(max_examples=40)
@given(contents=CONTENTS, data=st.data())
def test_whatever_is_added_is_given_back_in_any_order(contents, data, in_memory):
    before, spool._IN_MEMORY = spool._IN_MEMORY, in_memory
    try:
        with Spool() as kept:
            known = []
            for pieces in contents:
                whole = b"".join(pieces)
                assert kept.add(pieces) == (sha256(whole), len(whole)) == measure(pieces)
                known.append(whole)
                again = data.draw(st.sampled_from(known))
                assert b"".join(kept.read(sha256(again))) == again
            for whole in reversed(known):
                assert sha256(whole) in kept
                assert b"".join(kept.read(sha256(whole))) == whole
    finally:
        spool._IN_MEMORY = before


def test_readers_may_take_turns(tmp_path):
    with Spool(tmp_path) as kept:
        one, other = os.urandom(3 << 20), os.urandom(9 << 20)
        names = [kept.add([data])[0] for data in (one, other)]
        readers = [kept.read(name) for name in names]
        pieces = [[next(reader) for reader in readers] for _ in range(3)]
        kept.add([b"more"])
        assert b"".join(piece for piece, _ in pieces) == one
        assert b"".join([*(piece for _, piece in pieces), *readers[1]]) == other
        assert list(tmp_path.iterdir()) == []


def test_content_that_no_bundle_can_carry_is_refused():
    check_size(LIMITS.file)
    with pytest.raises(BuildError) as caught:
        check_size(LIMITS.file + 1)
    assert caught.value.code == "build.file-too-large"


def test_progress_is_told():
    told = []
    with Spool(advance=told.append) as kept:
        name, _ = kept.add([b"abc", b"de"])
        list(kept.read(name))
    assert told == [3, 2, 5]
