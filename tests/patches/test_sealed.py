import json
import os
import stat

import pytest

from patchline.patches import backends, documents, plain, sealed, signers
from patchline.patches.errors import NotFoundError, PatchlineError, SealedKeyError, SettingsError, UsageError
from patchline.patches.keys import Kind
from patchline.patches.sealed import Cost, create_sealed, open_sealed, read_sealed
from patchline.patches.signature import verify_signature
from tests.programs import process

CHEAP = Cost(1 << 10)


def refused(function, *arguments):
    with pytest.raises(PatchlineError) as caught:
        function(*arguments)
    assert caught.value.hint
    return caught.value.code


def opened(path, passphrase=b"correct horse"):
    return open_sealed(path, lambda: passphrase)


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "ada.key"
    create_sealed(path, Kind.P256, b"correct horse", CHEAP)
    return path


@pytest.mark.parametrize("kind", list(Kind))
def test_sealed_key_signs_what_its_public_key_verifies(tmp_path, kind):
    public = create_sealed(tmp_path / "a.key", kind, b"correct horse", CHEAP)
    signer = opened(tmp_path / "a.key")
    assert signer.public == public == read_sealed(tmp_path / "a.key").public
    verify_signature(public, signer.sign(b"data"), b"data")


def test_sealed_key_file_is_readable_by_its_owner_only(key):
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_program_seals_at_the_cost_of_the_design(home):
    process("patchline", "key", "new", "a", passphrase="words")
    [path] = home.rglob("a.key")
    kdf = json.loads(path.read_bytes())["header"]["kdf"]
    assert (kdf["n"], kdf["r"], kdf["p"]) == (1 << 17, 8, 1)


def test_secret_is_not_in_the_file(tmp_path, monkeypatch):
    secret = bytes(range(1, 33))
    monkeypatch.setattr(sealed, "new_secret", lambda kind: secret)
    create_sealed(tmp_path / "a.key", Kind.ED25519, b"p", CHEAP)
    content = (tmp_path / "a.key").read_bytes()
    assert secret not in content and secret.hex().encode() not in content


def test_wrong_passphrase_has_its_own_code(key):
    assert refused(opened, key, b"wrong") == "sealed.passphrase"


def test_composed_and_decomposed_passphrases_are_one(tmp_path):
    create_sealed(tmp_path / "a.key", Kind.P256, "Zürich".encode(), CHEAP)
    assert opened(tmp_path / "a.key", "Zu\u0308rich".encode())


def test_every_flipped_byte_is_noticed_before_the_passphrase_is_asked(key):
    content = key.read_bytes()
    for place in range(0, len(content) - 1, 7):
        key.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(SealedKeyError) as caught:
            open_sealed(key, lambda: pytest.fail("asked"))
        assert caught.value.code in ("sealed.damaged", "sealed.cost", "sealed.format"), place


@pytest.mark.parametrize("size", [0, 1, 50, 400])
def test_truncated_key_is_damaged(key, size):
    key.write_bytes(key.read_bytes()[:size])
    assert refused(opened, key) == "sealed.damaged"


def rewritten(path, change):
    """Change the header and mend the checksum, as an attacker would."""
    document = json.loads(path.read_bytes())
    change(document["header"])
    document.pop("checksum")
    document["checksum"] = documents.digest(documents.encode(document))
    path.write_bytes(documents.encode(document))


@pytest.mark.parametrize(
    "numbers",
    [
        {"n": 1 << 30},
        {"n": 1 << 19},
        {"n": 1 << 9},
        {"n": 131071},
        {"r": 1 << 20},
        {"r": 1},
        {"p": 5},
        {"p": 1 << 20},
    ],
)
def test_hostile_cost_is_refused_before_any_work(key, numbers):
    rewritten(key, lambda header: header["kdf"].update(numbers))
    with pytest.raises(SealedKeyError) as caught:
        open_sealed(key, lambda: pytest.fail("asked"))
    assert caught.value.code == "sealed.cost"


def test_header_cannot_be_exchanged(key, tmp_path):
    other = create_sealed(tmp_path / "b.key", Kind.P256, b"x", CHEAP)
    rewritten(key, lambda header: header.update(public=other.to_pem()))
    assert refused(opened, key) == "sealed.passphrase"
    rewritten(key, lambda header: header.update(note="more"))
    assert refused(opened, key) == "sealed.passphrase"


def test_unknown_format_is_refused(key):
    rewritten(key, lambda header: header.update(format=2))
    assert refused(opened, key) == "sealed.format"


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["kdf"].update(name="pbkdf2"),
        lambda header: header["cipher"].update(name="none"),
        lambda header: header["cipher"].update(nonce="AAAA"),
        lambda header: header["kdf"].update(salt="not base64!"),
        lambda header: header.update(kind="ed25519"),
        lambda header: header.update(public="none"),
        lambda header: header.pop("kdf"),
    ],
)
def test_header_that_breaks_a_rule_is_damaged(key, change):
    rewritten(key, change)
    assert refused(opened, key) == "sealed.damaged"


