"""Keys in Vault's Transit engine: what signs, what is refused, and how vendors move to them."""

import hashlib
import subprocess

import pytest

from patchline.patches import bundle, documents, sealed
from patchline.patches.errors import PatchlineError
from patchline.patches.keys import Kind
from patchline.patches.policy import Custody, Purpose, key_document
from patchline.patches.provenance import provenance_payload
from patchline.patches.sealed import Cost, write_private
from patchline.patches.signature import verify_signature
from patchline.patches.statements import Subject
from patchline.patches.verify import verify
from patchline.releaser import ceremony, signing
from patchline.releaser.channel_home import open_channel
from patchline.releaser.channel_roots import Offline, take_in
from patchline.releaser.register import opened as opened_register
from patchline.releaser.stores import Store
from patchline.vault.connection import Connection, Server
from patchline.vault.login import OwnToken
from patchline.vault.signing import KeyName, open_transit
from tests import channels, vendor
from tests.programs import run
from tests.registers import make_home
from tests.samples import NEW
from tests.vendor import NOW, manifest, policy_document, policy_key, trust


def refused(function, *arguments, **options):
    with pytest.raises(PatchlineError) as caught:
        function(*arguments, **options)
    assert caught.value.hint
    return caught.value.code


@pytest.fixture
def transit(space):
    space.transit()
    return space


def opened(space, text, connection=None):
    return open_transit(connection or space.admin, KeyName.parse(text))


@pytest.mark.parametrize(("kind", "ours"), [("ecdsa-p256", Kind.P256), ("ed25519", Kind.ED25519)])
def test_key_in_vault_signs_what_its_public_key_verifies(transit, kind, ours):
    transit.key("release", kind)
    signer = opened(transit, "signing/release")
    assert signer.public.kind is ours
    for data in (b"", b"data", b"\x00" * 100_000):
        verify_signature(signer.public, signer.sign(data), data)


