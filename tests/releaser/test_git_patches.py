import pytest

from patchline.releaser.git_patches import GitPatches
from tests.repositories import Repository

TEXT = "".join(f"line {number}\n" for number in range(30))


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "shop.git", bare=True)
    made.commit({"a.txt": TEXT.encode(), "b.bin": b"\0one"}, tag="v1")
    made.commit({"c.txt": b"other"}, tag="v2")
    return made


def mended(number):
    return TEXT.replace(f"line {number}\n", "mended\n").encode()


def test_same_change_made_again_elsewhere_is_found_by_its_patch_id(repository, tmp_path):
    fix = repository.commit({"a.txt": mended(5)}, "Mend it", branch="hotfix", parent="v1")
    again = repository.commit({"a.txt": mended(5)}, "Mend it, said otherwise", tag="v3")
    base = repository.git("rev-parse", "v1")
    with GitPatches(repository.path, tmp_path / "mirror") as store:
        assert store.there([fix]) and not store.there(["f" * 40])
        assert store.not_on([fix], again) == [fix] and store.not_on([fix], fix) == []
        assert store.same_changes([fix], base, again) == {fix: again}
        assert store.same_changes([fix], base, repository.git("rev-parse", "v2")) == {}


def test_binary_change_is_never_said_to_be_the_same(repository, tmp_path):
    fix = repository.commit({"b.bin": b"\0two"}, "Mend it", branch="hotfix", parent="v1")
    again = repository.commit({"b.bin": b"\0three"}, "Something else", tag="v3")
    with GitPatches(repository.path, tmp_path / "mirror") as store:
        assert store.same_changes([fix], repository.git("rev-parse", "v1"), again) == {}
