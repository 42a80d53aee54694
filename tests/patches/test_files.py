import os
import stat

import pytest

from patchline.patches import files
from patchline.patches.errors import PatchlineError, StateError
from patchline.patches.files import read_file, write_atomically, write_file


def code_of(action, *arguments, **options):
    with pytest.raises(PatchlineError) as caught:
        action(*arguments, **options)
    assert str(caught.value)
    return caught.value.code


def test_written_file_appears_whole_with_its_rights(tmp_path):
    path = tmp_path / "out"
    with write_atomically(path, mode=0o600) as file:
        file.write(b"half")
        assert not path.exists()
        file.write(b" whole")
    assert path.read_bytes() == b"half whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_failed_writing_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), write_atomically(tmp_path / "out") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_replaced_only_when_asked(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old")
    assert code_of(write_file, path, b"new") == "refused.file-exists"
    assert path.read_bytes() == b"old"
    write_file(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"


def test_file_that_comes_while_writing_is_not_replaced(tmp_path):
    path = tmp_path / "out"
    with pytest.raises(PatchlineError) as caught, write_atomically(path) as file:
        file.write(b"ours")
        path.write_bytes(b"theirs")
    assert caught.value.code == "refused.file-exists"
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_link_to_nowhere_counts_as_existing(tmp_path):
    path = tmp_path / "out"
    path.symlink_to(tmp_path / "elsewhere")
    assert code_of(write_file, path, b"new") == "refused.file-exists"
    assert not (tmp_path / "elsewhere").exists()


def test_file_system_without_hard_links_still_gets_the_file(tmp_path, monkeypatch):
    def no_links(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(files.os, "link", no_links)
    write_file(tmp_path / "out", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_long_name_can_be_written(tmp_path):
    write_file(tmp_path / ("n" * 255), b"")
    assert code_of(write_file, tmp_path / ("n" * 256), b"") == "state.input-output"


def test_missing_folder_is_named(tmp_path):
    assert code_of(write_file, tmp_path / "a" / "b", b"") == "not-found.folder"


def test_full_disk_is_told():
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    with pytest.raises(OSError) as caught, open("/dev/full", "wb", buffering=0) as file:
        file.write(b"x")
    error = files.os_failure(caught.value)
    assert isinstance(error, StateError) and error.code == "state.disk-full"


def test_reading_is_bounded_and_takes_only_regular_files(tmp_path):
    path = tmp_path / "in"
    path.write_bytes(b"12345")
    assert read_file(path, limit=5) == b"12345"
    assert code_of(read_file, path, limit=4) == "malformed.file-too-large"
    assert code_of(read_file, tmp_path, limit=4) == "malformed.not-a-file"
    assert code_of(read_file, tmp_path / "absent", limit=4) == "not-found.file"
    assert code_of(read_file, path / "below", limit=4) == "not-found.file"
    os.mkfifo(tmp_path / "pipe")
    assert code_of(read_file, tmp_path / "pipe", limit=4) == "malformed.not-a-file"
