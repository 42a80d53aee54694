import filecmp
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pytest

from patchline.patches import bundle
from patchline.patches.errors import PatchlineError
from patchline.patches.trust import Trust
from patchline.patches.verify import Sidecars, verify
from tests.samples import ABSENT, entry, file_state
from tests.vectors import generate, material
from tests.vectors.cases import CASES, committed
from tests.vectors.packing import gzip, member, tar
from tests.vectors.release import deliver

MOST_MIB, MOST_SECONDS, MOST_COMMITTED = 100, 2, 1_200_000
STAGED = re.compile(r"(base|files|scripts)(/[0-9a-f]{64})?")
SIGNED = re.compile(r"(approvals|emergency|policy|provenance|trust|scope)-.*|good.*")


@dataclass
class Doorkeeper:
    """A process beside the tests through which deliveries pass one by one."""

    process: subprocess.Popen

    def enter(self, **order):
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def doorkeeper(*options):
    program = [sys.executable, "-m", "tests.vectors.door", *options]
    repository = Path(__file__).parents[2]
    return subprocess.Popen(program, cwd=repository, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture(scope="session")
def compiled():
    with doorkeeper() as process:
        yield Doorkeeper(process)
        process.stdin.close()


@pytest.fixture(scope="session")
def pure():
    with doorkeeper("--pure") as process:
        yield Doorkeeper(process)
        process.stdin.close()


def snapshot(folder):
    return {
        path: (path.lstat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
        if "staging" not in path.relative_to(folder).parts[:1]
    }


def deliver_to(folder, delivery):
    """Lay a delivery out beside an empty staging folder and a root that must not change; returns the order for it."""
    order = {"now": delivery.now, "staging": str(folder / "staging"), "root": str(folder / "root")}
    (folder / "staging").mkdir()
    (folder / "root").mkdir()
    (folder / "root" / "x").write_text("the customer's")
    for part, name in generate.FILES.items():
        (folder / name).write_bytes(getattr(delivery, part))
        order[part] = str(folder / name)
    return order


def check(case, folder, door):
    order = deliver_to(folder, case.make())
    before = snapshot(folder)
    found = door.enter(**order)
    assert (found["code"], found["kind"]) == (case.code, None)
    assert found.get("emergency") == case.emergency
    assert case.code is None or (found["message"] and found["hint"])
    assert found["mib"] < MOST_MIB
    assert found["seconds"] < MOST_SECONDS
    assert snapshot(folder) == before
    staged = [path.relative_to(order["staging"]).as_posix() for path in Path(order["staging"]).rglob("*")]
    assert all(STAGED.fullmatch(name) for name in staged)


@pytest.mark.parametrize("name", CASES)
def test_vector_has_its_outcome_and_leaves_everything_else_alone(name, tmp_path, compiled):
    check(CASES[name], tmp_path, compiled)


@pytest.mark.parametrize("name", [name for name in CASES if SIGNED.fullmatch(name)])
def test_vector_has_the_same_outcome_without_compiled_packages(name, tmp_path, pure):
    check(CASES[name], tmp_path, pure)


def test_committed_vectors_are_what_the_generator_makes(tmp_path):
    generate.write(tmp_path)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
    assert made == {path.relative_to(generate.DATA) for path in generate.DATA.rglob("*")}, "run: make vectors"
    files = [str(path) for path in made if (tmp_path / path).is_file() and CASES[path.parts[0]].exact]
    _, differing, errors = filecmp.cmpfiles(tmp_path, generate.DATA, files, shallow=False)
    assert (differing, errors) == ([], []), "run: make vectors"


def test_committed_vectors_stay_small():
    assert sum(path.stat().st_size for path in generate.DATA.rglob("*") if path.is_file()) < MOST_COMMITTED


@pytest.mark.parametrize("name", [case.name for case in committed() if not case.exact])
def test_committed_vector_that_zlib_made_still_has_its_outcome(name, tmp_path, compiled):
    folder = generate.DATA / name
    expected = json.loads((folder / "expect.json").read_text())
    paths = {part: str(folder / expected[part]) for part in generate.FILES}
    found = compiled.enter(**paths, now=expected["now"], staging=str(tmp_path), root=str(tmp_path))
    assert found["code"] == expected["code"] == CASES[name].code


def test_every_kind_of_archive_error_of_reading_has_a_vector():
    from patchline.patches.errors import ArchiveError

    covered = {case.code for case in CASES.values()}
    only_writing = {"name", "source-size", "member-too-large"}
    assert {f"archive.{code}" for code in ArchiveError.hints.keys() - only_writing} <= covered


# A flipped byte

CONTENT = b"content\n" * 20
DOCUMENT = material.document([entry("a.txt", ABSENT, file_state(CONTENT))])


@pytest.fixture(scope="module")
def small():
    """A delivery as small as can be, with exactly as many approvals as are needed."""
    manifest = material.canonical(DOCUMENT)
    parts = [member(f"files/{material.sha256(CONTENT)}", CONTENT), member("README.txt", material.readme(DOCUMENT))]
    return deliver(manifest=manifest, bundle=material.container(manifest, gzip(tar(parts))))


def flipped(data, places):
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        yield place, bytes(changed)


def enter(container, sidecars, trust, now):
    verified = verify(container.manifest, sidecars, trust, now)
    return bundle.stage(verified, container, bundle.NullStore())


def test_small_delivery_is_accepted_unchanged_and_has_no_approval_to_spare(small):
    trust, now = Trust.parse(small.trust), datetime.fromisoformat(small.now)
    enter(bundle.Container(BytesIO(small.bundle)), Sidecars(small.provenance, small.approvals), trust, now)
    fewer = Sidecars(small.provenance, small.approvals.splitlines(keepends=True)[0])
    with pytest.raises(PatchlineError) as caught:
        enter(bundle.Container(BytesIO(small.bundle)), fewer, trust, now)
    assert caught.value.code == "approval.quorum"


@pytest.mark.parametrize("part", ["provenance", "approvals"])
@pytest.mark.parametrize("share", range(4))
def test_byte_flipped_anywhere_in_a_sidecar_is_refused(small, part, share):
    trust, now = Trust.parse(small.trust), datetime.fromisoformat(small.now)
    parts = {"provenance": small.provenance, "approvals": small.approvals}
    for place, changed in flipped(parts[part], range(share, len(parts[part]), 4)):
        with pytest.raises(PatchlineError):
            enter(bundle.Container(BytesIO(small.bundle)), Sidecars(**{**parts, part: changed}), trust, now)
            pytest.fail(f"byte {place} of {part}")


@pytest.mark.parametrize("share", range(4))
def test_byte_flipped_anywhere_in_the_bundle_is_refused(small, share):
    trust, now = Trust.parse(small.trust), datetime.fromisoformat(small.now)
    sidecars = Sidecars(small.provenance, small.approvals)
    for place, changed in flipped(small.bundle, range(share, len(small.bundle), 4)):
        with pytest.raises(PatchlineError):
            enter(bundle.Container(BytesIO(changed)), sidecars, trust, now)
            pytest.fail(f"byte {place} of the bundle")
