"""Names of devices and sizes of file systems."""

from __future__ import annotations

import os

from cri_shim.stats.devices import device_name, file_system


def test_a_device_without_a_node_is_named_by_its_numbers():
    """What the kernel has no block device for still gets a label of its own."""
    assert device_name(0, 4093) == "0:4093"


def test_the_file_system_of_a_directory(tmp_path):
    """Size and inodes are what statvfs says; a directory that is not there has none."""
    device = file_system(str(tmp_path))
    facts = os.statvfs(tmp_path)
    assert device is not None
    assert device.bytes == facts.f_blocks * facts.f_frsize
    assert device.inodes == facts.f_files
    assert 0 <= device.inodes_free <= device.inodes
    assert file_system(str(tmp_path / "gone")) is None
