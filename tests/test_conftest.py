import os
import shutil
import subprocess
import sys
from pathlib import Path

SKIPPING = """
import pytest

@pytest.mark.skip(reason="marked")
def test_marked(): pass

def test_inside(): pytest.skip("inside")

def test_works(): pass
"""


def ran(folder, **environment):
    shutil.copy(Path(__file__).parent / "conftest.py", folder / "conftest.py")
    (folder / "test_skipping.py").write_text(SKIPPING)
    (folder / "test_absent.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    line = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rs",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
        folder,
    ]
    done = subprocess.run(
        line, check=False, capture_output=True, text=True, cwd=folder, env={**os.environ, **environment}
    )
    return done.returncode, done.stdout


def test_skipped_test_is_named_with_its_reason(tmp_path):
    code, shown = ran(tmp_path)
    assert code == 0
    assert "1 passed, 3 skipped" in shown
    assert "marked" in shown and "inside" in shown and "no_such_module" in shown


def test_nothing_is_skipped_where_everything_is_required(tmp_path):
    code, shown = ran(tmp_path, PATCHLINE_REQUIRE_ALL="1")
    assert code != 0 and "skipped" not in shown.splitlines()[-1]
    assert "nothing may be skipped here, but this was: Skipped: inside" in shown
    assert "no_such_module" in shown
