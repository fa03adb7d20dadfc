"""A copy of a directory is what the directory was."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from cri_shim.images.copy_tree import copy_tree

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO = (1_000_000_000_123_456_789, 1_100_000_000_987_654_321)


@pytest.fixture
def source(tmp_path):
    directory = tmp_path / "source"
    directory.mkdir()
    return directory


@pytest.fixture(autouse=True)
def _umask():
    """The one that daemons have."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def copied(source: Path) -> Path:
    """A copy of ``source``."""
    target = source.parent / "target"
    target.mkdir()
    descriptor = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    try:
        copy_tree(descriptor, target)
    finally:
        os.close(descriptor)
    return target


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFREG])
@pytest.mark.parametrize("mode", [0o666, 0o4755, 0o400])
def test_a_mode(source, kind, mode):
    """Special files have the mode that they had, whatever the umask, and are still there when they are sockets."""
    os.mknod(source / "x", kind | 0o600)
    (source / "x").chmod(mode)
    assert (copied(source) / "x").stat().st_mode == kind | mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device files")
def test_a_device(source):
    """A device has its number and its mode."""
    os.mknod(source / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    (source / "null").chmod(0o666)
    info = (copied(source) / "null").stat()
    assert (info.st_rdev, info.st_mode) == (os.makedev(1, 3), stat.S_IFCHR | 0o666)


def test_times(source):
    """To the nanosecond, of everything; a directory's are those of before it was filled."""
    (source / "below").mkdir()
    (source / "below" / "file").write_bytes(b"x")
    os.mkfifo(source / "fifo")
    (source / "link").symlink_to("/nowhere")
    for name in ("below/file", "fifo", "link", "below", "."):
        os.utime(source / name, ns=LONG_AGO, follow_symlinks=False)
    target = copied(source)
    for name in ("below/file", "fifo", "link", "below", "."):
        assert (target / name).lstat().st_mtime_ns == LONG_AGO[1], name
    assert (target / "link").readlink().as_posix() == "/nowhere"


@pytest.mark.parametrize("make", [lambda path: path.write_bytes(b"once"), os.mkfifo, lambda path: path.symlink_to("x")])
def test_names_of_one_file(source, make):
    """Hard links stay links of one another, across directories, and are no links of the image's file."""
    (source / "a").mkdir()
    (source / "b").mkdir()
    make(source / "a" / "first")
    os.link(source / "a" / "first", source / "b" / "second", follow_symlinks=False)
    os.link(source / "a" / "first", source / "third", follow_symlinks=False)
    target = copied(source)
    infos = [(target / name).lstat() for name in ("a/first", "b/second", "third")]
    assert len({info.st_ino for info in infos}) == 1
    assert {info.st_nlink for info in infos} == {3}
    assert infos[0].st_ino != (source / "third").lstat().st_ino


def test_a_file_with_holes(source):
    """The holes of a file take no room in the copy either (they may be larger than the disk)."""
    with (source / "sparse").open("wb") as file:
        file.seek(1 << 20)
        file.write(b"here" * 1024)
        file.truncate(64 << 20)
    copy = copied(source) / "sparse"
    info = copy.stat()
    assert info.st_size == 64 << 20
    assert info.st_blocks * 512 < 1 << 20
    with copy.open("rb") as file:
        file.seek(1 << 20)
        assert file.read(4096) == b"here" * 1024


@pytest.mark.usefixtures("emptied_by_rm")
def test_a_deep_tree(source):
    """Neither the stack nor the number of open files limits the depth."""
    names = ["d"] * 1100
    descriptor = os.open(source, os.O_RDONLY)
    for name in names:
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    depth, descriptor = 0, os.open(copied(source), os.O_RDONLY)
    while os.listdir(descriptor):
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        depth, descriptor = depth + 1, below
    os.close(descriptor)
    assert depth == len(names)


def test_a_directory_that_may_not_be_written(source):
    """It gets its mode when it is full."""
    (source / "closed").mkdir()
    (source / "closed" / "file").write_bytes(b"x")
    (source / "closed").chmod(0o555)
    target = copied(source)
    assert stat.S_IMODE((target / "closed").stat().st_mode) == 0o555
    assert (target / "closed" / "file").read_bytes() == b"x"


def test_what_cannot_be_copied_is_named(source, monkeypatch):
    """By its whole path, because the kernel's own word for it is a number."""
    (source / "below").mkdir()
    (source / "below" / "file").write_bytes(b"x" * 10)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "sendfile", full)
    with pytest.raises(OSError, match="No space left") as raised:
        copied(source)
    assert raised.value.filename == str(source.parent / "target" / "below" / "file")
