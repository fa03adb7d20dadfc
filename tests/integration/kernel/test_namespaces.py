"""Network namespaces made by the real kernel."""

from __future__ import annotations

import errno
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from cri_shim.kernel import LinuxKernel
from cri_shim.kernel.mountinfo import mounts_under, read_mountinfo
from cri_shim.kernel.protocol import is_namespace_file

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
KERNEL = LinuxKernel()


def inode() -> int:
    return os.stat("/proc/thread-self/ns/net").st_ino


def test_namespace_is_new_has_lo_and_leaves_no_trace(tmp_path: Path) -> None:
    """The namespace differs from ours, lo works in it, and after removal neither file nor mount is left."""
    path = str(tmp_path / "deep" / "netns")
    before = inode()
    KERNEL.new_network_namespace(path)
    assert is_namespace_file(KERNEL, path)
    assert oct(os.stat(tmp_path / "deep").st_mode & 0o777) == "0o755"

    def inside() -> int:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname(), timeout=2),
        ):
            return inode()

    assert KERNEL.run_in_network_namespace(path, inside) == os.stat(path).st_ino != before
    assert inode() == before
    KERNEL.remove_network_namespace(path)
    assert not os.path.exists(path)
    assert mounts_under(str(tmp_path), read_mountinfo()) == []
    KERNEL.remove_network_namespace(path)


def test_socket_made_inside_keeps_working_outside(tmp_path: Path) -> None:
    """A socket belongs to the namespace where it was made, in whatever thread it is used."""
    path = str(tmp_path / "netns")
    KERNEL.new_network_namespace(path)
    server = KERNEL.run_in_network_namespace(path, lambda: socket.create_server(("127.0.0.1", 0)))
    client = KERNEL.run_in_network_namespace(path, lambda: socket.create_connection(server.getsockname(), timeout=2))
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(server.getsockname(), timeout=2)
    connection, _ = server.accept()
    client.sendall(b"x")
    assert connection.recv(1) == b"x"
    for item in (server, client, connection):
        item.close()
    KERNEL.remove_network_namespace(path)


def test_many_at_once_leak_nothing(tmp_path: Path) -> None:
    """Thirty-two from eight threads: all different, and threads and descriptors are as before."""
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    own = inode()

    def one(number: int) -> int:
        path = str(tmp_path / f"n{number}")
        KERNEL.new_network_namespace(path)
        return os.stat(path).st_ino

    with ThreadPoolExecutor(8) as pool:
        inodes = list(pool.map(one, range(32)))
        assert list(pool.map(lambda _: inode(), range(32))) == [own] * 32  # pool threads stayed where they were
        list(pool.map(lambda number: KERNEL.remove_network_namespace(str(tmp_path / f"n{number}")), range(32)))
    assert len({*inodes, own}) == 33
    assert os.listdir(tmp_path) == []
    assert threading.active_count() <= threads
    assert len(os.listdir("/proc/self/fd")) <= descriptors  # earlier tests' garbage may have gone meanwhile


def test_existing_path_is_refused_and_kept(tmp_path: Path) -> None:
    """A second namespace under the same path is an error and does not hide or remove the first."""
    path = str(tmp_path / "netns")
    KERNEL.new_network_namespace(path)
    first = os.stat(path).st_ino
    with pytest.raises(FileExistsError):
        KERNEL.new_network_namespace(path)
    assert os.stat(path).st_ino == first
    KERNEL.remove_network_namespace(path)


def test_failure_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the mount fails, the file made for it is gone again and the error names the path."""

    def refuse(_source: str, target: str, *_: object) -> None:
        raise PermissionError(errno.EPERM, "mount: operation not permitted", target)

    kernel = LinuxKernel()
    monkeypatch.setattr(kernel, "mount", refuse)
    with pytest.raises(PermissionError) as caught:
        kernel.new_network_namespace(str(tmp_path / "netns"))
    assert caught.value.filename == str(tmp_path / "netns")
    assert os.listdir(tmp_path) == []


def test_entering_what_is_no_namespace(tmp_path: Path) -> None:
    """A plain file or a missing one raises in the caller and names the path; the function is not run."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "missing"):
        with pytest.raises(OSError, match=str(path)):
            KERNEL.run_in_network_namespace(str(path), lambda: pytest.fail("was run"))
    assert not is_namespace_file(KERNEL, str(tmp_path / "file"))
    assert not is_namespace_file(KERNEL, str(tmp_path / "missing"))


def test_stacked_mounts_and_plain_files_are_removed(tmp_path: Path) -> None:
    """A file with two mounts on it, and one with none, are both gone after the removal."""
    path = str(tmp_path / "netns")
    KERNEL.new_network_namespace(path)
    KERNEL.mount("/proc/self/ns/net", path, "", 4096, "")
    (tmp_path / "plain").touch()
    KERNEL.remove_network_namespace(path)
    KERNEL.remove_network_namespace(str(tmp_path / "plain"))
    assert os.listdir(tmp_path) == []
    assert mounts_under(str(tmp_path), read_mountinfo()) == []


def test_tee_copies_without_consuming() -> None:
    """tee leaves the source full, and an empty source raises instead of blocking."""
    a_read, a_write = os.pipe()
    b_read, b_write = os.pipe()
    with pytest.raises(BlockingIOError):
        KERNEL.tee(a_read, b_write, 100)
    os.write(a_write, b"twice")
    assert KERNEL.tee(a_read, b_write, 100) == 5
    assert os.read(a_read, 100) == os.read(b_read, 100) == b"twice"
    for fd in (a_read, a_write, b_read, b_write):
        os.close(fd)
