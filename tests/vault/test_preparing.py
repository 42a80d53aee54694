"""What `patchline vault prepare` makes in a fresh server, and what each role can and cannot do there."""

from importlib.resources import files

import pytest

from patchline.patches.errors import PatchlineError
from patchline.patches.signature import verify_signature
from patchline.vault import preparing
from patchline.vault.connection import Connection, Server
from patchline.vault.login import AppRole, OwnToken
from patchline.vault.preparing import KEYS, ROLES, Approver, compare, policy_name, prepare, role_ids
from patchline.vault.signing import KeyName, open_transit
from tests.bao import started
from tests.programs import run


def refused(function, *arguments):
    with pytest.raises(PatchlineError) as caught:
        function(*arguments)
    assert caught.value.hint
    return caught.value.code


def standing(steps):
    return {step.subject: step.standing.value for step in steps}


PEOPLE = ("ada", "ben")
PASSWORD = "a password of the test"


@pytest.fixture
def ready(space):
    """A prepared namespace where ada and ben log in by userpass."""
    space.root.adapter.post("/v1/sys/auth/userpass", json={"type": "userpass"})
    for person in PEOPLE:
        space.root.adapter.post(f"/v1/auth/userpass/users/{person}", json={"password": PASSWORD})
    prepare(space.admin, tuple(Approver(person, "userpass", person) for person in PEOPLE))
    return space


def as_role(space, role):
    role_id, wrapped = role_ids(space.admin)[role], space.wrapped(policy_name(role))
    return Connection(space.server, AppRole(role_id, lambda: wrapped))


def token_of(space, person):
    client = space.bao.client(namespace=space.name)
    return client.adapter.post(f"/v1/auth/userpass/login/{person}", json={"password": PASSWORD})["auth"]["client_token"]


def as_person(space, person):
    return Connection(space.server, OwnToken(token_of(space, person)))


def test_fresh_server_gets_everything_and_a_second_run_changes_nothing(space):
    before = standing(compare(space.admin))
    assert before.pop("audit device") == "right"
    assert set(before.values()) == {"missing", "different"} or set(before.values()) == {"missing"}
    first = prepare(space.admin)
    assert any(step.standing == "missing" for step in first)
    written = writes(space)
    again = prepare(space.admin)
    assert set(standing(again).values()) == {"right"} == set(standing(compare(space.admin)).values())
    assert writes(space) == written, "the second run asked for changes"


def writes(space):
    lines = space.bao.audit_log.read_text().splitlines()
    return sum('"operation":"update"' in line or '"operation":"create"' in line for line in lines if space.name in line)


def test_what_was_changed_by_hand_is_named_and_corrected(ready):
    ready.policy("patchline-web", 'path "*" { capabilities = ["sudo", "read", "update"] }')
    ready.approle("patchline-release", ["root-of-all"], token_ttl="12h")
    ready.root.adapter.post("/v1/setups/config", json={"cas_required": False})
    different = {name for name, found in standing(compare(ready.admin)).items() if found == "different"}
    assert different == {"policy patchline-web", "role patchline-release", "setups/ changes only what was seen"}
    prepare(ready.admin)
    assert set(standing(compare(ready.admin)).values()) == {"right"}


def test_engine_of_another_type_under_our_name_is_refused_and_left_alone(space):
    space.root.adapter.post("/v1/sys/mounts/signing", json={"type": "kv"})
    assert refused(prepare, space.admin) == "vault.prepare"
    assert space.root.adapter.get("/v1/sys/mounts")["data"]["signing/"]["type"] == "kv"


def test_key_that_can_leave_vault_stops_the_preparation(space):
    space.transit()
    space.key("release", exportable=True)
    assert refused(prepare, space.admin) == "vault.key-unfit"


def test_server_without_an_audit_device_is_told():
    with started() as bao:
        settings = bao.folder / "bao.hcl"
        plain = settings.read_text().partition('audit "file"')
        without = plain[0] + "api_addr" + plain[2].partition("api_addr")[2]
        bao.stop()
        bao.write_settings = lambda: settings
        settings.write_text(without)
        bao.start()
        bao.unseal()
        found = standing(compare(Connection(bao.server, OwnToken(bao.root))))
    assert found["audit device"] == "missing"


