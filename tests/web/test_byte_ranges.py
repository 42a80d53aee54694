import pytest

from patchline.web.byte_ranges import Span, span

WHOLE = Span(0, 100, part=False)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, WHOLE),
        ("bytes=0-", Span(0, 100, part=True)),
        ("bytes=10-19", Span(10, 20, part=True)),
        ("BYTES=99-99", Span(99, 100, part=True)),
        ("bytes=90-1000000", Span(90, 100, part=True)),
        ("bytes=-7", Span(93, 100, part=True)),
        ("bytes=-700", Span(0, 100, part=True)),
        ("bytes=100-", None),
        ("bytes=100-200", None),
        ("bytes=-0", None),
    ],
)
def test_one_part_is_understood(wanted, found):
    assert span(wanted, None, '"e"', 100) == found


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=-",
        "bytes=5-4",
        "bytes=0-1,5-6",
        "bytes=" + ",".join(f"{at}-" for at in range(2000)),
        "bytes=0-1, -1",
        "bytes=1-2\r\nX: y",
        "bytes=٣-",
        "bytes=" + "9" * 5000 + "-",
        "bytes=0x1-2",
        "bytes=--1",
        "rows=1-2",
        "bytes 1-2",
        "",
    ],
)
def test_what_is_no_single_part_gets_the_whole_file(wanted):
    assert span(wanted, None, '"e"', 100) == WHOLE


def test_a_part_of_another_file_is_never_sent():
    assert span("bytes=10-", '"e"', '"e"', 100) == Span(10, 100, part=True)
    for other in ('"f"', 'W/"e"', "e", "Sun, 22 Nov 2026 12:00:00 GMT"):
        assert span("bytes=10-", other, '"e"', 100) == WHOLE


def test_an_empty_file_has_no_parts():
    assert span("bytes=0-", None, '"e"', 0) is None and span(None, None, '"e"', 0) == Span(0, 0, part=False)
