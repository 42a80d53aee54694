"""A web server is bounded in bytes and in time, whatever it does."""

import io
import socket
import time

import pytest

from patchline.patches.errors import SourceError
from patchline.patches.site.web import Patience, Web
from tests.servers import serving

HASTY = Patience(connect=1, gap=0.6, request=0.8, slowest=1 << 30)
DATA = bytes(range(256)) * 2000


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "file").write_bytes(DATA)
    return tmp_path


def refused(work) -> str:
    started = time.monotonic()
    with pytest.raises(SourceError) as caught:
        work()
    assert time.monotonic() - started < 5
    assert caught.value.exit_code == 13
    return caught.value.code


def test_a_file_arrives_whole_or_from_any_place(folder):
    with serving(folder) as server:
        web = Web(server.url)
        assert web.read("metadata/file", len(DATA)) == DATA
        assert b"".join(web.pieces("metadata/file", 1000, 3000)) == DATA[1000:3000]
        web.close()


def test_a_file_is_looked_into_with_few_requests(folder):
    with serving(folder) as server:
        web = Web(server.url)
        stream = web.open("metadata/file", len(DATA))
        stream.seek(-100, io.SEEK_END)
        assert stream.read() == DATA[-100:]
        stream.seek(0)
        assert [stream.read(10) for _ in range(100)] == [DATA[n : n + 10] for n in range(0, 1000, 10)]
        assert len(server.asked) == 2
        web.close()


@pytest.mark.parametrize(
    ("quirk", "code"),
    [
        ("drip", "source.slow"),
        ("drip-header", "source.slow"),
        ("endless", "source.too-large"),
        ("cut", "source.cut"),
        ("deny", "source.missing"),
        ("busy", "source.status"),
        ("redirect", "source.unreachable"),
    ],
)
def test_a_server_that_behaves_badly_is_told_apart(folder, quirk, code):
    with serving(folder, quirk) as server:
        web = Web(server.url, HASTY)
        assert refused(lambda: web.read("metadata/file", len(DATA))) == code
        web.close()


def test_an_answer_that_is_cut_is_taken_up_where_it_ended(folder):
    with serving(folder, "cut") as server:
        web = Web(server.url)
        got = bytearray()
        with pytest.raises(SourceError):
            for piece in web.pieces("metadata/file", 0, 2700):
                got += piece
        assert got == DATA[: len(got)]
        assert len(got) > 2000
        starts = [int(line.split("=")[1].split("-")[0]) for line in server.asked]
        assert starts[:2] == [0, 900]
        assert len(starts) == 5
        web.close()


def test_a_server_that_accepts_and_says_nothing_is_slow(folder):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        web = Web(f"http://127.0.0.1:{silent.getsockname()[1]}", HASTY)
        assert refused(lambda: web.read("metadata/file", 10)) == "source.slow"
        web.close()


def test_a_handshake_that_never_ends_is_slow():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        web = Web(f"https://127.0.0.1:{silent.getsockname()[1]}", HASTY)
        assert refused(lambda: web.read("metadata/file", 10)) == "source.slow"
        web.close()


def test_nobody_there_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    web = Web(f"http://127.0.0.1:{port}", HASTY)
    assert refused(lambda: web.read("metadata/file", 10)) == "source.unreachable"
    with pytest.raises(SourceError, match=r"cannot be fetched: Failed to establish a new connection: .*refused$"):
        web.read("metadata/file", 10)


def test_a_file_that_is_not_there_is_missing(folder):
    with serving(folder) as server:
        web = Web(server.url)
        assert refused(lambda: web.read("metadata/other", 10)) == "source.missing"
        web.close()


def test_a_server_without_ranges_serves_whole_files_only(folder):
    with serving(folder, "no-ranges") as server:
        web = Web(server.url)
        assert b"".join(web.pieces("metadata/file", 0, 100)) == DATA[:100]
        assert refused(lambda: list(web.pieces("metadata/file", 10, 100))) == "source.no-ranges"
        web.close()


@pytest.mark.parametrize("address", ["ftp://example.com", "http://", "http://[::1", "https://a b/"])
def test_what_is_no_address_is_told(address):
    def ask():
        web = Web(address, HASTY)
        web.read("metadata/file", 10)

    assert refused(ask) in ("source.address", "source.unreachable")


def test_thousands_of_requests_leave_no_descriptors(folder):
    import os

    with serving(folder) as server:
        web = Web(server.url)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(50):
            web.read("metadata/file", len(DATA))
            list(web.pieces("metadata/file", 0, 10))
        assert len(os.listdir("/proc/self/fd")) < before + 30
        web.close()
