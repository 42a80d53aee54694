import io
import sys

import pytest

from patchline.patches import progress as module
from patchline.patches.bundle import open_container
from patchline.patches.errors import BundleError
from patchline.patches.progress import WatchedStream, clear_bars, progress, showing_progress, watch


class Terminal(io.StringIO):
    def isatty(self):
        return True


class GoneTerminal(Terminal):
    def write(self, text):
        raise OSError(5, "Input/output error")


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch, clock):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with showing_progress():
        yield sys.stderr


def shown(terminal):
    return terminal.getvalue().split("\r\x1b[2K")[1:]


def test_quick_work_shows_nothing(terminal):
    with progress("verifying", 100) as advance:
        advance(100)
    assert shown(terminal) == []


def test_slow_work_shows_how_far_it_is_and_is_cleared_for_a_text(terminal, clock):
    with progress("verifying", 4 << 20) as advance:
        for _ in range(4):
            clock[0] += 0.6
            advance(1 << 20)
    assert shown(terminal)[0] == "verifying [############------------]  50%  2.0 MiB of 4.0 MiB"
    assert len(shown(terminal)) == 3
    clear_bars()
    clear_bars()
    assert shown(terminal)[3:] == [""]


def test_it_is_drawn_ten_times_a_second_at_most(terminal, clock):
    clock[0] = 2
    with progress("reading", 1000) as advance:
        for _ in range(1000):
            clock[0] += 0.001
            advance(1)
    assert len(shown(terminal)) <= 12


def test_unknown_total_counts_up_and_no_count_tells_what_is_done(terminal, clock):
    clock[0] = 2
    with progress("checking", unit="items") as advance:
        clock[0] += 2
        advance(12345)
    assert shown(terminal) == ["checking …", "checking 12,345"]


def test_file_that_is_read_says_so_unless_it_is_part_of_something(terminal, clock):
    clock[0] = 2
    assert WatchedStream(io.BytesIO(b"x" * 10), "reading a", 20).read(10) == b"x" * 10
    clock[0] += 1
    watch().tell("verifying and staging")
    with progress("building", 40) as advance:
        clock[0] += 1
        WatchedStream(io.BytesIO(b"x" * 10), "reading b", 10).read(10)
        advance(10)
    assert [line.split("[")[0] for line in shown(terminal)] == ["reading a ", "verifying and staging ", "building "]
    assert "50%" in shown(terminal)[1] and "25%" in shown(terminal)[2]


def test_opened_bundle_is_watched(terminal, clock, tmp_path):
    path = tmp_path / "x.hotfix"
    path.write_bytes(b"no bundle" * 1000)
    clock[0] = 2
    with pytest.raises(BundleError), open_container(path):
        pass
    assert shown(terminal)[0].startswith("reading x.hotfix ")


def test_no_terminal_means_no_bar(monkeypatch, clock):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with showing_progress(), progress("verifying", 10) as advance:
        clock[0] += 5
        advance(5)
    assert sys.stderr.getvalue() == ""


def test_terminal_that_is_gone_stops_nothing(monkeypatch, clock):
    monkeypatch.setattr(sys, "stderr", GoneTerminal())
    with showing_progress(), progress("applying", 10) as advance:
        clock[0] += 5
        advance(5)
