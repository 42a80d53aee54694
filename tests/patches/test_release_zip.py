import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchline.patches import release_zip, stored_zip
from patchline.patches.bundle import Container, NullStore
from patchline.patches.errors import NotFoundError, ZipError
from patchline.patches.release_zip import ReleaseZip, is_zip, open_release, write_release
from patchline.patches.verify import Sidecars, verify
from patchline.releaser.release_words import notes, readme
from tests import vendor, worlds
from tests.samples import fix
from tests.worlds import NOW, World

NAME = "HF-2026-0001-r1.hotfix"


@pytest.fixture
def bundle(tmp_path):
    """A bundle with provenance and approvals beside it, under the name of a release."""
    hotfix = World(tmp_path / "world", {"a.txt": b"old\n"}).hotfix({"a.txt": b"new\n"})
    for path in hotfix.path.parent.glob(f"{hotfix.path.name}*"):
        shutil.copy(path, tmp_path / path.name.replace(hotfix.path.name, NAME))
    return tmp_path / NAME


def test_release_comes_out_as_it_went_in_and_verifies(bundle, tmp_path):
    beside = {ending: f"what stands in {ending}".encode() for ending in (".sha256", ".sha256.sig", ".md")}
    for ending, data in beside.items():
        bundle.with_name(NAME + ending).write_bytes(data)
    write_release(tmp_path / "r1.zip", "read me\n", bundle)
    with open_release(tmp_path / "r1.zip") as release:
        assert (release.hotfix, release.revision) == ("HF-2026-0001", 1)
        assert release.readme == b"read me\n" and not release.has_client
        assert {ending: release.sidecar(ending) for ending in beside} == beside
        container = Container(release.open_bundle())
        sidecars = Sidecars(*(release.sidecar(ending) for ending in (".provenance.jsonl", ".approvals.jsonl")))
        verified = verify(container.manifest, sidecars, worlds.trust_for("demo"), NOW)
        assert container.read_payload(verified.manifest, NullStore()) in verified.containers


def test_same_release_makes_the_same_zip_and_any_program_opens_it(bundle, tmp_path):
    for name in ("one.zip", "two.zip"):
        write_release(tmp_path / name, "read me\n", bundle)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["README.txt", NAME, f"{NAME}.provenance.jsonl", f"{NAME}.approvals.jsonl"]
        assert archive.read(NAME) == bundle.read_bytes()


def test_client_comes_last_with_what_the_release_key_says_about_it(bundle, tmp_path):
    client = tmp_path / "patchline-site.pyz"
    for name in release_zip.CLIENT_FILES:
        client.with_name(name).write_bytes(name.encode())
    write_release(tmp_path / "r1.zip", "", bundle, client)
    with open_release(tmp_path / "r1.zip") as release:
        assert release.has_client
        assert {name: release.client_file(name) for name in release_zip.CLIENT_FILES} == {
            name: name.encode() for name in release_zip.CLIENT_FILES
        }


def test_client_without_its_signature_is_not_packed(bundle, tmp_path):
    client = tmp_path / "patchline-site.pyz"
    client.write_bytes(b"client")
    with pytest.raises(NotFoundError):
        write_release(tmp_path / "r1.zip", "", bundle, client)
    assert not (tmp_path / "r1.zip").exists()


def test_bundle_of_another_name_is_not_packed(bundle, tmp_path):
    other = bundle.rename(tmp_path / "fix.hotfix")
    with pytest.raises(ZipError) as refused:
        write_release(tmp_path / "r1.zip", "", other)
    assert refused.value.code == "zip.members"
    assert not (tmp_path / "r1.zip").exists()


def of(*names, size=1):
    out = BytesIO()
    stored_zip.write_members(out, [(name, size, BytesIO(bytes(size))) for name in names])
    return ReleaseZip(out, len(out.getvalue()), "r1.zip")


SIDES = [NAME + ending for ending in release_zip.SIDECARS]
CLIENTS = list(release_zip.CLIENT_FILES)


