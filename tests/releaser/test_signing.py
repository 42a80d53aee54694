import subprocess

import pytest

from patchline.patches import bundle, documents
from patchline.patches.envelopes import read_sidecar
from patchline.patches.errors import PatchlineError
from patchline.patches.policy import Purpose
from patchline.patches.provenance import provenance_payload
from patchline.patches.release import check_release, release_line
from patchline.patches.statements import Approval, Subject
from patchline.patches.verify import verify
from patchline.releaser import signing
from tests import vendor
from tests.samples import NEW
from tests.vendor import NOW, manifest, policy_document, policy_key, signer, trust


def refused(function, *arguments, **options):
    with pytest.raises(PatchlineError) as caught:
        function(*arguments, **options)
    assert caught.value.hint
    return caught.value.code


def built(folder, name="HF-2026-0001-r1.hotfix", **changes):
    """Write a bundle and the statement beside it, as `build` does."""
    hotfix, path = manifest(**changes), folder / name
    written = bundle.write(path, hotfix, lambda member: [NEW])
    payload = provenance_payload(hotfix, [Subject(name, written.container)], vendor.RECORD)
    signing.sidecar_path(path, signing.STATEMENT).write_bytes(payload)
    return path


@pytest.fixture
def path(tmp_path):
    return built(tmp_path)


@pytest.fixture
def signed(path):
    signing.sign_provenance(path, signer("builder"))
    return path


def approve(path, by, against=None, **options):
    return signing.approve(signing.read_bundle(path), signer(by), against or trust(), NOW, **options)


def release(path, by="release", against=None):
    return signing.release(signing.read_bundle(path), signer(by), against or trust(), NOW)


def test_signed_approved_and_released_bundle_is_what_a_site_verifies(signed):
    for by in ("ada", "ben"):
        assert approve(signed, by).name == "HF-2026-0001-r1.hotfix.approvals.jsonl"
    verified = release(signed)
    read = signing.read_bundle(signed)
    assert verify(read.manifest.data, signing.read_sidecars(signed), trust(), NOW) == verified
    with bundle.open_container(signed) as container:
        assert bundle.stage(verified, container, bundle.NullStore()).container == read.container


def test_emergency_is_approved_for_named_customers_within_the_policys_rule(signed):
    rule = {"role": "security", "max_hours": 24, "threshold": 1}
    against = trust(policy_document(emergency=rule), customer="c-1")
    to_one = {"against": against, "scope": frozenset(["c-1"])}
    assert refused(approve, signed, "ben", against, emergency=12) == "usage.options"
    assert refused(approve, signed, "ben", **to_one, emergency=25) == "approval.emergency-hours"
    assert refused(approve, signed, "ben", scope=to_one["scope"], emergency=12) == "approval.emergency-none"
    approve(signed, "ben", **to_one, emergency=12)
    read = signing.read_bundle(signed)
    assert verify(read.manifest.data, signing.read_sidecars(signed), against, NOW).emergency == 12


