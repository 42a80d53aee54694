import socket

import pytest

from patchline.web.serving import sockets
from patchline.web.serving.sockets import limited


@pytest.fixture
def pair():
    one, other = socket.socketpair()
    ours = limited(one)
    ours.setblocking(True)
    ours.begin()
    yield ours, other
    ours.close()
    other.close()


def test_a_client_that_takes_or_sends_nothing_is_gone(pair, monkeypatch):
    ours, _ = pair
    monkeypatch.setattr(sockets, "STALL_S", 0.05)
    ours.setblocking(True)
    with pytest.raises(ConnectionResetError, match="stalls"):
        ours.recv(10)
    with pytest.raises(ConnectionResetError, match="takes nothing"):
        ours.sendall(bytes(10 << 20))


def test_a_file_that_nobody_takes_is_not_sent_for_ever(pair, monkeypatch, tmp_path):
    ours, _ = pair
    (tmp_path / "large").write_bytes(bytes(10 << 20))
    monkeypatch.setattr(sockets, "STALL_S", 0.05)
    ours.setblocking(True)
    with (tmp_path / "large").open("rb") as file, pytest.raises(ConnectionResetError, match="takes nothing"):
        ours.sendfile(file)


def test_a_request_that_dribbles_is_cut_off_and_a_slow_one_is_not(pair, monkeypatch):
    ours, other = pair
    monkeypatch.setattr(sockets, "GRACE_S", 0.0)
    monkeypatch.setattr(sockets.time, "monotonic", lambda: ours._began + 2)
    other.sendall(bytes(9000))
    ours._came = 2 * sockets.LEAST_RATE
    assert len(ours.recv(9000)) == 9000
    ours.begin()
    ours._came = 2 * sockets.LEAST_RATE - 1
    other.sendall(b"x")
    with pytest.raises(ConnectionResetError, match="too slowly"):
        ours.recv(1)


def test_a_socket_that_does_not_block_says_so(pair):
    ours, _ = pair
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        ours.recv(1)