def test_every_policy_that_ships_belongs_to_a_role():
    shipped = {file.name.removesuffix(".hcl") for file in (files("patchline.vault") / "policies").iterdir()}
    assert shipped == {*ROLES, preparing.APPROVER, preparing.LENDER, preparing.LOAN}


# What each role can do, and cannot


def may(connection, method, path, document=None):
    def question(vault):
        return vault.adapter.request(method, f"/v1/{path}", **({"json": document} if document is not None else {}))

    try:
        connection.ask("a try", question)
    except PatchlineError as error:
        assert error.code in ("vault.denied", "vault.missing", "vault.refused", "vault.failed"), error.code
        return error.code != "vault.denied"
    return True


SIGN = {"input": "eA=="}
SECRET = {"data": {"password": "x"}, "options": {"cas": 0}}
NOBODY_MAY = [
    ("get", "sys/mounts", None),
    ("get", "sys/policies/acl/patchline-web", None),
    ("post", "sys/policies/acl/patchline-web", {"policy": ""}),
    ("post", "sys/wrapping/wrap", {"a": "b"}),
    ("post", "auth/token/create", {}),
    ("post", "auth/approle/role/patchline-release/secret-id", {}),
    ("get", "auth/approle/role/patchline-release/role-id", None),
    ("list", "signing/keys", None),
    ("post", "signing/keys/another", {"type": "ecdsa-p256"}),
    ("post", "signing/keys/release/rotate", {}),
    ("post", "signing/keys/release/config", {"deletion_allowed": True}),
    ("delete", "signing/keys/release", None),
    ("delete", "signing/keys/release/soft-delete", None),
    ("get", "signing/export/signing-key/release", None),
    ("get", "signing/backup/release", None),
    ("get", "setups/data/lab/team/ssh", None),
    ("post", "setups/data/lab/team/ssh", SECRET),
    ("list", "setups/metadata", None),
    ("get", "identity/entity/name/patchline-ada", None),
    ("post", "identity/entity/name/patchline-ada", {"metadata": {"person": "ben"}}),
]


@pytest.fixture
def connections(ready):
    found = {role: as_role(ready, role) for role in ROLES}
    return {**found, **{person: as_person(ready, person) for person in PEOPLE}}


def test_no_role_can_do_what_only_administrators_may(connections):
    for role, connection in connections.items():
        # A person's own login has Vault's default policy besides: wrapping, and reading one's own entity.
        default = (f"identity/entity/name/patchline-{role}", "sys/wrapping/wrap") if role in PEOPLE else ()
        asked = [one for one in NOBODY_MAY if one[1] not in default or (one[0] == "post" and "entity" in one[1])]
        assert [one[1] for one in asked if may(connection, *one)] == [], role


def test_each_role_signs_with_its_own_key_and_no_other(connections):
    own = {**{role: role for role in KEYS}, **{person: f"approver-{person}" for person in PEOPLE}}
    keys = sorted(own.values())
    for role, connection in connections.items():
        signs = [key for key in keys if may(connection, "post", f"signing/sign/{key}", SIGN)]
        reads = [key for key in keys if may(connection, "get", f"signing/keys/{key}")]
        assert signs == reads == ([own[role]] if role in own else []), role


def test_nobody_signs_a_digest_or_several_at_once_or_in_another_form(connections):
    for wish in (
        {**SIGN, "prehashed": True},
        {**SIGN, "hash_algorithm": "sha1"},
        {**SIGN, "marshaling_algorithm": "jws"},
        {"batch_input": [SIGN]},
        {**SIGN, "context": "eA=="},
    ):
        assert not may(connections["release"], "post", "signing/sign/release", wish)
        assert not may(connections["ada"], "post", "signing/sign/approver-ada", wish)
    assert not may(connections["release"], "post", "signing/sign/release/sha2-512", SIGN)


