"""The lock of a directory or socket: held by one process, never inherited, and never stale."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cri_shim.kernel.file_lock import FileLock, HeldError

HOLD = """
import sys
from cri_shim.kernel.file_lock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    input()
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
    """A program that outlives the daemon, such as the FIFO holder, does not lock the next one out."""
    path = str(tmp_path / "lock")
    with FileLock(path):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    with child, FileLock(path):
        child.terminate()


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
    """Nobody makes the daemon write into another file."""
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic"), FileLock(str(tmp_path / "lock")):
        pass
    assert not (tmp_path / "precious").exists()
