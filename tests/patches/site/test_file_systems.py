import os
from pathlib import Path

import pytest

from patchline.patches.site import file_systems
from patchline.patches.site.area import Area
from patchline.patches.site.disk import Disk

MOUNTS = (
    "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "23 22 0:21 / /proc rw shared:5 - proc proc rw\n"
    "24 22 8:17 / /srv/a\\040b rw,noatime master:1 shared:2 - xfs /dev/sdb1 rw\n"
)


@pytest.mark.parametrize(
    ("major", "minor", "expected"), [(254, 0, "ext4"), (8, 17, "xfs"), (0, 21, "proc"), (9, 9, None)]
)
def test_type_of_a_file_system_is_found_by_its_device(tmp_path, major, minor, expected):
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert file_systems._type(tmp_path / "mountinfo", os.makedev(major, minor)) == expected


def test_without_a_list_of_mounts_no_type_is_known(tmp_path):
    assert file_systems._type(tmp_path / "none", 1) is None


@pytest.mark.parametrize(("release", "enough"), [("4.18.0-553.el8", False), ("5.8.0", True), ("6.18-x", True)])
def test_kernels_that_hide_errors_of_writing_are_not_trusted(release, enough):
    assert (file_systems._kernel(release) >= file_systems._REPORTS_ERRORS) == enough


def test_file_system_without_known_sync_is_left_to_single_syncs():
    descriptor = os.open("/proc", os.O_RDONLY)
    try:
        assert not file_systems.sync_whole(descriptor)
    finally:
        os.close(descriptor)


class Told(Disk):
    def __init__(self):
        super().__init__()
        self.steps = []

    def step(self, name, area, path, other=None, data=b""):
        self.steps.append(name)


@pytest.mark.parametrize("count", [2, 40])
def test_many_files_are_synced_at_once_and_few_one_by_one(tmp_path: Path, count):
    disk, area = Told(), Area(tmp_path)
    for number in range(count):
        disk.write_file(area, f"file-{number}", [b"content"])
    disk.sync()
    area.close()
    at_once = count > 16 and file_systems._known_to_be_enough(tmp_path.stat().st_dev)
    assert ("sync-whole" in disk.steps) == (count > 16)
    assert disk.steps.count("sync-file") == (0 if at_once else count)
    assert disk.steps.count("sync-folder") == (0 if at_once else 1)
