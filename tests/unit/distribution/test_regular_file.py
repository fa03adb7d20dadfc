"""Small files of the node, and what may stand in their place."""

from __future__ import annotations

import os
import socket

import pytest

from containerd_client.distribution.registries.regular_file import read_regular_file


def test_read(tmp_path):
    """A file of exactly the limit is read, also through a link."""
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").symlink_to("a")
    assert read_regular_file(tmp_path / "b", 5) == b"12345"
    with pytest.raises(ValueError, match="has more than 4 bytes"):
        read_regular_file(tmp_path / "a", 4)


def test_what_is_not_a_file(tmp_path):
    """None of these holds the reader up, even a FIFO with a silent writer."""
    os.mkfifo(tmp_path / "fifo")
    writer = os.open(tmp_path / "fifo", os.O_RDWR)
    with pytest.raises(ValueError, match="is a FIFO"):
        read_regular_file(tmp_path / "fifo")
    os.close(writer)
    with pytest.raises(ValueError, match="is a directory"):
        read_regular_file(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        with pytest.raises(ValueError, match="is a socket"):
            read_regular_file(tmp_path / "socket")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="is a device"):
        read_regular_file(tmp_path / "zero")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic"):
        read_regular_file(tmp_path / "loop")


def test_a_huge_file_is_not_read(tmp_path):
    """A sparse terabyte is refused after its first bytes."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="has more than"):
        read_regular_file(tmp_path / "huge")
