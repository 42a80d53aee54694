import pytest

from patchline.patches.wording import counted, readable_size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1 << 20, "1.0 MiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (1 << 50, "1024.0 TiB"),
    ],
)
def test_sizes_are_readable(size, text):
    assert readable_size(size) == text


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (counted(0, "path"), "0 paths"),
        (counted(1, "path"), "1 path"),
        (counted(12345, "path"), "12,345 paths"),
        (counted(1, "fix", "fixes"), "1 fix"),
        (counted(2, "fix", "fixes"), "2 fixes"),
    ],
)
def test_one_is_singular_and_large_numbers_have_commas(shown, text):
    assert shown == text