def test_only_the_broker_reaches_credentials_of_loans_and_never_those_of_the_team(connections):
    path = "setups/data/lab/loan/l1/ssh"
    assert [role for role in connections if may(connections[role], "post", path, SECRET)] == ["broker"]
    assert [role for role in connections if may(connections[role], "get", path)] == ["broker"]
    for trick in ("setups/data/lab/loan/../team/ssh", "setups/data/lab/loan/l1/../../team/ssh", "setups/data/team/ssh"):
        assert not may(connections["broker"], "get", trick)


def test_approver_is_bound_to_the_entity_and_not_to_a_name_that_a_login_gives(ready):
    """Somebody who may log in, but whom nobody made an approver, gets no key by calling themselves ada."""
    ready.root.adapter.post("/v1/sys/auth/other", json={"type": "userpass"})
    ready.root.adapter.post(
        "/v1/auth/other/users/ada", json={"password": PASSWORD, "token_policies": "patchline-approver"}
    )
    login = {"password": PASSWORD}
    token = ready.bao.client(namespace=ready.name).adapter.post("/v1/auth/other/login/ada", json=login)["auth"][
        "client_token"
    ]
    forged = Connection(ready.server, OwnToken(token))
    assert not may(forged, "post", "signing/sign/approver-ada", SIGN)
    assert not may(forged, "post", "signing/sign/approver-", SIGN)


def test_roles_sign_through_their_own_logins(ready):
    for connection, key in ((as_role(ready, "release"), "release"), (as_person(ready, "ada"), "approver-ada")):
        signer = open_transit(connection, KeyName("signing", key))
        verify_signature(signer.public, signer.sign(b"data"), b"data")


def test_secret_id_opens_one_login_of_its_own_role(ready):
    secret = ready.bao.client(ready.wrapped("patchline-release"), ready.name).sys.unwrap()["data"]["secret_id"]
    login = {"role_id": role_ids(ready.admin)["release"], "secret_id": secret}
    anonymous = ready.bao.client(namespace=ready.name)
    answer = anonymous.adapter.post("/v1/auth/approle/login", json=login)["auth"]
    assert answer["policies"] == ["patchline-release"] and answer["lease_duration"] == 1200
    again = Connection(Server(ready.bao.address, ready.name), OwnToken(answer["client_token"]))
    assert (
        refused(again.ask, "x", lambda vault: vault.adapter.post("/v1/auth/approle/login", json=login)) == "vault.login"
    )


# The commands


def test_prepare_and_status_on_the_command_line(space, tmp_path):
    environment = {**space.environment(), "PATCHLINE_HOME": str(tmp_path)}
    lacking = run("patchline", "vault", "status", "--json", environment=environment, expect=30).document
    assert "state" in lacking, lacking
    assert lacking["state"] == "active" and abs(lacking["clock_skew"]) < 20
    made = run("patchline", "vault", "prepare", "--json", environment=environment).document
    assert set(made["roles"]) == set(ROLES)
    run("patchline", "vault", "prepare", "--approver", "ada", environment=environment, expect=2)
    options = ["--approver", "ada", "--login", "userpass"]
    told = run("patchline", "vault", "prepare", *options, "--json", environment=environment, expect=30)
    assert told.document["error"] == "vault.prepare"
    space.root.adapter.post("/v1/sys/auth/userpass", json={"type": "userpass"})
    assert "made       approver ada" in run("patchline", "vault", "prepare", *options, environment=environment).out
    assert "approver ada" in run("patchline", "vault", "prepare", *options, environment=environment).out
    shown = run("patchline", "vault", "status", environment=environment).out
    assert "missing" not in shown and space.bao.root not in shown


def test_status_tells_a_server_that_does_not_answer(tmp_path):
    environment = {"PATCHLINE_VAULT_ADDRESS": "http://127.0.0.1:9", "PATCHLINE_HOME": str(tmp_path)}
    told = run("patchline", "vault", "status", "--json", environment=environment, expect=30).document
    assert told["error"] == "vault.unreachable"
