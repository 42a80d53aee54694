import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from patchline.patches import paths
from patchline.patches.errors import ManifestError

ODD = [
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a.",
    "a./b",
    "-a",
    "a/-b",
    "a ",
    "a\n",
    "a/\n",
    ".patchline/x",
    "é",
]


def refused(path):
    try:
        paths.check_path(path, ["linux"])
    except ManifestError as error:
        return error.code
    return None


@given(st.text(st.sampled_from("aZ0_-+./ \n"), max_size=12))
@example("a\n")
@example("a/\n")
def test_path_that_is_let_pass_at_once_breaks_no_rule(path):
    if paths._PLAIN.fullmatch(path):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(paths, "_PLAIN", paths.re.compile(r"(?!)"))
            assert refused(path) is None


@pytest.mark.parametrize("path", ODD)
def test_odd_path_is_never_let_pass_at_once(path):
    assert not paths._PLAIN.fullmatch(path)


def test_long_and_short_paths_go_by_the_same_rules():
    assert refused("a" * 256) == "manifest.path-component-too-long"
    assert refused("/".join(["a" * 200] * 5)) is None
    assert refused("lib/module.py") is None
