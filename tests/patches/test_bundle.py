import copy
import dataclasses
import hashlib
import io
import os
import subprocess
import tarfile
from datetime import datetime
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchline.patches import archive, bundle, compression
from patchline.patches.errors import BuildError, PatchlineError
from patchline.patches.manifest import Manifest
from patchline.patches.trust import Trust
from patchline.patches.verify import Sidecars, verify
from tests.samples import ABSENT, NEW, OLD, entry, file_state, manifest_document, sha256
from tests.vectors.release import deliver

BODIES = [b"", b"x", b"two\n" * 700, bytes(range(256)) * 2, b"large" * 60_000]


class Memory:
    """A store in memory."""

    def __init__(self):
        self.contents = {}

    def write(self, member, chunks):
        self.contents[member.name] = b"".join(chunks)


def verified_for(manifest, bundle_bytes):
    """Return what verify makes of a manifest whose provenance names this one container."""
    delivery = deliver(manifest=manifest.data, bundle=bundle_bytes)
    sidecars = Sidecars(delivery.provenance, delivery.approvals)
    return verify(manifest.data, sidecars, Trust.parse(delivery.trust), datetime.fromisoformat(delivery.now))


def manifest_of(bodies):
    files = [entry(f"{place}.txt", ABSENT, file_state(body)) for place, body in enumerate(bodies)]
    return Manifest.from_document(manifest_document(files, guidance=["none"]))


def source_of(bodies):
    contents = {sha256(body): body for body in bodies}
    return lambda member: [contents[member.sha256]]


def write(folder, bodies=tuple(BODIES), name="HF-2026-0001-r1.hotfix", **options):
    path = folder / name
    manifest = manifest_of(bodies)
    return path, manifest, bundle.write(path, manifest, source_of(bodies), **options).container


def stage(path, verified, store=None):
    with bundle.open_container(path) as container:
        return bundle.stage(verified, container, store or Memory())


def refusal(path, verified, store=None):
    with pytest.raises(PatchlineError) as caught:
        stage(path, verified, store)
    assert caught.value.hint
    return caught.value.code


def outer(members):
    stream = io.BytesIO()
    writer = archive.TarWriter(stream)
    for name, data in members:
        writer.add(name, len(data), [data])
    writer.close()
    return stream.getvalue()


def packed(members):
    stream = io.BytesIO()
    writer = compression.GzipWriter(stream)
    writer.write(outer(members))
    writer.close()
    return stream.getvalue()


def payload_members(manifest, bodies):
    contents = {sha256(body): body for body in bodies}
    return [(member.name, contents[member.sha256]) for member in manifest.payload] + [("README.txt", manifest.readme())]


def container_with(manifest, members):
    parts = [("format", b"1\n"), ("manifest.json", manifest.data), ("payload.tar.gz", packed(members))]
    return outer(parts)


def open_bytes(data):
    return bundle.Container(io.BytesIO(data))


def payload_refusal(manifest, members):
    with pytest.raises(PatchlineError) as caught:
        bundle.inspect(open_bytes(container_with(manifest, members)), bundle.NullStore())
    return caught.value.code


def test_staging_gives_back_every_member_and_the_file_digest(tmp_path):
    path, manifest, digest = write(tmp_path)
    assert digest == sha256(path.read_bytes())
    store = Memory()
    staged = stage(path, verified_for(manifest, path.read_bytes()), store)
    assert (staged.manifest, staged.container) == (manifest, digest)
    assert store.contents == {f"files/{sha256(body)}": body for body in BODIES}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=8))
def test_bundle_of_any_contents_comes_back(tmp_path, bodies):
    path, manifest, _ = write(tmp_path, bodies, overwrite=True)
    store = Memory()
    stage(path, verified_for(manifest, path.read_bytes()), store)
    assert sorted(store.contents.values()) == sorted(set(bodies))


def test_writing_twice_gives_the_same_bytes(tmp_path):
    first, _, _ = write(tmp_path, name="a.hotfix")
    os.umask(os.umask(0o077))
    second, _, _ = write(tmp_path, name="b.hotfix")
    assert first.read_bytes() == second.read_bytes()


def test_inner_tar_is_the_same_with_either_compressor(tmp_path, monkeypatch):
    tars = []
    for name in ("zlib", "zlib_ng.zlib_ng"):
        monkeypatch.setattr(compression, "engine", pytest.importorskip(name))
        path, manifest = tmp_path / f"{name}.hotfix", manifest_of(BODIES)
        written = bundle.write(path, manifest, source_of(BODIES))
        limit = archive.archive_size([len(manifest.readme()), *(member.size for member in manifest.payload)])
        with tarfile.open(path) as tar:
            reader = compression.GzipReader(tar.extractfile("payload.tar.gz"), limit, what="payload")
            tars.append(b"".join(iter(reader.read, b"")))
        assert written.payload == sha256(tars[-1])
    assert tars[0] == tars[1]
    assert len(tars[0]) == limit


