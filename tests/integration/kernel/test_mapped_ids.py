"""User namespaces and mounts with mapped ids, made by the real kernel."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
from pathlib import Path

import pytest

from cri_shim.kernel import LinuxKernel
from cri_shim.kernel.mountinfo import mounts_under, read_mountinfo
from cri_shim.kernel.protocol import is_namespace_file

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
KERNEL = LinuxKernel()
UIDS, GIDS = [(0, 300_000, 1000)], [(0, 400_000, 1000)]
NSENTER = "/usr/bin/nsenter"
NS_GET_USERNS = 0xB701  # ioctl_ns(2)


@pytest.fixture
def userns(tmp_path: Path):
    """A user namespace with a network namespace of its own; the two files."""
    user, net = str(tmp_path / "ns" / "user"), str(tmp_path / "ns" / "net")
    KERNEL.new_user_namespace(user, UIDS, GIDS, net)
    yield user, net
    for path in (user, net):
        KERNEL.remove_network_namespace(path)
    assert mounts_under(str(tmp_path), read_mountinfo()) == []


def inside(user: str, *command: str) -> str:
    done = subprocess.run([NSENTER, f"--user={user}", *command], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_user_namespace_with_its_network(userns: tuple[str, str]) -> None:
    """The mapping is the one that was asked for, the network belongs to the user namespace, and lo is up."""
    user, net = userns
    assert is_namespace_file(KERNEL, user)
    assert is_namespace_file(KERNEL, net)
    assert inside(user, "cat", "/proc/self/uid_map").split() == ["0", "300000", "1000"]
    assert inside(user, "cat", "/proc/self/gid_map").split() == ["0", "400000", "1000"]
    with Path(net).open() as file:
        owner = fcntl.ioctl(file, NS_GET_USERNS)
    try:
        assert os.fstat(owner).st_ino == os.stat(user).st_ino
    finally:
        os.close(owner)

    def lo_answers() -> bool:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname(), timeout=2),
        ):
            return True

    assert KERNEL.run_in_network_namespace(net, lo_answers)


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    """A mapping that the kernel does not take gives an error, and neither file nor mount stays."""
    user, net = tmp_path / "user", tmp_path / "net"
    with pytest.raises(OSError, match=r".+"):
        KERNEL.new_user_namespace(str(user), [(0, 0, 0)], GIDS, str(net))
    assert not user.exists()
    assert not net.exists()


def test_owners_are_shown_mapped(userns: tuple[str, str], tmp_path: Path) -> None:
    """A mapped mount shows other owners, keeps what is on disk, and takes sub-mounts along."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "below").mkdir(parents=True)
    target.mkdir()
    (source / "file").write_text("same")
    os.chown(source / "file", 7, 8)
    KERNEL.mount("none", str(source / "below"), "tmpfs", 0, "mode=755")
    try:
        (source / "below" / "deep").touch()
        KERNEL.mount_idmapped(str(source), str(target), userns[0])
        try:
            shown = (target / "file").stat()
            assert (shown.st_uid, shown.st_gid) == (300_007, 400_008)
            assert (target / "below" / "deep").stat().st_uid == 300_000
            assert (source / "file").stat().st_uid == 7
        finally:
            KERNEL.umount(str(target))
        # Letting go of the copy unmounts nothing of the original, which is on a shared mount on most nodes.
        assert (source / "below" / "deep").exists()
    finally:
        KERNEL.umount(str(source / "below"))


def test_a_shared_original_keeps_its_sub_mounts(userns: tuple[str, str], tmp_path: Path) -> None:
    """Unmounting a mapped copy of a shared mount does not reach the original."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    KERNEL.mount("none", str(source), "tmpfs", 0, "mode=755")
    KERNEL.mount("", str(source), "", 1 << 20, "")  # MS_SHARED
    (source / "below").mkdir()
    KERNEL.mount("none", str(source / "below"), "tmpfs", 0, "")
    try:
        (source / "below" / "deep").touch()
        KERNEL.mount_idmapped(str(source), str(target), userns[0])
        assert (target / "below" / "deep").stat().st_uid == 300_000
        KERNEL.umount(str(target))
        assert (source / "below" / "deep").exists()
    finally:
        KERNEL.umount(str(source / "below"))
        KERNEL.umount(str(source))


def test_what_cannot_be_mapped(userns: tuple[str, str], tmp_path: Path) -> None:
    """A file system that takes no mapping gives an error that says so and names the path."""
    with pytest.raises(OSError, match="does not support id mapping") as caught:
        KERNEL.mount_idmapped("/proc", str(tmp_path), userns[0])
    assert caught.value.filename == "/proc"
