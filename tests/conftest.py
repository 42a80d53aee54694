"""What every test gets: an empty home, nothing inherited from the person who runs it, and no silent skip."""

import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from patchline.patches import sealed

# Two slow cores under load say nothing about a property.
settings.register_profile("patchline", deadline=None)
settings.load_profile("patchline")

NOTHING_MAY_BE_SKIPPED = os.environ.get("PATCHLINE_REQUIRE_ALL") == "1"
EXHAUSTIVE = os.environ.get("PATCHLINE_EXHAUSTIVE") == "1"
"""Stop at every step there is (`make exhaustive`), not at every few; that takes an hour and more."""
LONG = ("test_demo.py", "test_bench.py", "test_pages.py", "test_log4j_day.py", "test_racing.py", "test_trying.py")
"""Where single tests take longest."""
_INHERITED = ("PATCHLINE_", "GIT_", "XDG_")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a home of its own, so that it neither sees nor changes anybody's settings."""
    folder = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(_INHERITED) or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / name.lower()))
    return folder


@pytest.fixture(autouse=True, scope="session")
def cheap_keys() -> Generator[None, None, None]:
    """Seal the keys that tests make in this process at the least cost; programs of their own seal as they always do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealed.create_sealed, "__defaults__", (sealed.CHEAPEST,))
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture
def shared_memory(tmp_path: Path) -> Generator[Path, None, None]:
    """Give a folder in memory where there is one: thousands of small writes are made durable in it."""
    fast = Path("/dev/shm")
    if not os.access(fast, os.W_OK | os.X_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=fast, prefix="patchline-") as folder:
        yield Path(folder) / "world"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if NOTHING_MAY_BE_SKIPPED:
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if NOTHING_MAY_BE_SKIPPED:
        _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped here, but this was: {reason}"