def test_release_is_checked_by_stock_tools_alone(signed):
    approve(signed, "ada"), approve(signed, "ben"), release(signed)
    (signed.parent / "release.pem").write_text(signer("release").public.to_pem())
    name = signed.name
    command = f"openssl dgst -sha256 -verify release.pem -signature {name}.sha256.sig {name}.sha256"
    done = subprocess.run(
        f"{command} && sha256sum --strict -c {name}.sha256",
        shell=True,
        cwd=signed.parent,
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode() == f"Verified OK\n{name}: OK\n", done.stderr


def test_bundle_is_read_whole_before_anything_is_signed(path):
    content = bytearray(path.read_bytes())
    content[-2000] ^= 1
    path.write_bytes(content)
    assert refused(signing.sign_provenance, path, signer("builder")).split(".")[0] in ("archive", "bundle")


def test_statement_of_another_bundle_is_not_signed(path, tmp_path):
    other = built(tmp_path, "other.hotfix", revision=2)
    statement = signing.sidecar_path(path, signing.STATEMENT)
    statement.write_bytes(signing.sidecar_path(other, signing.STATEMENT).read_bytes())
    assert refused(signing.sign_provenance, path, signer("builder")) == "statement.revision"


def test_statement_of_a_bundle_packed_anew_is_not_signed(path):
    wrong = provenance_payload(manifest(), [Subject(path.name, "0" * 64)], vendor.RECORD)
    signing.sidecar_path(path, signing.STATEMENT).write_bytes(wrong)
    assert refused(signing.sign_provenance, path, signer("builder")) == "statement.container"
    assert not signing.sidecar_path(path, signing.PROVENANCE).exists()


def test_missing_statement_is_a_clear_error(path):
    signing.sidecar_path(path, signing.STATEMENT).unlink()
    assert refused(signing.sign_provenance, path, signer("builder")) == "not-found.file"


def test_signing_twice_leaves_one_line_and_keeps_those_of_others(signed):
    signing.sign_provenance(signed, signer("builder"))
    signing.sign_provenance(signed, signer("another-builder"))
    lines = read_sidecar(signing.read_sidecars(signed).provenance, "x")
    assert len(lines) == 2
    approve(signed, "ada"), approve(signed, "ada"), approve(signed, "ben")
    assert len(read_sidecar(signing.read_sidecars(signed).approvals, "x")) == 2


@pytest.mark.parametrize(
    ("by", "code"),
    [
        ("mallory", "approval.unknown-key"),
        ("release", "approval.purpose"),
        ("builder", "approval.purpose"),
        ("bob", "approval.builder"),
    ],
)
def test_key_that_would_not_count_does_not_approve(signed, by, code):
    assert refused(approve, signed, by) == code
    assert not signing.sidecar_path(signed, signing.APPROVALS).exists()


def test_author_cannot_approve_own_hotfix(tmp_path):
    path = built(tmp_path, contributors=["ada"])
    signing.sign_provenance(path, signer("builder"))
    assert refused(approve, path, "ada") == "approval.contributor"


@pytest.mark.parametrize(("status", "code"), [("revoked", "revoked"), ({"retired": []}, "retired")])
def test_key_out_of_use_does_not_approve(signed, status, code):
    persons = {**vendor.PERSONS, "ada": [policy_key("ada", status=status)]}
    assert refused(approve, signed, "ada", trust(policy_document(persons))) == f"approval.{code}"


def test_unsigned_recalled_foreign_or_expired_bundles_are_not_approved(path, tmp_path):
    assert refused(approve, path, "ada") == "statement.provenance-missing"
    signing.sign_provenance(path, signer("builder"))
    digest = signing.read_bundle(path).manifest.digest
    assert refused(approve, path, "ada", trust(policy_document(recalls=[digest]))) == "recalled.policy"
    expired = trust().root.expires
    bundle_file = signing.read_bundle(path)
    assert refused(signing.approve, bundle_file, signer("ada"), trust(), expired) == "expired.root"
    other = built(
        tmp_path,
        "other.hotfix",
        target={"product": "other", "baselines": ["1"], "platforms": ["linux"], "requires_products": []},
    )
    assert refused(approve, other, "ada") == "trust.other-product"


def test_container_that_the_builder_did_not_name_is_not_approved(signed, tmp_path):
    foreign = signing.BundleFile(signed, signing.read_bundle(signed).manifest, "0" * 64)
    assert refused(signing.approve, foreign, signer("ada"), trust(), NOW) == "statement.container"
    approve(signed, "ada"), approve(signed, "ben")
    assert refused(signing.release, foreign, signer("release"), trust(), NOW) == "statement.container"


def test_approval_says_scope_and_whether_it_was_rebuilt(signed, tmp_path):
    out = approve(signed, "ada", scope=frozenset(["c-2", "c-1"]), reproduced=True, out=tmp_path / "ada.jsonl")
    [envelope] = read_sidecar(out.read_bytes(), "x")
    statement = Approval.parse(envelope.payload, "x")
    assert statement.scope == {"c-1", "c-2"} and statement.reproduced and statement.time == "2026-11-22T12:00:00Z"
    assert refused(approve, signed, "ada", out=out) == "refused.file-exists"


@pytest.mark.parametrize("scope", [frozenset(), frozenset(["all"]), frozenset(["a b"])])
def test_scope_must_name_customers(signed, scope):
    assert refused(approve, signed, "ada", scope=scope) == "usage.options"


def test_release_counts_the_quorum_as_a_site_would(signed):
    approve(signed, "ada")
    assert refused(release, signed) == "approval.quorum"
    assert not signing.sidecar_path(signed, signing.RELEASE_LINE).exists()


@pytest.mark.parametrize("by", ["ada", "mallory", "builder"])
def test_only_a_release_key_releases(signed, by):
    approve(signed, "ada"), approve(signed, "ben")
    assert refused(release, signed, by) == "statement.release-key"


def test_revoked_release_key_does_not_release(signed):
    approve(signed, "ada"), approve(signed, "ben")
    persons = {**vendor.PERSONS, "release": [policy_key("release", Purpose.RELEASE, status="revoked")]}
    assert refused(release, signed, against=trust(policy_document(persons))) == "statement.release-key"


def test_release_key_must_be_one_that_openssl_everywhere_can_check(signed):
    approve(signed, "ada"), approve(signed, "ben")
    persons = {**vendor.PERSONS, "release": [policy_key("ed-release", Purpose.RELEASE)]}
    assert refused(release, signed, "ed-release", trust(policy_document(persons))) == "usage.options"


# The release check


def test_release_check_knows_line_digest_and_key():
    policy = trust().policy
    line = release_line("a.hotfix", "0" * 64)
    signature = signer("release").sign(line)
    assert line == b"0" * 64 + b"  a.hotfix\n"
    assert check_release(line, signature, "0" * 64, "1" * 64, policy) == signer("release").public.keyid
    assert refused(check_release, line, signature, "2" * 64, "1" * 64, policy) == "statement.release-digest"
    by_ada = signer("ada").sign(line)
    assert refused(check_release, line, by_ada, "0" * 64, "1" * 64, policy) == "statement.release-signature"
    assert refused(check_release, line, b"", "0" * 64, "1" * 64, policy) == "statement.release-signature"
    for wrong in (line[:-1], line + b"x", line.replace(b"  ", b" *"), b"A" * 64 + b"  a\n", line * 2):
        assert refused(check_release, wrong, signature, "0" * 64, "1" * 64, policy) == "statement.release-line"


def test_retired_release_key_counts_for_what_is_listed():
    persons = {**vendor.PERSONS, "release": [policy_key("release", Purpose.RELEASE, status={"retired": ["1" * 64]})]}
    policy = trust(policy_document(persons)).policy
    line = release_line("a.hotfix", "0" * 64)
    signature = signer("release").sign(line)
    assert check_release(line, signature, "0" * 64, "1" * 64, policy)
    assert refused(check_release, line, signature, "0" * 64, "2" * 64, policy) == "statement.release-signature"


@pytest.mark.parametrize("name", ["a b", "a\nb", "../a", "-a", ""])
def test_odd_file_names_are_not_released(name):
    assert refused(release_line, name, "0" * 64) == "statement.release-line"


def test_sidecars_are_canonical(signed):
    approve(signed, "ada")
    for line in signing.read_sidecars(signed).approvals.splitlines():
        assert documents.decode(line, what="line")
