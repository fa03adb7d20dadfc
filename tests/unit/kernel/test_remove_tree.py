"""A directory goes with all that is in it."""

from __future__ import annotations

import errno
import os
import resource
import subprocess

import pytest

from cri_shim.kernel.remove_tree import DEPTH, remove_tree

pytestmark = pytest.mark.usefixtures("emptied_by_rm")


def deepen(top, levels, name="d"):
    """Make directories in one another, deeper than a path can be long."""
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)


@pytest.fixture
def top(tmp_path):
    directory = tmp_path / "top"
    directory.mkdir()
    return directory


@pytest.mark.parametrize("levels", [0, 1, DEPTH - 1, DEPTH, DEPTH + 1, 1200])
def test_any_depth(top, levels):
    """Neither the stack, the number of open files nor the length of a path is a limit."""
    deepen(top, levels, name="d" * (255 if levels == 1200 else 1))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        remove_tree(top)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert not top.exists()


def test_names_that_are_taken(top):
    """A container may have used the names under which the deep directories are put aside."""
    for number in range(3):
        deepen(top, DEPTH + 2, name=f".removing-{number}")
    (top / ".removing-3").touch()
    remove_tree(top)
    assert not top.exists()


def test_everything_but_what_links_lead_to(top, tmp_path):
    """All kinds of entries go; a link is not followed."""
    outside = tmp_path / "kept"
    outside.mkdir()
    (outside / "file").touch()
    (top / "link").symlink_to(outside)
    (top / "dangling").symlink_to("/nowhere")
    os.mkfifo(top / "fifo")
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / os.fsdecode(b"\xff")).touch()
    (top / "a" / "link").symlink_to(outside)
    remove_tree(top)
    assert not top.exists()
    assert (outside / "file").exists()


def test_what_is_gone(top):
    """Nothing there is fine."""
    remove_tree(top / "nothing")


def test_what_stays_is_named(top, monkeypatch):
    """By its whole path; the next attempt can go on."""
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").touch()
    unlink = os.unlink

    def refused(name, **more):
        raise OSError(errno.EPERM, "Operation not permitted", name)

    monkeypatch.setattr(os, "unlink", refused)
    with pytest.raises(OSError, match="not permitted") as raised:
        remove_tree(top)
    assert raised.value.filename == str(top / "a" / "b" / "file")
    monkeypatch.setattr(os, "unlink", unlink)
    remove_tree(top)
    assert not top.exists()


def test_a_directory_that_cannot_be_read_is_named(top, monkeypatch):
    """Python names the descriptor, which says nothing to anyone."""
    (top / "a/b").mkdir(parents=True)
    real = os.scandir

    def broken(descriptor):
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("/b"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), descriptor)
        return real(descriptor)

    monkeypatch.setattr(os, "scandir", broken)
    with pytest.raises(OSError, match="Input/output error") as refused:
        remove_tree(top)
    assert refused.value.filename == str(top / "a/b")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_mount(top):
    """What is mounted in it is named, and nothing of it is removed."""
    point = top / "a" / "mount"
    point.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "test", str(point)], check=True)
    try:
        (point / "file").touch()
        with pytest.raises(OSError, match="something is mounted on it") as raised:
            remove_tree(top)
        assert (raised.value.errno, raised.value.filename) == (errno.EBUSY, str(point))
        assert (point / "file").exists()
    finally:
        subprocess.run(["umount", str(point)], check=True)
    remove_tree(top)
    assert not top.exists()
