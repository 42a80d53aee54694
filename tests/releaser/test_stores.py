import hashlib
import io
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from types import SimpleNamespace
from typing import ClassVar

import obstore
import pytest
from obstore.store import MemoryStore

from patchline.patches.errors import (
    LockedError,
    PatchlineError,
    SettingsError,
    StateError,
    StoreError,
)
from patchline.releaser import stores
from patchline.releaser.stores import Store

LIMIT = 1 << 20


@pytest.fixture(params=["folder", "memory", "file-url"])
def store(request, tmp_path):
    if request.param == "memory":
        return Store(MemoryStore())
    return Store.at(str(tmp_path / "store") if request.param == "folder" else f"file://{tmp_path}/store")


def test_object_is_created_once(store):
    assert store.read("a/b", LIMIT) is None
    assert store.create("a/b", b"1") and not store.create("a/b", b"2")
    assert store.read("a/b", LIMIT) == b"1" and store.size("a/b") == 1


def test_object_is_replaced_only_as_it_was_seen(store):
    with store.exclusive():
        assert store.swap("t", b"1", None) and not store.swap("t", b"x", None)
        first = store.look("t", LIMIT)
        assert store.swap("t", b"2", first) and not store.swap("t", b"x", first)
        assert store.read("t", LIMIT) == b"2"


def test_object_replaced_by_other_bytes_of_equal_length_is_noticed(store):
    with store.exclusive():
        store.swap("t", b"1", None)
        first = store.look("t", LIMIT)
        store.swap("t", b"2", first)
        store.swap("t", b"3", store.look("t", LIMIT))
        assert not store.swap("t", b"4", first)


def test_large_object_is_uploaded_once_and_read_in_parts(store):
    data = bytes(range(256)) * 40_000
    digest = hashlib.sha256(data).hexdigest()
    store.upload("targets/x", BytesIO(data), len(data), digest)
    stream = BytesIO()
    store.read_into("targets/x", stream, len(data))
    assert stream.getvalue() == data
    store.upload("targets/x", BytesIO(b""), len(data), digest)
    assert store.size("targets/x") == len(data)
    with pytest.raises(StoreError):
        store.read("targets/x", 100)


def test_file_that_changed_before_its_upload_leaves_nothing(store):
    with pytest.raises(StateError) as refused:
        store.upload("targets/x", BytesIO(b"other"), 5, "0" * 64)
    assert refused.value.code == "state.source-changed"
    assert store.size("targets/x") is None and list(store.names("targets/")) == []


def test_what_is_not_there_can_be_removed(store):
    store.delete("nothing")


class Careless(MemoryStore):
    """Obeys no condition, as some imitations of S3."""


def test_store_that_overwrites_regardless_is_refused(monkeypatch):
    put = obstore.put
    monkeypatch.setattr(stores.obstore, "put", lambda *a, mode=None, **more: put(*a, **more))
    store = Store(Careless())
    with pytest.raises(SettingsError) as refused:
        store.create("a", b"1")
    assert refused.value.code == "settings.store-conditions"
    assert list(store.names("probe/")) == [] and store.size("a") is None


def test_store_that_gives_no_marks_is_refused(monkeypatch):
    get = obstore.get

    def unmarked(*given):
        found = get(*given)

        return SimpleNamespace(meta={**found.meta, "e_tag": None}, bytes=found.bytes)

    monkeypatch.setattr(stores.obstore, "get", unmarked)
    with pytest.raises(SettingsError):
        Store(MemoryStore()).swap("a", b"1", None)


@pytest.mark.parametrize("place", ["https://updates.example/", "bogus://x", "s3:///"])
def test_place_that_is_no_store_is_refused(place):
    with pytest.raises(StoreError) as refused:
        Store.at(place)
    assert refused.value.code == "store.url"


def test_folder_may_be_named_by_url(tmp_path):
    Store.at((tmp_path / "a b").as_uri()).create("x", b"1")
    assert (tmp_path / "a b" / "x").read_bytes() == b"1"


def test_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PatchlineError):
        Store.at(str(tmp_path / "file" / "store"))


