import io
import zipfile

import pytest

from patchline.patches.errors import BuildError
from patchline.releaser.scan import RULES, Item, Scanner

BODY = b"MIIEowIBAAKCAQEAu1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gun"
A = "aB3dE6gH9kL2nP5rS8uV1xY4zA7cD0fG3iJ6lM9oQ2sT5vW8yB1eH4kN7qR0tU3w"
SECRETS = {
    "private key": b"-----BEGIN PRIVATE KEY-----\n" + BODY,
    "PuTTY private key": b"PuTTY-User-Key-File-3: ssh-ed25519",
    "age secret key": b"AGE-SECRET-KEY-1" + b"Q" * 58,
    "Amazon access key": b"AKIA" + b"IOSFODNN7EXAMPLE".replace(b"1", b"2"),
    "Azure storage key": b"AccountKey=" + b"a" * 86 + b"==",
    "DigitalOcean token": b"dop_v1_" + b"0" * 64,
    "GitHub token": b"ghp_" + A[:36].encode(),
    "GitLab token": b"glpat-" + A[:20].encode(),
    "Google API key": b"AIza" + A[:35].encode(),
    "Hugging Face token": b"hf_" + b"a" * 34,
    "npm token": b"npm_" + A[:36].encode(),
    "package index token": b"pypi-AgEIcHlwaS5vcmc" + A.encode(),
    "SendGrid key": b"SG." + A[:22].encode() + b"." + A[:43].encode(),
    "Slack token": b"xoxb-" + A[:24].encode(),
    "Stripe key": b"sk_live_" + A[:24].encode(),
    "Vault token": b"hvs." + A[:24].encode(),
}


def findings(content, where="app/x", **rules):
    pieces = content if isinstance(content, list) else [content]
    with pytest.raises(BuildError) as caught:
        Scanner(**rules).search([Item(where, lambda: iter(pieces))])
    assert caught.value.code == "build.secret"
    return caught.value.message


def clean(content, where="app/x", **rules):
    Scanner(**rules).search([Item(where, lambda: iter([content]))])


def test_there_is_an_example_for_each_rule():
    assert SECRETS.keys() == {rule.title for rule in RULES}


@pytest.mark.parametrize("title", SECRETS)
def test_each_known_shape_is_found_without_telling_the_secret(title):
    message = findings(b"token = '" + SECRETS[title] + b"'\n")
    assert message == f"{title} in app/x"


@pytest.mark.parametrize("title", SECRETS)
def test_secret_across_two_pieces_is_found(title):
    secret = b"x" * 9000 + b" " + SECRETS[title] + b" " + b"x" * 9000
    for cut in (9005, 9001 + len(SECRETS[title]) // 2):
        assert title in findings([secret[:cut], secret[cut:]])


@pytest.mark.parametrize(
    "text",
    [
        b'if line == "-----BEGIN PRIVATE KEY-----":',
        b"-----BEGIN PUBLIC KEY-----\n" + BODY,
        b"-----BEGIN CERTIFICATE-----\n" + BODY,
        b"AKIAXXXX",
        b"xAKIAIOSFODNN7EXAMPLE",
        b"shf_" + b"a" * 34,
        b"see https://example.com/ghp_docs",
        bytes(range(256)) * 100,
    ],
)
def test_what_only_looks_similar_is_no_finding(text):
    clean(text)


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN EC PRIVATE KEY-----\r\n" + BODY,
        b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n" + BODY,
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x\n\n" + BODY,
        b'KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\\n' + BODY,
        b'KEY = "-----BEGIN PRIVATE KEY-----\\n" + \n  "' + BODY,
    ],
)
def test_private_key_is_found_in_every_dress(text):
    assert "private key" in findings(text)


def test_members_of_an_archive_are_searched():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner/token", SECRETS["GitHub token"])
    assert "GitHub token" in findings(stream.getvalue(), "app/a.jar")
    clean(stream.getvalue(), "app/a.bin")
    broken = stream.getvalue()[:-20] + SECRETS["Slack token"]
    assert "Slack token" in findings(broken, "app/a.jar")


def test_names_are_found_as_whole_words_in_any_case():
    names = ["Acme Corp", "Zoë"]
    assert "a name of the list" in findings(b"for ACME corp.", names=names)
    assert "a name of the list" in findings("für Zoë".encode(), names=names)
    clean(b"acme corporation", names=names)
    clean(b"xacme corp", names=names)


def test_rules_can_be_compared_without_telling_the_names():
    assert Scanner(["a", "b"]).rules == Scanner(["b", "a"]).rules != Scanner(["a"]).rules


def test_only_what_earlier_content_lacks_is_a_finding():
    old, new = SECRETS["GitHub token"], SECRETS["GitLab token"]
    scanner = Scanner()
    scanner.search([Item("app/x", lambda: [old + b"\nmore"], lambda: [old])])
    with pytest.raises(BuildError, match=r"GitLab token in app/x$"):
        scanner.search([Item("app/x", lambda: [old + b"\n" + new], lambda: [old])])


def test_all_findings_are_told_at_once():
    items = [Item(f"app/{number}", lambda: [SECRETS["Slack token"]]) for number in range(25)]
    with pytest.raises(BuildError, match=r"app/0;.*app/19; and 5 more"):
        Scanner().search(items)


def test_allowed_path_passes_with_its_reason():
    scanner = Scanner(allow={"test/**": "made up", "app/exact": "known"})
    secret = [SECRETS["Slack token"]]
    scanner.search([Item("app/test/a", lambda: secret, place=("app", "test/a")), Item("app/exact", lambda: secret)])
    assert scanner.allowed == [("app/test/a", "made up"), ("app/exact", "known")]
    with pytest.raises(BuildError):
        scanner.search([Item("app/other", lambda: secret, place=("app", "other"))])
