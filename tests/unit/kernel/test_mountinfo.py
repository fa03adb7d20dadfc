"""Parsing mountinfo."""

from __future__ import annotations

import pytest

from cri_shim.kernel.mountinfo import mount_of, mounts_under, parse_mountinfo, read_mountinfo

TEXT = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 0:25 / /run rw,nosuid - tmpfs tmpfs rw,size=1000k
31 30 0:4 net:[4026532] /run/netns/a\040b rw shared:7 master:3 - nsfs nsfs rw
32 22 0:30 / /mnt rw master:9 - tmpfs tmpfs rw
33 22 0:31 / /mnt rw unbindable - tmpfs tmpfs rw
not a line
"""


def test_fields_and_escapes() -> None:
    """Paths are unescaped, optional fields kept apart, and a broken line is left out."""
    mounts = parse_mountinfo(TEXT)
    assert len(mounts) == 5
    assert mounts[2].path == "/run/netns/a b"
    assert mounts[2].root == "net:[4026532]"
    assert mounts[2].fstype == "nsfs"
    assert mounts[2].propagation == ("shared:7", "master:3")
    assert mounts[0].super_options == ("rw", "errors=remount-ro")


def test_propagation_kinds() -> None:
    """Every kind of propagation is distinguished."""
    assert [mount.kind for mount in parse_mountinfo(TEXT)] == ["shared", "private", "shared", "slave", "unbindable"]


@pytest.mark.parametrize(
    ("path", "id_"), [("/etc/x", 22), ("/run", 30), ("/run/netns", 30), ("/mnt/a", 33), ("/mntx", 22)]
)
def test_mount_of_a_path(path: str, id_: int) -> None:
    """The deepest and newest mount wins, and a common prefix alone does not count."""
    assert mount_of(path, parse_mountinfo(TEXT)).id == id_


def test_no_mount_is_an_error() -> None:
    """Without a root mount the question has no answer."""
    with pytest.raises(LookupError, match="/x"):
        mount_of("/x", [])


def test_order_for_unmounting() -> None:
    """What was mounted last comes first."""
    assert [mount.id for mount in mounts_under("/run", parse_mountinfo(TEXT))] == [31, 30]


def test_own_mounts_can_be_read() -> None:
    """The real file of this process parses and has a root."""
    assert mount_of("/", read_mountinfo()).path == "/"
