"""Logins to a real slapd: no password without a proof of who answers, and no bind as nobody taken for a login."""

import socket
import subprocess

import pytest

from patchline.patches.errors import StateError
from patchline.releaser.setups.logins import Outcome, Target
from patchline.releaser.setups.targets import directory as spoken
from patchline.vault.setups import Login
from tests.ldap_server import directory, needs_slapd, serving

__all__ = ["directory"]

pytestmark = needs_slapd
PASSWORD = "canary-of-the-lab"


def target(address):
    return Target("lab-1 directory", "ldap", address, None)


def test_password_that_works_and_one_that_is_refused_are_told_apart(directory):
    ann = directory.add("ann", PASSWORD)
    here = target(directory.address)
    assert here.try_login(Login(ann, PASSWORD)) is Outcome.WORKS
    assert here.try_login(Login(ann, "wrong")) is Outcome.REFUSED
    assert here.try_login(Login("cn=missing,ou=people,dc=lab", PASSWORD)) is Outcome.REFUSED
    assert here.try_login(Login("no name of a directory", PASSWORD)) is Outcome.UNCLEAR


def test_change_makes_the_old_password_dead(directory):
    bea = directory.add("bea", PASSWORD)
    here = target(directory.address)
    here.change(Login(bea, PASSWORD), "following-one")
    assert here.try_login(Login(bea, "following-one")) is Outcome.WORKS
    assert here.try_login(Login(bea, PASSWORD)) is Outcome.REFUSED
    assert "following-one" not in (directory.folder / "slapd.log").read_text()
    for login in (Login(bea, PASSWORD), Login("cn=missing,ou=people,dc=lab", PASSWORD)):
        with pytest.raises(StateError) as caught:
            here.change(login, "another")
        assert caught.value.code == "state.setup-target" and PASSWORD not in str(caught.value)
    assert here.try_login(Login(bea, "following-one")) is Outcome.WORKS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")

    def made(name, subject):
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        line += ["-days", "1", "-subj", "/CN=lab", "-addext", f"subjectAltName={subject}"]
        subprocess.run([*line, "-keyout", paths[1], "-out", paths[0]], check=True, capture_output=True)
        return paths

    return {"right": made("right", "IP:127.0.0.1"), "other": made("other", "DNS:elsewhere.example")}


def test_password_goes_only_where_a_certificate_proves_who_answers(certificates):
    with serving(certificates["right"]) as secure:
        ann = Login(secure.add("ann", PASSWORD), PASSWORD)
        for address in (f"ldaps://127.0.0.1:{secure.secure_port}", secure.address):
            trusted = f"{address}?sslrootcert={certificates['right'][0]}"
            assert target(trusted).try_login(ann) is Outcome.WORKS, "by TLS from the start, or by StartTLS"
            assert target(trusted).try_login(Login(ann.username, "wrong")) is Outcome.REFUSED
            stranger = f"{address}?sslrootcert={certificates['other'][0]}"
            assert target(stranger).try_login(ann) is Outcome.UNPROVED
            assert target(f"{address}?sslrootcert=/nowhere.pem").try_login(ann) is Outcome.UNPROVED
        assert target(f"ldaps://127.0.0.1:{secure.secure_port}").try_login(ann) is Outcome.UNPROVED
        trusted = f"{secure.address}?sslrootcert={certificates['right'][0]}"
        target(trusted).change(ann, "following-one")
        assert target(trusted).try_login(ann) is Outcome.REFUSED


def test_certificate_of_another_name_proves_nothing(certificates):
    with serving(certificates["other"]) as misnamed:
        ann = Login(misnamed.add("ann", PASSWORD), PASSWORD)
        for address in (f"ldaps://127.0.0.1:{misnamed.secure_port}", misnamed.address):
            assert target(f"{address}?sslrootcert={certificates['other'][0]}").try_login(ann) is Outcome.UNPROVED


def test_directory_without_starttls_gets_no_password_where_it_is_needed(directory, certificates):
    cyd = Login(directory.add("cyd", PASSWORD), PASSWORD)
    address = f"{directory.address}?sslrootcert={certificates['right'][0]}"
    assert target(address).try_login(cyd) is Outcome.UNPROVED
    assert spoken._Place.of("ldap://lab.example").protected, "on another machine always"


def test_directory_that_does_not_say_who_came_must_refuse_a_password_of_chance():
    with serving(more="restrict extended=1.3.6.1.4.1.4203.1.11.3") as mute:
        ann = mute.add("ann", PASSWORD)
        assert target(mute.address).try_login(Login(ann, PASSWORD)) is Outcome.WORKS
        assert target(mute.address).try_login(Login(ann, "wrong")) is Outcome.REFUSED


def test_answers_that_do_not_say_that_a_password_is_wrong_do_not_prove_it_dead():
    def told(code, message=""):
        return spoken._told({"result": code, "message": message})

    active = "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data {}, v3839"
    assert told(49) is told(49, active.format("52e")) is told(49, active.format("525")) is Outcome.REFUSED
    for locked_or_expired in ("532", "533", "701", "773", "775"):
        assert told(49, active.format(locked_or_expired)) is Outcome.UNCLEAR
    for code in (8, 13, 34, 51, 52, 53, 80):
        assert told(code) is Outcome.UNCLEAR


def test_directory_that_is_gone_or_silent_is_left_soon(monkeypatch):
    assert target("ldap://127.0.0.1:9").try_login(Login("cn=a", "b")) is Outcome.UNREACHABLE
    monkeypatch.setattr(spoken, "SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert target(f"ldap://127.0.0.1:{port}").try_login(Login("cn=a", "b")) is Outcome.UNCLEAR
        assert target(f"ldaps://127.0.0.1:{port}").try_login(Login("cn=a", "b")) in (
            Outcome.UNPROVED,
            Outcome.UNREACHABLE,
        )