@given(st.sets(st.sampled_from(SIDES)), st.booleans())
def test_sidecars_may_be_missing_but_never_out_of_order(present, client):
    names = [name for name in SIDES if name in present] + (CLIENTS if client else [])
    assert of("README.txt", NAME, *names).has_client == client
    if len(names) > 1:
        with pytest.raises(ZipError):
            of("README.txt", NAME, *reversed(names))


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("README.txt",),
        (NAME, "README.txt"),
        ("README.txt", "HF-2026-0001.hotfix"),
        ("README.txt", "HF-2026-0001-r0.hotfix"),
        ("README.txt", "dir/HF-2026-0001-r1.hotfix"),
        ("README.txt", NAME, "HF-2026-0002-r1.hotfix"),
        ("README.txt", NAME, "HF-2026-0002-r1.hotfix.approvals.jsonl"),
        ("README.txt", NAME, "shop.trust"),
        ("README.txt", NAME, "patchline-site.pyz"),
        ("README.txt", NAME, "patchline-site.pyz", "patchline-site.pyz.sha256"),
        ("README.txt", NAME, *CLIENTS, SIDES[0]),
    ],
)
def test_zip_that_holds_anything_else_is_no_release(names):
    with pytest.raises(ZipError) as refused:
        of(*names)
    assert refused.value.code == "zip.members"


def test_sidecar_beyond_its_bound_is_refused_before_it_is_read():
    with pytest.raises(ZipError) as refused:
        of("README.txt", NAME, SIDES[2], size=1025)
    assert refused.value.code == "zip.member-too-large"


@given(st.binary(max_size=300))
def test_garbage_is_refused_by_one_clear_error(data):
    with pytest.raises(ZipError):
        ReleaseZip(BytesIO(data), len(data), "r1.zip")


def test_zip_is_told_by_its_first_bytes(bundle, tmp_path):
    write_release(tmp_path / "r1.zip", "", bundle)
    assert is_zip((tmp_path / "r1.zip").read_bytes()[:4]) and not is_zip(bundle.read_bytes()[:4])


def test_bundle_of_2_mib_streams_through_little_memory(tmp_path):
    data = bytes(range(256)) * 8192
    (tmp_path / NAME).write_bytes(data)
    write_release(tmp_path / "r1.zip", "", tmp_path / NAME)
    with open_release(tmp_path / "r1.zip") as release:
        stream, found = release.open_bundle(), b""
        while part := stream.read(70_000):
            assert len(part) <= 70_000
            found += part
        assert found == data and release.bundle_size == len(data)


README_LINES = (
    "BUG-1: Mend BUG-1 (CVE-2026-1234)",
    "Installations of demo 1.0 on linux.",
    "patchline-site apply ZIP",
    "openssl dgst -sha256 -verify release.pem",
    f"tar -tf {NAME}",
    "Not checked: approvals, recall, rollback.",
    "No trust file comes with a hotfix",
    "HF-2026-0001-r1 was applied on (date) at (site)",
    "restart the service app",
)


def test_readme_says_what_who_how_and_what_to_send_back():
    manifest = vendor.manifest(
        fixes=[fix("BUG-1", cve=["CVE-2026-1234"], symptom="It falls over.\nAgain.")],
        guidance=["restart-service:app", "manual:Tell your people."],
    )
    text = readme(manifest, "c" * 64)
    assert [line for line in README_LINES if line not in " ".join(text.split())] == []
    assert all(len(line) <= 78 or line.startswith("    ") for line in text.splitlines())
    assert text == readme(manifest, "c" * 64)


def test_notes_are_markdown_in_which_the_vendors_words_stay_words():
    manifest = vendor.manifest(fixes=[fix("BUG-1", title="Mend <b> and *star*")], notes="a [link](x)\n")
    text = notes(manifest)
    assert "## BUG-1: Mend \\<b\\> and \\*star\\*" in text and "a \\[link\\]\\(x\\)" in text
    assert "- change `app/a.txt`" in text


def test_folder_of_the_zip_must_be_there(bundle, tmp_path):
    with pytest.raises(NotFoundError):
        write_release(tmp_path / "nowhere" / "r1.zip", "", bundle)
    assert not Path(tmp_path / "nowhere").exists()