def test_key_is_never_overwritten_nor_written_through_a_link(key, tmp_path):
    content = key.read_bytes()
    assert refused(create_sealed, key, Kind.P256, b"x", CHEAP) == "sealed.exists"
    assert key.read_bytes() == content
    (tmp_path / "link.key").symlink_to(tmp_path / "elsewhere")
    assert refused(create_sealed, tmp_path / "link.key", Kind.P256, b"x", CHEAP) == "sealed.exists"
    assert not (tmp_path / "elsewhere").exists()


def test_links_folders_and_pipes_are_no_keys(key, tmp_path):
    (tmp_path / "link.key").symlink_to(key)
    assert refused(opened, tmp_path / "link.key") == "sealed.unreadable"
    assert refused(opened, tmp_path) == "sealed.unreadable"
    os.mkfifo(tmp_path / "pipe.key")
    assert refused(opened, tmp_path / "pipe.key") == "sealed.unreadable"
    (tmp_path / "large.key").write_bytes(b"x" * 70_000)
    assert refused(opened, tmp_path / "large.key") == "sealed.damaged"


def test_empty_passphrase_is_refused(tmp_path):
    assert refused(create_sealed, tmp_path / "a.key", Kind.P256, b"", CHEAP) == "sealed.empty-passphrase"
    assert not (tmp_path / "a.key").exists()


def test_key_in_a_missing_folder_is_a_clear_error(tmp_path):
    assert refused(create_sealed, tmp_path / "no" / "a.key", Kind.P256, b"p", CHEAP) == "sealed.unwritable"


def test_signing_without_cryptography_is_a_clear_error(key, monkeypatch):
    monkeypatch.setattr(backends, "compiled_is_there", lambda: False)
    with pytest.raises(SettingsError) as caught:
        opened(key)
    assert caught.value.code == "settings.cryptography"


# Keys by URI


def test_key_is_opened_by_its_name_in_the_folder_of_its_person(key, monkeypatch):
    monkeypatch.setenv("PATCHLINE_KEYS", str(key.parent))
    for uri in ("ada", "sealed:ada"):
        assert signers.open_signer(uri, lambda name: {"ada": b"correct horse"}[name]).public == read_sealed(key).public


def test_keys_lie_in_the_configuration_folder_unless_said_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv("PATCHLINE_KEYS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert signers.keys_folder() == tmp_path / "patchline" / "keys"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert str(signers.keys_folder()) == "/home/ada/.config/patchline/keys"


@pytest.mark.parametrize("name", ["../ada", "a/b", "", ".hidden", "x" * 65, "a\nb"])
def test_name_of_a_key_cannot_leave_the_folder(name):
    with pytest.raises(UsageError) as caught:
        signers.open_signer(f"sealed:{name}", lambda name: b"")
    assert caught.value.code == "usage.key-name"


def test_missing_key_and_unknown_scheme_are_clear_errors(tmp_path, monkeypatch):
    monkeypatch.setenv("PATCHLINE_KEYS", str(tmp_path))
    with pytest.raises(NotFoundError) as caught:
        signers.open_signer("nobody", lambda name: b"")
    assert caught.value.code == "not-found.key"
    assert refused(signers.open_signer, "hsm:m/k", lambda name: b"") == "usage.key-uri"


def test_further_schemes_can_be_registered(key, monkeypatch):
    monkeypatch.setattr(signers, "_OPENERS", dict(signers._OPENERS))
    signers.register("transit", lambda rest, ask: opened(key, b"correct horse") if rest == "mount/k" else None)
    assert signers.open_signer("transit:mount/k", lambda name: b"").public == read_sealed(key).public


# The unsealed key of a site


@pytest.fixture(params=["cryptography", "openssl"])
def tool(request, monkeypatch):
    monkeypatch.setattr(backends, "compiled_is_there", lambda: request.param == "cryptography")
    return request.param


def test_site_key_signs_with_either_tool(tmp_path, tool):
    public = plain.create_plain(tmp_path / "site.pem")
    assert stat.S_IMODE((tmp_path / "site.pem").stat().st_mode) == 0o600
    signer = plain.open_plain(tmp_path / "site.pem")
    assert signer.public == public and public.kind is Kind.P256
    verify_signature(public, signer.sign(b"report" * 10_000), b"report" * 10_000)


def test_site_key_made_by_one_tool_serves_the_other(tmp_path, monkeypatch):
    for made, used in ((True, False), (False, True)):
        path = tmp_path / f"{made}.pem"
        monkeypatch.setattr(backends, "compiled_is_there", lambda answer=made: answer)
        public = plain.create_plain(path)
        monkeypatch.setattr(backends, "compiled_is_there", lambda answer=used: answer)
        assert plain.open_plain(path).public == public


def test_site_key_that_others_may_read_is_refused(tmp_path, tool):
    plain.create_plain(tmp_path / "site.pem")
    (tmp_path / "site.pem").chmod(0o640)
    assert refused(plain.open_plain, tmp_path / "site.pem") == "sealed.permissions"


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_damaged_site_key_is_a_clear_error(tmp_path, tool, content):
    sealed.write_private(tmp_path / "site.pem", content)
    assert refused(plain.open_plain, tmp_path / "site.pem") == "sealed.damaged"


def test_site_without_any_tool_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "compiled_is_there", lambda: False)
    monkeypatch.setattr(plain, "OPENSSL", str(tmp_path / "openssl"))
    assert not plain.can_sign()
    assert refused(plain.create_plain, tmp_path / "site.pem") == "settings.site-signing"