def test_plain_tar_opens_bundle_and_payload_without_a_word(tmp_path):
    path, manifest, _ = write(tmp_path)
    for name in (path, tmp_path / "payload.tar.gz"):
        done = subprocess.run(["tar", "-xvf", name, "-C", tmp_path], capture_output=True, check=True, text=True)
        assert done.stderr == ""
    assert done.stdout.split() == [*(member.name for member in manifest.payload), "README.txt"]
    assert (tmp_path / "manifest.json").read_bytes() == manifest.data
    assert (tmp_path / "README.txt").read_bytes() == manifest.readme()
    check = subprocess.run(["tar", "-tf", path], capture_output=True, check=True, text=True)
    assert check.stdout.split() == ["format", "manifest.json", "payload.tar.gz"]


@pytest.mark.parametrize("given", [b"other", b"", b"x" * 9])
def test_source_that_changed_leaves_no_file(tmp_path, given):
    manifest = manifest_of([b"12345"])
    with pytest.raises(BuildError) as caught:
        bundle.write(tmp_path / "x.hotfix", manifest, lambda member: [given])
    assert caught.value.code == "build.source-changed"
    assert list(tmp_path.iterdir()) == []


def test_existing_bundle_is_not_replaced_unasked(tmp_path):
    path, _, _ = write(tmp_path)
    before = path.read_bytes()
    with pytest.raises(PatchlineError) as caught:
        write(tmp_path, [b"other"])
    assert caught.value.code == "refused.file-exists"
    assert path.read_bytes() == before


