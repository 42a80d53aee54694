import os
import stat

import pytest

from patchline.patches.keys import Kind, PublicKey
from patchline.patches.sealed import Cost, create_sealed, read_sealed
from patchline.patches.signers import keys_folder
from tests.programs import run


@pytest.fixture
def ada():
    keys_folder().mkdir(parents=True)
    return create_sealed(keys_folder() / "ada.key", Kind.P256, b"words", Cost(1 << 10))


def test_new_key_is_sealed_in_the_folder_of_its_person():
    made = run("patchline", "key", "new", "ada", "--json", passphrase="some words").document
    path = keys_folder() / "ada.key"
    assert made["file"] == str(path) and made["keyid"] == read_sealed(path).public.keyid
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read_sealed(path).open(b"some words").public.to_pem() == made["public"]


def test_kind_of_a_new_key_can_be_chosen():
    assert run("patchline", "key", "new", "ed", "--kind", "ed25519", "--json", passphrase="w").document["kind"] == (
        "ed25519"
    )


def test_passphrase_comes_from_a_descriptor():
    reader, writer = os.pipe()
    os.write(writer, b"from a pipe\n")
    os.close(writer)
    run("patchline", "key", "new", "ada", "--passphrase-fd", reader)
    os.close(reader)
    assert read_sealed(keys_folder() / "ada.key").open(b"from a pipe")


def test_key_is_never_overwritten(ada):
    assert run("patchline", "key", "new", "ada", "--json", passphrase="w", expect=12).document["error"] == (
        "sealed.exists"
    )
    assert read_sealed(keys_folder() / "ada.key").public == ada


@pytest.mark.parametrize("name", ["../ada", "a/b", ".x"])
def test_odd_names_are_refused(name):
    assert run("patchline", "key", "new", name, "--json", passphrase="w", expect=2).document["error"] == (
        "usage.key-name"
    )


def test_new_key_needs_a_passphrase():
    assert run("patchline", "key", "new", "ada", "--json", expect=2).document["error"] == "usage.no-passphrase"


def test_public_key_is_printed_as_pem(ada):
    assert run("patchline", "key", "public", "ada").out == ada.to_pem()
    assert run("patchline", "key", "public", "nobody", "--json", expect=11).document["error"] == "not-found.key"


def test_fingerprint_is_of_a_name_or_of_a_file(ada, tmp_path):
    (tmp_path / "x.pem").write_text(ada.to_pem())
    (tmp_path / "windows.pem").write_bytes(ada.to_pem().replace("\n", "\r\n").encode())
    for source in ("ada", "sealed:ada", tmp_path / "x.pem", f"file:{tmp_path / 'x.pem'}", tmp_path / "windows.pem"):
        assert run("patchline", "key", "fingerprint", source).out.strip() == ada.fingerprint
    (tmp_path / "bad.pem").write_text("no key")
    bad = run("patchline", "key", "fingerprint", tmp_path / "bad.pem", "--json", expect=21)
    assert bad.document["error"] == "signature.key-pem"
    missing = run("patchline", "key", "fingerprint", f"file:{tmp_path}/none.pem", "--json", expect=11)
    assert missing.document["error"] == "not-found.file"
    odd = run("patchline", "key", "fingerprint", f"{tmp_path}/none.pem", "--json", expect=2)
    assert odd.document["error"] == "usage.key-uri"


def test_keys_are_listed_and_a_damaged_one_hides_none(ada):
    (keys_folder() / "bad.key").write_text("rubbish")
    listed = run("patchline", "key", "list", "--json").document
    assert [(one["name"], one.get("keyid"), one.get("error")) for one in listed] == [
        ("ada", ada.keyid, None),
        ("bad", None, "sealed.damaged"),
    ]
    assert ada.fingerprint in run("patchline", "key", "list").out


def test_no_keys_are_an_empty_list():
    assert run("patchline", "key", "list", "--json").document == []
    assert run("patchline", "key", "list").out == ""


def test_public_key_in_json_is_one_that_can_be_read_back(ada):
    assert PublicKey.from_pem(run("patchline", "key", "public", "ada", "--json").document["public"]) == ada