def test_signature_of_vault_is_verified_by_openssl(transit, tmp_path):
    transit.key("release")
    signer = opened(transit, "signing/release")
    (tmp_path / "release.pem").write_text(signer.public.to_pem())
    (tmp_path / "line").write_bytes(b"line\n")
    (tmp_path / "line.sig").write_bytes(signer.sign(b"line\n"))
    line = ["openssl", "dgst", "-sha256", "-verify", "release.pem", "-signature", "line.sig", "line"]
    subprocess.run(line, cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize(
    "text",
    [
        "release",
        "signing/",
        "/release",
        "a/../b/release",
        "signing/Release",
        "signing/a?b",
        "signing/a@0",
        "signing/a@x",
        "a//b",
        "",
    ],
)
def test_names_that_are_no_key_in_vault_are_refused(text):
    assert refused(KeyName.parse, text) == "vault.path"


def test_mount_of_several_segments_is_split_from_the_right(transit):
    transit.transit("team/signing")
    transit.key("release", mount="team/signing")
    name = KeyName.parse("team/signing/release@1")
    assert (name.mount, name.key, name.version, str(name)) == (
        "team/signing",
        "release",
        1,
        "transit:team/signing/release@1",
    )
    assert open_transit(transit.admin, name).sign(b"x")


@pytest.mark.parametrize("options", [{"exportable": True}, {"allow_plaintext_backup": True}])
def test_key_that_can_leave_vault_is_refused(transit, options):
    transit.key("release", **options)
    assert refused(opened, transit, "signing/release") == "vault.key-unfit"


def test_key_that_can_be_deleted_or_is_derived_or_of_another_kind_is_refused(transit):
    transit.key("release")
    transit.root.adapter.post("/v1/signing/keys/release/config", json={"deletion_allowed": True})
    assert refused(opened, transit, "signing/release") == "vault.key-unfit"
    transit.key("derived", "ed25519", derived=True)
    assert refused(opened, transit, "signing/derived").startswith("vault.key-")
    for kind in ("aes256-gcm96", "rsa-2048", "ecdsa-p384"):
        transit.key(f"k-{kind}", kind)
        assert refused(opened, transit, f"signing/k-{kind}") == "vault.key-kind"
    assert refused(opened, transit, "signing/none") == "vault.key-missing"
    assert refused(opened, transit, "nowhere/none") == "vault.key-missing"


def test_versions_are_compared_as_numbers(transit):
    transit.key("release")
    first = opened(transit, "signing/release")
    for _ in range(11):
        transit.root.adapter.post("/v1/signing/keys/release/rotate", json={})
    newest = opened(transit, "signing/release")
    assert newest.version == 12 and newest.public != first.public
    verify_signature(newest.public, newest.sign(b"x"), b"x")
    assert opened(transit, "signing/release@1").public == first.public
    verify_signature(first.public, first.sign(b"x"), b"x")
    assert refused(opened, transit, "signing/release@13") == "vault.key-version"


def test_version_that_vault_may_not_sign_with_any_more_is_refused(transit):
    transit.key("release")
    first = opened(transit, "signing/release")
    transit.root.adapter.post("/v1/signing/keys/release/rotate", json={})
    transit.root.adapter.post("/v1/signing/keys/release/config", json={"min_encryption_version": 2})
    assert refused(opened, transit, "signing/release@1") == "vault.key-version"
    assert refused(first.sign, b"x") == "vault.key-version"


def test_signature_by_a_key_that_was_exchanged_is_not_given_away(transit):
    """Whoever administers Vault can put another key under the name; what was opened stays what signs."""
    transit.key("release")
    signer = opened(transit, "signing/release")
    transit.root.adapter.post("/v1/signing/keys/release/config", json={"deletion_allowed": True})
    transit.root.adapter.delete("/v1/signing/keys/release")
    transit.key("release")
    assert refused(signer.sign, b"x") == "vault.signature"


def test_login_without_the_right_is_told_so(transit):
    transit.key("release")
    transit.policy(
        "sees",
        'path "signing/keys/*" { capabilities = ["read"] }\npath "auth/token/lookup-self" { capabilities = ["read"] }',
    )
    token = transit.root.auth.token.create(policies=["sees"], no_default_policy=True)["auth"]["client_token"]
    signer = opened(transit, "signing/release", Connection(transit.server, OwnToken(token)))
    assert refused(signer.sign, b"x") == "vault.denied"


def test_unreachable_vault_is_told_before_anything_is_signed(transit):
    from tests.bao import free_port

    gone = Connection(Server(f"http://127.0.0.1:{free_port()}"), OwnToken("hvs.abcd"))
    assert refused(opened, transit, "signing/release", gone) == "vault.unreachable"


# A hotfix through Transit


NAMES = ("builder", "release", "approver-ada", "approver-ben")


@pytest.fixture
def keys(transit):
    for name in NAMES:
        transit.key(name)
    connection = transit.admin
    return {name: opened(transit, f"signing/{name}", connection) for name in NAMES}


def built(path, **changes):
    hotfix = manifest(**changes)
    written = bundle.write(path, hotfix, lambda member: [NEW])
    payload = provenance_payload(hotfix, [Subject(path.name, written.container)], vendor.RECORD)
    signing.sidecar_path(path, signing.STATEMENT).write_bytes(payload)
    return path


def released(path, keys, against):
    signing.sign_provenance(path, keys["builder"])
    for name in ("approver-ada", "approver-ben"):
        signing.approve(signing.read_bundle(path), keys[name], against, NOW)
    return signing.release(signing.read_bundle(path), keys["release"], against, NOW)


def sealed_keys():
    return {name: vendor.signer(name.removeprefix("approver-")) for name in NAMES}


def at_a_site(path, against):
    """Verify as a site does, from the files alone."""
    verified = verify(signing.read_bundle(path).manifest.data, signing.read_sidecars(path), against, NOW)
    with bundle.open_container(path) as container:
        bundle.stage(verified, container, bundle.NullStore())
    return sorted(approval.person for approval in verified.approvals)


def rotated(keys, *published):
    """The policy after the rotation: the keys in Vault are new, the sealed ones count for what was published."""
    retired = {"retired": [signing.read_bundle(path).manifest.digest for path in published]}

    def new(name, purpose, custody=Custody.TRANSIT):
        return key_document(keys[name].public, purpose, custody)

    persons = {
        "ada": [policy_key("ada", status=retired), new("approver-ada", Purpose.APPROVER)],
        "ben": [policy_key("ben", status=retired), new("approver-ben", Purpose.APPROVER)],
        "bob": [policy_key("builder", Purpose.BUILDER, status=retired), new("builder", Purpose.BUILDER, Custody.CLI)],
        "release": [
            policy_key("release", Purpose.RELEASE, status=retired),
            new("release", Purpose.RELEASE, Custody.CLI),
        ],
    }
    return policy_document(persons)


def test_hotfix_signed_and_approved_in_vault_verifies_at_a_site_like_one_of_sealed_keys(keys, tmp_path):
    sealed, transit = (built(tmp_path / folder / "HF-2026-0001-r1.hotfix") for folder in made(tmp_path, "s", "t"))
    before = trust()
    first = released(sealed, sealed_keys(), before)
    after = trust(rotated(keys, sealed))
    second = released(transit, keys, after)
    assert at_a_site(sealed, before) == at_a_site(transit, after) == ["ada", "ben"]
    assert first.manifest.digest == second.manifest.digest
    name = transit.name
    (tmp_path / "release.pem").write_text(keys["release"].public.to_pem())
    line = [
        "openssl",
        "dgst",
        "-sha256",
        "-verify",
        tmp_path / "release.pem",
        "-signature",
        f"{name}.sha256.sig",
        f"{name}.sha256",
    ]
    subprocess.run(line, cwd=transit.parent, check=True, capture_output=True)


def made(tmp_path, *names):
    for name in names:
        (tmp_path / name).mkdir()
    return names


def test_vendor_moves_to_vault_by_an_ordinary_rotation_of_the_policy(keys, tmp_path):
    earlier = built(tmp_path / "HF-2026-0001-r1.hotfix")
    old_client = trust()
    released(earlier, sealed_keys(), old_client)
    new_client = trust(rotated(keys, earlier))
    later = built(tmp_path / "HF-2026-0001-r2.hotfix", revision=2)
    released(later, keys, new_client)
    assert at_a_site(earlier, old_client) == at_a_site(earlier, new_client) == ["ada", "ben"], (
        "both read what was published"
    )
    assert at_a_site(later, new_client) == ["ada", "ben"]
    assert refused(at_a_site, later, old_client).startswith("statement."), (
        "unknown keys count for nothing before the policy came"
    )
    forged = built(tmp_path / "HF-2026-0001-r3.hotfix", revision=3)
    assert refused(released, forged, sealed_keys(), new_client).split(".")[0] in ("statement", "approval")


# The commands


def test_key_in_vault_is_named_like_any_other_on_the_command_line(transit, tmp_path):
    transit.key("approver-ada")
    environment = transit.environment()
    uri = "transit:signing/approver-ada"
    shown = run("patchline", "key", "public", uri, "--json", environment=environment).document
    assert run("patchline", "key", "fingerprint", uri, environment=environment).out.strip() == shown["fingerprint"]
    out = tmp_path / "ada.enrolment"
    enrol = ["key", "enrol", uri, "--person", "ada", "--out", out]
    assert run("patchline", *enrol, "--custody", "cli", environment=environment, expect=2).out == ""
    assert run("patchline", *enrol, "--json", environment=environment).document["custody"] == "transit"


def test_key_in_vault_without_address_login_or_server_is_one_clear_error(transit):
    uri = "transit:signing/release"
    for environment, code in (
        ({}, "vault.address"),
        ({"PATCHLINE_VAULT_ADDRESS": transit.bao.address}, "vault.no-login"),
        (transit.environment("hvs.nobodys"), "vault.token"),
        ({**transit.environment(), "PATCHLINE_VAULT_ADDRESS": "http://vault.example"}, "vault.address"),
        ({**transit.environment(), "PATCHLINE_VAULT_ADDRESS": "http://127.0.0.1:9"}, "vault.unreachable"),
        (transit.environment(), "vault.key-missing"),
    ):
        told = run("patchline", "key", "public", uri, "--json", environment=environment, expect=30)
        assert told.document["error"] == code
        assert transit.bao.root not in told.out + told.err


# The publisher of a channel


def test_publisher_may_sign_the_channel_with_a_key_in_vault(transit, tmp_path, monkeypatch):
    transit.key("publisher")
    public = opened(transit, "signing/publisher").public
    home = make_home("sqlite", tmp_path / "home")
    settings = f'vault_address = "{transit.bao.address}"\nvault_namespace = "{transit.name}"\n'
    (home / "settings.toml").write_text(settings + 'publisher_key = "transit:signing/publisher"\n')
    (home / "keys").mkdir(mode=0o700)
    for name in ("online", "kit"):
        write_private(home / f"keys/{name}.key", sealed_as(name))
    monkeypatch.setenv("VAULT_TOKEN", transit.bao.root)
    monkeypatch.setenv("PATCHLINE_HOME", str(home))
    with opened_register(home) as register:
        channel = open_channel(register, lambda name: b"words")
        made = ceremony.make_targets([public], [vendor.signer("online").public], NOW)
        for name in vendor.OFFLINE[:2]:
            made = ceremony.sign_targets(made, vendor.signer(name))
        take_in(channel, Offline.of([channels.root(), channels.kit_root(), made]), NOW)
        signed = documents.decode(Store.at(register.channel).read("metadata/1.hotfixes.json", 1 << 20), what="x")
    assert [one["keyid"] for one in signed["signatures"]] == [public.keyid]


def sealed_as(name):
    secret = hashlib.sha256(name.encode()).digest()
    return sealed._seal(secret, Kind.P256, vendor.signer(name).public, b"words", Cost(1 << 10))


def test_publisher_key_of_the_settings_is_one_in_vault(tmp_path):
    home = make_home("sqlite", tmp_path / "home")
    (home / "settings.toml").write_text('publisher_key = "sealed:publisher"\n')
    (home / "keys").mkdir()
    write_private(home / "keys/online.key", sealed_as("online"))
    with opened_register(home) as register:
        assert refused(open_channel, register, lambda name: b"words") == "usage.key-uri"