def test_disk_that_fills_up_leaves_no_file(tmp_path):
    program = (
        "import resource, sys; from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "import os; from tests.patches import test_bundle\n"
        "from patchline.patches.errors import PatchlineError\n"
        "try: test_bundle.write(Path(sys.argv[1]), [os.urandom(300_000)])\n"
        "except PatchlineError as error: print(error.code)\n"
    )
    done = subprocess.run([os.sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "state.disk-full\n"
    assert list(tmp_path.iterdir()) == []


def test_only_stage_makes_a_verified_bundle(tmp_path):
    path, manifest, digest = write(tmp_path)
    verified = verified_for(manifest, path.read_bytes())
    with pytest.raises(TypeError):
        bundle.VerifiedBundle(verified, digest, object())
    staged = stage(path, verified)
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(staged, container="0" * 64)
    with pytest.raises(dataclasses.FrozenInstanceError):
        staged.container = "0" * 64
    assert copy.copy(staged) == staged
    assert not isinstance(bundle.inspect(open_bytes(path.read_bytes()), bundle.NullStore()), bundle.VerifiedBundle)


def test_only_a_verified_manifest_is_staged_and_a_container_once(tmp_path):
    path, manifest, digest = write(tmp_path)
    forged = SimpleNamespace(manifest=manifest, containers=frozenset([digest]))
    with pytest.raises(TypeError, match="only what verify made"):
        stage(path, forged)
    with bundle.open_container(path) as container:
        bundle.inspect(container, bundle.NullStore())
        with pytest.raises(RuntimeError, match="read once"):
            bundle.inspect(container, bundle.NullStore())


def test_container_that_the_provenance_does_not_name_is_not_verified(tmp_path):
    path, manifest, _ = write(tmp_path)
    assert refusal(path, verified_for(manifest, b"other")) == "verification.container"


def test_bundle_of_another_revision_is_refused(tmp_path):
    path, _, _ = write(tmp_path)
    assert refusal(path, verified_for(manifest_of([b"other"]), path.read_bytes())) == "bundle.other-manifest"


def test_every_flipped_byte_is_refused_by_an_error_of_ours(tmp_path):
    path, manifest, _ = write(tmp_path, [b"", b"abc", b"line\n" * 200])
    good = path.read_bytes()
    verified = verified_for(manifest, path.read_bytes())
    bundle.stage(verified, open_bytes(good), Memory())
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        with pytest.raises(PatchlineError):
            bundle.stage(verified, open_bytes(bytes(bad)), Memory())


def test_every_cut_and_every_added_byte_is_refused(tmp_path):
    path, manifest, _ = write(tmp_path, [b"abc"])
    good = path.read_bytes()
    verified = verified_for(manifest, path.read_bytes())
    for data in [*(good[:length] for length in range(0, len(good), 97)), good + b"\0", good + good]:
        with pytest.raises(PatchlineError):
            bundle.stage(verified, open_bytes(data), Memory())


def test_member_with_other_content_never_ends_well_in_the_store():
    manifest = manifest_of([b"12345"])
    ended = []

    class Watching:
        def write(self, member, chunks):
            list(chunks)
            ended.append(member)

    data = container_with(manifest, [(manifest.payload[0].name, b"1234x"), ("README.txt", manifest.readme())])
    with pytest.raises(PatchlineError) as caught:
        bundle.inspect(open_bytes(data), Watching())
    assert caught.value.code == "bundle.member-digest"
    assert ended == []


def test_store_that_does_not_read_is_a_bug_that_shows(tmp_path):
    path, manifest, _ = write(tmp_path, [b"large" * 200_000])
    with pytest.raises(TypeError, match="did not read"):
        stage(path, verified_for(manifest, path.read_bytes()), SimpleNamespace(write=lambda member, chunks: None))


def test_payload_that_differs_from_the_manifest_is_refused_by_its_own_code():
    manifest = manifest_of(BODIES)
    members = payload_members(manifest, BODIES)
    bundle.inspect(open_bytes(container_with(manifest, members)), bundle.NullStore())
    extra = ("files/" + "f" * 64, b"")
    readme = members[-1]
    cases = {
        "archive.unknown-member": [extra, *members],
        "archive.missing-member": members[1:],
        "archive.member-order": [*members[1:-1], members[0], readme],
        "archive.duplicate-member": [members[0], *members],
        "bundle.member-size": [(members[0][0], members[0][1] + b"x"), *members[1:]],
        "bundle.readme": [*members[:-1], ("README.txt", b"-" + readme[1][1:])],
    }
    for code, changed in cases.items():
        assert payload_refusal(manifest, changed) == code


def test_nothing_but_a_bundle_is_opened(tmp_path):
    fifo, folder, empty = tmp_path / "fifo", tmp_path / "folder", tmp_path / "empty"
    os.mkfifo(fifo)
    folder.mkdir()
    empty.touch()
    gz = tmp_path / "gz"
    gz.write_bytes(compression.HEADER)
    zipped = tmp_path / "official.zip"
    subprocess.run([os.sys.executable, "-m", "zipfile", "-c", zipped, empty], check=True)
    tar = tmp_path / "x.tar"
    subprocess.run(["tar", "-cf", tar, "-C", tmp_path, "empty"], check=True)
    text = tmp_path / "text"
    text.write_text("hello")
    for path in (fifo, folder, empty, gz, zipped, tar, text):
        with pytest.raises(PatchlineError) as caught, bundle.open_container(path):
            pass
        assert caught.value.code == "bundle.not-a-bundle"
        assert ".hotfix" in caught.value.hint


def test_missing_file_is_not_found(tmp_path):
    with pytest.raises(PatchlineError) as caught, bundle.open_container(tmp_path / "none.hotfix"):
        pass
    assert caught.value.code == "not-found.file"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"2\n", "bundle.format"),
        (b"1", "bundle.format-number"),
        (b"one\n", "bundle.format-number"),
        (b"1\n" * 40, "bundle.format-number"),
    ],
)
def test_other_formats_are_refused(text, code):
    with pytest.raises(PatchlineError) as caught:
        open_bytes(outer([("format", text)]))
    assert caught.value.code == code


def test_huge_manifest_is_refused_before_it_is_read():
    with pytest.raises(PatchlineError) as caught:
        open_bytes(outer([("format", b"1\n")])[:-1024] + archive.header("manifest.json", 1 << 30))
    assert caught.value.code == "document.too-large"


def test_bundle_is_read_from_a_pipe(tmp_path):
    path, manifest, digest = write(tmp_path)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE, bufsize=0) as cat:
        found = bundle.inspect(bundle.Container(cat.stdout), bundle.NullStore())
    assert (found.manifest, found.container) == (manifest, digest)


def test_stream_that_fails_gives_an_error_of_ours():
    class Broken:
        def read(self, size):
            raise OSError(5, "Input/output error", "usb.hotfix")

    with pytest.raises(PatchlineError) as caught:
        bundle.Container(Broken())
    assert caught.value.code == "state.input-output"


def test_config_files_carry_their_accepted_pre_images(tmp_path):
    document = manifest_document([entry("a.ini", file_state(OLD), file_state(NEW), **{"class": "config"})])
    manifest = Manifest.from_document(document)
    bundle.write(tmp_path / "x.hotfix", manifest, source_of([OLD, NEW]))
    store = Memory()
    path = tmp_path / "x.hotfix"
    stage(path, verified_for(manifest, path.read_bytes()), store)
    assert sorted(store.contents) == [f"base/{hashlib.sha256(OLD).hexdigest()}", f"files/{sha256(NEW)}"]