def test_writer_waits_for_another_one_and_gives_up_cleanly(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "_PATIENCE_S", 0.2)
    with Store.of_folder(tmp_path).exclusive(), pytest.raises(LockedError), Store.of_folder(tmp_path).exclusive():
        raise AssertionError
    with Store.of_folder(tmp_path).exclusive():
        pass


def test_writer_that_died_holds_nothing_and_leaves_nothing(tmp_path):
    program = (
        "import os, signal, sys; from pathlib import Path; from patchline.releaser.stores import Store\n"
        "store = Store.of_folder(Path(sys.argv[1]))\n"
        "with store.exclusive():\n"
        "    store.create('m/a', b'1'); (Path(sys.argv[1]) / 'm/.00.part').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=False)
    assert (tmp_path / "m/.00.part").exists()
    store = Store.of_folder(tmp_path)
    with store.exclusive():
        assert store.create("m/b", b"2")
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["a", "b"]


def test_writers_at_once_lose_nothing(store, tmp_path):
    with store.exclusive():
        store.swap("count", b"0", None)

    def add():
        mine = Store.of_folder(tmp_path / "store") if (tmp_path / "store").exists() else store
        for _ in range(20):
            done = False
            while not done:
                with mine.exclusive():
                    seen = mine.look("count", LIMIT)
                    done = mine.swap("count", b"%d" % (int(seen.data) + 1), seen)

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read("count", LIMIT) == b"60"


def test_files_come_back_by_name_and_their_names_are_listed(store, tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    store.put("a/b/one.json", b"1")
    store.put_file("a/large", tmp_path / "large")
    assert store.read("a/b/one.json", 10) == b"1"
    stream = io.BytesIO()
    store.read_into("a/large", stream, 100_000)
    assert stream.getvalue() == b"x" * 100_000
    assert sorted(store.names("a")) == ["a/b/one.json", "a/large"]
    assert (store.size("a/large"), store.size("none"), store.read("none", 1)) == (100_000, None, None)
    store.delete("a/large")
    store.delete("a/large")
    assert store.size("a/large") is None


def test_what_has_another_size_or_is_missing_is_refused(store):
    store.put("a", b"12345")
    for call, code in (
        (lambda: store.read("a", 4), "store.too-large"),
        (lambda: store.read_into("a", io.BytesIO(), 4), "store.other-size"),
        (lambda: store.read_into("a", io.BytesIO(), 6), "store.other-size"),
        (lambda: store.read_into("b", io.BytesIO(), 1), "store.missing"),
    ):
        with pytest.raises(PatchlineError) as refused:
            call()
        assert refused.value.code == code


def test_store_that_cannot_be_opened_or_written_is_one_clear_error(tmp_path):
    with pytest.raises(PatchlineError) as refused:
        Store.at("nonsense://somewhere")
    assert refused.value.code == "store.url"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PatchlineError) as refused:
        Store.at(str(tmp_path / "file" / "below"))
    assert refused.value.code in ("not-found.file", "state.input-output")


def test_what_is_swapped_is_kept_by_no_cache():
    store = Store(MemoryStore())
    for data in (b"1", b"2"):
        store.swap("t", data, store.look("t", LIMIT))
        assert obstore.get(store._store, "t").attributes == {"Cache-Control": "no-cache"}


class _Bucket(BaseHTTPRequestHandler):
    """Takes whatever it is given."""

    taken: ClassVar[list[str]] = []

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append(self.path)
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.end_headers()

    def log_message(self, *_):
        """Tell nobody."""


def test_object_store_without_tls_is_used_only_where_the_environment_allows_it(monkeypatch):
    monkeypatch.setattr(_Bucket, "taken", [])
    with HTTPServer(("127.0.0.1", 0), _Bucket) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        access = {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "REGION": "here"}
        for name, value in {**access, "ENDPOINT": f"http://127.0.0.1:{server.server_port}"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        with pytest.raises(StoreError):
            Store.at("s3://bucket/channel").put("name", b"1")
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        Store.at("s3://bucket/channel").put("name", b"1")
        server.shutdown()
    assert _Bucket.taken == ["/bucket/channel/name"]
