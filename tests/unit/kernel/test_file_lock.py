"""The lock of a directory or socket: held by one process, never inherited, and never stale."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from cri_shim.kernel.file_lock import FileLock, HeldError

HOLD = """
import sys
from cri_shim.kernel.file_lock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    input()
"""
HOLD_AND_START = """
import subprocess, sys, time
from cri_shim.kernel.file_lock import FileLock
with FileLock(sys.argv[1]):
    child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, close_fds=False)
    print(child.pid, flush=True)
    time.sleep(60)
"""


def test_the_holder_is_named(tmp_path):
    """As long as it lives; the lock of one that was killed is free."""
    path = str(tmp_path / "lock")
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(HeldError) as caught, FileLock(path):
            pass
        assert caught.value.holder == f"process {other.pid}"
        other.kill()
        other.wait()
    with FileLock(path):
        pass


def test_children_do_not_hold_it(tmp_path):
    """A program that outlives a daemon that was killed, such as the FIFO holder, does not lock the next one out."""
    path = str(tmp_path / "lock")
    with subprocess.Popen([sys.executable, "-c", HOLD_AND_START, path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        holder.kill()
        holder.wait()
    try:
        # A child closes its copy while it executes the program, which may take a moment.
        assert eventually(lambda: is_free(path))
        os.kill(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)


def is_free(path):
    try:
        with FileLock(path):
            return True
    except HeldError:
        return False


def eventually(holds):
    for _ in range(1000):
        if holds():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("left", [b"", b"\xff\xfe", b"9" * 5000, b"-1"])
def test_what_was_left_in_the_file_does_no_harm(tmp_path, left):
    """It names the holder, and is not needed for anything else."""
    path = tmp_path / "lock"
    path.write_bytes(left)
    with FileLock(str(path)):
        assert path.read_text() == f"{os.getpid()}\n"
        path.write_bytes(left)
        with pytest.raises(HeldError), FileLock(str(path)):
            pass


def test_a_symbolic_link_is_not_followed(tmp_path):
    """A symbolic link cannot make the daemon write into another file."""
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic"), FileLock(str(tmp_path / "lock")):
        pass
    assert not (tmp_path / "precious").exists()


def test_a_full_disk_locks_all_the_same(tmp_path, monkeypatch):
    """The daemon that clears the disk must be able to start on it; only its number is missing, not a wrong one."""
    path = tmp_path / "lock"
    path.write_text("4711\n")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with FileLock(str(path)):
        with pytest.raises(HeldError, match="another process"), FileLock(str(path)):
            pass
        assert path.read_text() == ""


def test_a_lock_that_is_removed_leaves_no_file(tmp_path):
    """Also if the file was replaced meanwhile, which then is that of another holder and stays."""
    path = tmp_path / "lock"
    with FileLock(str(path), removed=True):
        assert path.exists()
    assert not path.exists()
    with FileLock(str(path), removed=True):
        path.unlink()
        with FileLock(str(path)):
            pass
    assert path.exists()


def test_a_file_that_is_removed_while_it_is_opened_locks_nothing(tmp_path, monkeypatch):
    """The next process would create a new file and lock that one, so the path is opened again."""
    path = str(tmp_path / "lock")
    opened = os.open
    before = ExitStack()
    before.enter_context(FileLock(path, removed=True))

    def open_late(*arguments):
        fd = opened(*arguments)
        before.close()
        return fd

    monkeypatch.setattr(os, "open", open_late)
    with FileLock(path):
        monkeypatch.undo()
        with pytest.raises(HeldError), FileLock(path):
            pass


def test_a_path_that_cannot_be_looked_at_is_an_error(tmp_path, monkeypatch):
    """It is not taken for a file that was removed, which would be opened again and again."""

    def refuse(*_arguments, **_more):
        raise PermissionError(13, "permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(PermissionError), FileLock(str(tmp_path / "lock")):
        pass
