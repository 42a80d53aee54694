import gzip
import io
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchline.patches import compression
from patchline.patches.errors import ArchiveError

CONTENT = b"a line that repeats\n" * 500
SIZE = len(CONTENT)
ENGINES = ["zlib", "zlib_ng.zlib_ng"]


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    monkeypatch.setattr(compression, "engine", pytest.importorskip(request.param))


def pack(data):
    stream = io.BytesIO()
    writer = compression.GzipWriter(stream)
    writer.write(data)
    writer.close()
    return stream.getvalue()


def unpack(packed, limit=SIZE, size=1 << 18):
    reader = compression.GzipReader(io.BytesIO(packed), limit, what="test.gz")
    return b"".join(iter(lambda: reader.read(size), b""))


def refusal(packed, limit=SIZE):
    with pytest.raises(ArchiveError) as caught:
        unpack(packed, limit)
    assert "test.gz" in caught.value.message
    return caught.value.code.removeprefix("archive.")


def test_content_comes_back_and_other_programs_read_it(engine):
    assert unpack(pack(CONTENT)) == CONTENT
    assert gzip.decompress(pack(CONTENT)) == CONTENT


@given(st.lists(st.binary(max_size=3000)), st.integers(1, 700))
def test_content_comes_back_whatever_the_pieces(pieces, size):
    stream = io.BytesIO()
    writer = compression.GzipWriter(stream)
    for piece in pieces:
        writer.write(piece)
    writer.close()
    assert unpack(stream.getvalue(), 1 << 30, size) == b"".join(pieces)


def test_engines_read_each_other(monkeypatch):
    packed = []
    for name in ENGINES:
        monkeypatch.setattr(compression, "engine", pytest.importorskip(name))
        packed.append(pack(CONTENT))
    for name in ENGINES:
        monkeypatch.setattr(compression, "engine", pytest.importorskip(name))
        assert [unpack(one) for one in packed] == [CONTENT, CONTENT]


def test_plain_zlib_serves_where_zlib_ng_is_missing():
    program = (
        "import sys; sys.modules['zlib_ng'] = None\n"
        "from patchline.patches import compression\n"
        "print(compression.engine.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout == "zlib\n"


@given(st.data())
def test_flipped_byte_never_passes(data):
    packed = bytearray(pack(CONTENT))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert unpack(bytes(packed)) == CONTENT
    except ArchiveError:
        return


def test_every_cut_is_refused_as_truncated(engine):
    packed = pack(CONTENT)
    assert {refusal(packed[:length]) for length in range(len(packed))} == {"gzip-truncated"}


def test_bomb_stops_at_the_first_byte_beyond_the_declared_size(engine):
    packed = pack(bytes(100 << 20))
    reader = compression.GzipReader(io.BytesIO(packed), 1000, what="test.gz")
    assert len(reader.read()) == 1000
    with pytest.raises(ArchiveError) as caught:
        reader.read()
    assert caught.value.code == "archive.gzip-too-large"
    assert refusal(pack(CONTENT), len(CONTENT) - 1) == "gzip-too-large"


def test_bytes_after_the_trailer_are_refused(engine):
    assert refusal(pack(CONTENT) + b"\0") == "gzip-trailing-data"
    assert refusal(pack(CONTENT) + b"\x1f") == "gzip-trailing-data"


def test_second_stream_is_refused(engine):
    assert refusal(pack(CONTENT) + pack(b"")) == "gzip-second-stream"


def test_wrong_checksum_and_length_are_told_apart(engine):
    packed = pack(CONTENT)
    body, checksum, size = packed[:-8], *struct.unpack("<II", packed[-8:])
    assert refusal(body + struct.pack("<II", checksum ^ 1, size)) == "gzip-checksum"
    assert refusal(body + struct.pack("<II", checksum, size + 1)) == "gzip-length"


def test_damaged_content_is_refused(engine):
    assert refusal(compression.HEADER + b"\xff" * 20) == "gzip-damaged"


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        (0, 0, "gzip-magic"),
        (2, 0, "gzip-magic"),
        (3, 8, "gzip-flags"),
        (3, 4, "gzip-flags"),
        (3, 16, "gzip-flags"),
        (4, 1, "gzip-time"),
        (8, 2, "gzip-header"),
        (9, 3, "gzip-header"),
    ],
)
def test_other_header_is_refused(place, value, code):
    packed = bytearray(pack(CONTENT))
    packed[place] = value
    assert refusal(bytes(packed)) == code


def test_file_of_the_gzip_program_is_refused_by_what_it_carries(tmp_path):
    path = tmp_path / "named"
    path.write_bytes(CONTENT)
    subprocess.run(["gzip", "-N", path], check=True)
    assert refusal((tmp_path / "named.gz").read_bytes()) == "gzip-flags"


def test_memory_stays_flat_over_a_long_stream(engine):
    packed = io.BytesIO(pack(bytes(32 << 20)))
    reader = compression.GzipReader(packed, 32 << 20, what="test.gz")
    longest = max(len(piece) for piece in iter(lambda: reader.read(), b""))
    assert longest <= 1 << 18
