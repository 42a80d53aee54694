import io

import pytest

from patchline.patches.errors import PatchlineError
from patchline.releaser.stores import Store


@pytest.fixture(params=["folder", "file-url"])
def store(request, tmp_path):
    (tmp_path / "store").mkdir()
    return Store.at(str(tmp_path / "store") if request.param == "folder" else f"file://{tmp_path}/store")


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
