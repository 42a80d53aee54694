from hypothesis import given
from hypothesis import strategies as st

from patchline.patches.identifiers import fingerprint, level_code, read_level_code

digests = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(digests)
def test_level_code_is_read_back_however_it_was_typed(digest):
    code = level_code(digest)
    assert read_level_code(code) == code
    assert read_level_code(code.lower().replace("-", " ").replace("0", "o").replace("1", "l")) == code


@given(digests, st.integers(0, 11), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_one_wrong_character_in_a_level_code_is_noticed(digest, place, letter):
    letters = list(level_code(digest).replace("-", ""))
    changed = letters[place] != letter
    letters[place] = letter
    assert (read_level_code("".join(letters)) is None) == changed


def test_fingerprint_is_the_first_125_bits():
    assert fingerprint("f" * 64) == "ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ"
    assert fingerprint("0" * 31 + "8" + "0" * 32) == "00000-00000-00000-00000-00001"
