import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from patchline.releaser.channel import Channel
from patchline.releaser.published import read_published
from patchline.releaser.stores import Store
from tests.channel_crashes import SCENES
from tests.channels import NOW, begun, keys, name, seen_by_tuf, zip_of
from tests.conftest import EXHAUSTIVE

STRIDE = 1 if EXHAUSTIVE else 7


@pytest.mark.parametrize("scene", SCENES)
def test_kill_at_any_step_leaves_a_whole_channel_and_trying_again_finishes(scene, tmp_path):
    line = [sys.executable, "-m", "tests.channel_crashes", scene, tmp_path / "here", str(STRIDE), "0"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3


PUBLISHER = """
import sys
from pathlib import Path
from patchline.releaser.channel import Channel
from patchline.releaser.stores import Store
from tests.channels import keys, publish
channel = Channel(Store.of_folder(Path(sys.argv[1])), keys())
print("ready", flush=True)
sys.stdin.readline()
for number in map(int, sys.argv[3:]):
    publish(channel, Path(sys.argv[2]), number)
    print(number, flush=True)
"""


def publishers(folder, scratch, *numbers):
    """Processes that begin to publish in the same instant."""
    scratch.mkdir(exist_ok=True)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, folder, scratch, *map(str, mine)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for mine in numbers
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    return started


def test_two_processes_publishing_at_once_both_end_well(tmp_path):
    store = Store.of_folder(tmp_path / "store")
    begun(store)
    for process in publishers(tmp_path / "store", tmp_path / "scratch", range(1, 5), range(5, 9)):
        process.communicate()
        assert process.returncode == 0
    everything = [name(number) for number in range(1, 9)]
    assert all(seen_by_tuf(store, tmp_path / "client", *everything).values())
    assert read_published(store).versions.timestamp == 9


def test_publisher_killed_while_another_one_publishes_harms_nothing(tmp_path):
    store = Store.of_folder(tmp_path / "store")
    begun(store)
    victim, other = publishers(tmp_path / "store", tmp_path / "scratch", range(1, 40), range(101, 105))
    assert victim.stdout.readline() == "1\n"
    victim.kill()
    told = {int(line) for line in victim.communicate()[0].split()} | {1}
    other.communicate()
    assert other.returncode == 0
    listed = set(read_published(store).targets)
    assert {name(number) for number in {*told, *range(101, 105)}} <= listed
    assert len(listed) <= len(told) + 5
    assert all(seen_by_tuf(store, tmp_path / "client", *listed).values())


def test_publishers_on_an_object_store_without_locks_lose_nothing(tmp_path):
    store = Store(MemoryStore())
    begun(store)

    def publish(numbers):
        channel = Channel(store, keys())
        for number in numbers:
            listed = channel.upload(name(number), zip_of(tmp_path, number))
            channel.change(lambda edit, listed=listed: edit.put(listed), NOW)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(publish, range(first, first + 3)) for first in (1, 4, 7)]:
            done.result()
    assert set(read_published(store).targets) == {name(number) for number in range(1, 10)}
    assert all(seen_by_tuf(store, tmp_path / "client", *map(name, range(1, 10))).values())
