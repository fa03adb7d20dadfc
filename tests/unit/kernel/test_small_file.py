"""Reading a file of the node whose path others decide: only a regular one, only so much, and never waiting for it."""

from __future__ import annotations

import errno
import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from cri_shim.kernel.small_file import read_small_file


def test_a_file_and_a_link_to_it(tmp_path):
    """Read whole, through a symbolic link too, and up to the limit."""
    (tmp_path / "file").write_bytes(b"\xff\x00abc")
    (tmp_path / "link").symlink_to("file")
    assert read_small_file(tmp_path / "file", 5) == b"\xff\x00abc"
    assert read_small_file(tmp_path / "link", 100) == b"\xff\x00abc"
    assert read_small_file("/proc/self/status", 1 << 20).startswith(b"Name:")


@pytest.mark.parametrize(
    ("kind", "number", "words"),
    [
        ("fifo", errno.EINVAL, "a FIFO"),
        ("directory", errno.EINVAL, "a directory"),
        ("device", errno.EINVAL, "a device"),
        ("socket", errno.EINVAL, "a socket"),
        ("large", errno.EFBIG, "larger than 10 bytes"),
        ("loop", errno.ELOOP, "symbolic links"),
        ("dangling", errno.ENOENT, "No such file"),
        ("missing", errno.ENOENT, "No such file"),
        ("below-a-file", errno.ENOTDIR, "Not a directory"),
    ],
)
def test_what_is_refused(tmp_path, kind, number, words):
    """Each with its own words; a FIFO without a writer does not block."""
    path = make(tmp_path, kind)
    with pytest.raises(OSError, match=words) as refused:
        read_small_file(path, 10)
    assert refused.value.errno == number
    assert refused.value.filename == str(path)


def make(directory, kind):
    """Something at a path that is not a small file."""
    path = directory / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    elif kind == "large":
        path.write_bytes(b"x" * 11)
    elif kind == "loop":
        path.symlink_to(kind)
    elif kind == "dangling":
        path.symlink_to("nowhere/at/all")
    elif kind == "below-a-file":
        path.write_text("x")
        path /= "below"
    return path


def test_what_waits_for_data_is_refused(tmp_path, monkeypatch):
    """Some files of /proc are regular by their mode and give data like a pipe, once there is some: /proc/kmsg."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    monkeypatch.setattr(stat, "S_ISREG", lambda _mode: True)
    writer = os.open(path, os.O_RDWR)
    try:
        os.write(writer, b"the first line, and then none for ever")
        with ThreadPoolExecutor(1) as thread:
            reading = thread.submit(read_small_file, path, 100)
            if not wait([reading], 5).done:
                os.write(writer, b"x" * 200)  # so that the thread ends
                pytest.fail("the read waits")
        with pytest.raises(OSError, match="waits for data") as refused:
            reading.result()
        assert refused.value.filename == str(path)
    finally:
        os.close(writer)
