"""A stop that came while a change had to be finished: with --json one document tells both."""

import json
import signal
import subprocess
import time

import pytest

from patchline.patches.baselines import baseline_list
from tests.patches.site.test_commands import Customer, write_trust
from tests.programs import BIN
from tests.samples import OLD
from tests.worlds import put

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def customer(tmp_path, monkeypatch):
    monkeypatch.setenv("PATCHLINE_STATE", str(tmp_path / "state"))
    put(tmp_path / "app", {"a.txt": OLD})
    (tmp_path / "files.json").write_bytes(baseline_list("demo", "1.0", {"app": {}}))
    trust = write_trust(tmp_path / "demo.trust")
    made = Customer(tmp_path, tmp_path / "app", tmp_path / "demo.trust", trust.fingerprint)
    line = ("--root", made.root, "--product", "demo", "--baseline", "1.0", "--trust", made.trust)
    init_line = [BIN / "patchline-site", "init", *line, "--fingerprint", trust.fingerprint]
    subprocess.run(init_line, check=True, capture_output=True)
    return made


def stopped(customer, file, number, moment):
    """Apply, and send the signal once the moment has come; return the exit code and what was printed."""
    line = [BIN / "patchline-site", "apply", file, "--root", customer.root, "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            if moment():
                process.send_signal(number)
                process.send_signal(signal.SIGCONT)
                break
            process.send_signal(signal.SIGCONT)
            time.sleep(0.0005)
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("number", SIGNALS)
def test_finished_change_and_the_stop_that_came_meanwhile_are_one_document(customer, number):
    file = customer.bundle()
    journal = customer.folder / "state" / "journal"
    code, out, err = stopped(customer, file, number, lambda: b'"row":"forward"' in journal.read_bytes())
    assert "Traceback" not in err
    # The last two: the signal came when everything was done, before or after the handlers were given back.
    assert code in (128 + number, 0, -number)
    assert (customer.root / "lib" / "fresh.txt").exists()
    inventory = customer.document("inventory", "--check")
    assert inventory["unfinished"] is False and inventory["drift"] == []
    assert inventory["level"]["label"] == "1.0+HF-2026-0001-r1"
    document = json.loads(out)
    assert document["outcome"] == "applied" and document.get("stopped", number.name) == number.name
    assert ("stopped" in document) == (code == 128 + number)
