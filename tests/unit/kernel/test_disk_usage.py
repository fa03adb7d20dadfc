"""Counting a directory as containerd counts a snapshot."""

from __future__ import annotations

import os
import subprocess

from cri_shim.kernel.disk_usage import disk_usage

PLENTY = 10_000


def test_it_agrees_with_du(tmp_path):
    """Files, holes, links, fifos and folders: as many bytes and inodes as du counts."""
    (tmp_path / "folder" / "deeper").mkdir(parents=True)
    (tmp_path / "folder" / "file").write_bytes(b"x" * 123_456)
    os.link(tmp_path / "folder" / "file", tmp_path / "again")
    os.symlink("/etc", tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "hole").open("wb") as hole:
        hole.truncate(1 << 30)
    counted = subprocess.run(["du", "-s", "--block-size=1", tmp_path], capture_output=True, text=True, check=True)
    inodes = subprocess.run(["du", "-s", "--inodes", tmp_path], capture_output=True, text=True, check=True)
    assert disk_usage(str(tmp_path), PLENTY) == (int(counted.stdout.split()[0]), int(inodes.stdout.split()[0]))


def test_a_large_directory_is_given_up(tmp_path):
    """One inode more than allowed, and the answer is None."""
    for number in range(9):
        (tmp_path / str(number)).write_text("")
    assert disk_usage(str(tmp_path), 10) is not None
    assert disk_usage(str(tmp_path), 9) is None
