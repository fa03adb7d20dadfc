"""Counting a directory as containerd counts a snapshot."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import pytest

from cri_shim.kernel.disk_usage import REMEMBERED, disk_usage

PLENTY = 10_000
COARSE = 0.03
"""Seconds after which the kernel's clock for files has moved on, however coarse it is."""


def counted(directory, before=None):
    """Of a directory that is not too large."""
    usage = disk_usage(str(directory), PLENTY, before)
    assert usage is not None
    return usage


def test_it_agrees_with_du(tmp_path):
    """Files, holes, links, fifos and folders: as many bytes and inodes as du counts."""
    (tmp_path / "folder" / "deeper").mkdir(parents=True)
    (tmp_path / "folder" / "file").write_bytes(b"x" * 123_456)
    os.link(tmp_path / "folder" / "file", tmp_path / "again")
    os.symlink("/etc", tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "hole").open("wb") as hole:
        hole.truncate(1 << 30)
    blocks = subprocess.run(["du", "-s", "--block-size=1", tmp_path], capture_output=True, text=True, check=True)
    inodes = subprocess.run(["du", "-s", "--inodes", tmp_path], capture_output=True, text=True, check=True)
    usage = counted(tmp_path)
    assert (usage.size, usage.inodes) == (int(blocks.stdout.split()[0]), int(inodes.stdout.split()[0]))


def test_a_large_directory_is_given_up(tmp_path):
    """One inode more than allowed, and the answer is None."""
    for number in range(9):
        (tmp_path / str(number)).write_text("")
    assert disk_usage(str(tmp_path), 10) is not None
    assert disk_usage(str(tmp_path), 9) is None


@pytest.fixture
def layer(tmp_path, monkeypatch):
    """A small writable layer in which nothing has happened for a while."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hosts").write_bytes(b"x" * 5000)
    (tmp_path / "etc" / "name").symlink_to("hosts")
    os.link(tmp_path / "etc" / "hosts", tmp_path / "again")
    age(monkeypatch)
    return tmp_path


def age(monkeypatch):
    """Let every change so far be long ago."""
    time.sleep(COARSE)
    later = time.time_ns() + 60_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)


def walks(monkeypatch):
    """Directories that are read from now on."""
    read = []
    scandir = os.scandir

    def noted(path):
        read.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noted)
    return read


def test_what_has_not_changed_is_not_walked_again(layer, monkeypatch):
    """For known inodes only the size is read, and growth is noticed."""
    first = counted(layer)
    read = walks(monkeypatch)
    assert counted(layer, first) == first
    with (layer / "etc" / "hosts").open("ab") as file:
        file.write(b"y" * 100_000)
    second = counted(layer, first)
    assert read == []
    assert second == counted(layer)
    assert second.size > first.size


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: (layer / "etc" / "new").write_text("n"),
        lambda layer: (layer / "etc" / "name").unlink(),
        lambda layer: (layer / "again").rename(layer / "etc" / "name"),
        lambda layer: (layer / "var").mkdir(),
        lambda layer: shutil.rmtree(layer / "etc"),
    ],
)
def test_what_has_changed_is_walked_again(layer, change):
    """New, gone and replaced inodes are seen, wherever they are."""
    first = counted(layer)
    change(layer)
    second = counted(layer, first)
    whole = counted(layer)
    assert (second.size, second.inodes) == (whole.size, whole.inodes) != (first.size, first.inodes)


def set_times_back(layer):
    """Write a file, and set its folder's times to what they were, as a process in a container may."""
    before = os.lstat(layer / "etc")
    (layer / "etc" / "hidden").write_bytes(b"x" * 100_000)
    os.utime(layer / "etc", ns=(before.st_atime_ns, before.st_mtime_ns))


def test_nothing_is_hidden_by_setting_times_back(layer):
    """The kernel keeps a time of each inode that no process can set."""
    first = counted(layer)
    set_times_back(layer)
    assert counted(layer, first).size == counted(layer).size > first.size


def test_a_folder_of_a_year_beyond_all_counting_does_no_harm(layer):
    """A process in a container may give a folder any date of the file system, such as the year 1 on tmpfs."""
    first = counted(layer)
    try:
        os.utime(layer / "etc", (-62_000_000_000, -62_000_000_000))
    except OSError:
        os.utime(layer / "etc", (0, 0))
    assert counted(layer).size == counted(layer, first).size == first.size


def test_a_layer_that_changes_right_now_is_not_remembered(layer, monkeypatch):
    """The next change may leave the change time that is there already."""
    monkeypatch.undo()
    (layer / "etc" / "new").write_text("n")
    assert counted(layer).changed == b""
    age(monkeypatch)
    assert counted(layer).changed != b""


def test_a_large_layer_is_not_remembered(layer, monkeypatch):
    """Its memory is worth more than the time."""
    for number in range(REMEMBERED):
        (layer / str(number)).write_text("")
    age(monkeypatch)
    assert counted(layer).changed == b""


def test_a_directory_that_has_gone(layer):
    """That is an error, remembered or not."""
    first = counted(layer)
    shutil.rmtree(layer)
    with pytest.raises(FileNotFoundError):
        counted(layer, first)
