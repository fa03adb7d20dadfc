"""What cannot be looked at is not taken for what is not there; a link that leads to itself cannot be looked at."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from cri_shim.disk.idmapped_mounts import unmount_idmapped
from cri_shim.disk.image_mount_points import unmount_images
from cri_shim.disk.pod_directories import unpin_namespaces
from cri_shim.kernel.mountinfo import parse_mountinfo
from cri_shim.kernel.presence import entries_of, mode_of
from cri_shim.kernel.recording import RecordingKernel
from cri_shim.lifecycle.orphaned_cgroups import clear
from cri_shim.logs.fifo import FifoSet
from cri_shim.paths import Paths
from cri_shim.sync.checkpoint_work import make_work, note_unfinished, remove_work
from cri_shim.sync.orphans import remove_orphaned_files
from cri_shim.sync.selinux_labels import read_selinux_policy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path / "root", tmp_path / "state")


def loop(path: Path) -> Path:
    """Put a link to itself at a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path.name)
    return path


def unknown():
    """Expect the error of a link that leads to itself."""
    return pytest.raises(OSError, match=r"^\[Errno 40\]")


def test_what_is_there_and_what_is_not(tmp_path):
    """Both are known; below a file there is nothing, and no name has a NUL or more than 255 bytes."""
    (tmp_path / "file").touch(0o600)
    (tmp_path / "b").mkdir()
    assert mode_of(tmp_path / "file") == 0o100600
    assert mode_of(tmp_path / "none") is None
    assert mode_of(tmp_path / "file" / "below") is None
    assert mode_of(tmp_path / "a\0b") is None
    assert mode_of(tmp_path / ("a" * 256)) is None
    assert entries_of(tmp_path) == [tmp_path / "b", tmp_path / "file"]
    assert entries_of(tmp_path / "none") == []


def test_what_cannot_be_looked_at(tmp_path):
    """It is an error."""
    path = loop(tmp_path / "loop")
    for function in (mode_of, entries_of):
        with unknown():
            function(path)


@pytest.mark.parametrize(
    ("remove", "place"),
    [
        (unmount_images, lambda paths: paths.image_mounts() / "a"),
        (unmount_idmapped, lambda paths: paths.idmapped() / "a"),
        (unpin_namespaces, lambda paths: paths.pinned_namespaces("a")),
    ],
)
def test_mount_points(paths, remove, place):
    """They are not taken for removed, or what holds them would be removed next."""
    loop(place(paths))
    with unknown():
        remove(RecordingKernel(), paths, "a")


async def test_directories_of_what_has_no_record(paths):
    """They are not taken for none, and the others are cleared."""

    async def detach(_sandbox_id, _netns_path):
        raise AssertionError

    (paths.container_root("gone") / "volumes").mkdir(parents=True)
    loop(paths.image_mounts())
    with unknown():
        await remove_orphaned_files(RecordingKernel(), paths, set, detach)
    assert not paths.container_root("gone").exists()


def test_the_note_of_an_unfinished_file(paths, tmp_path):
    """It stays, with the directory that holds it, because the file may be there."""
    work = make_work(paths, "a")
    note_unfinished(work, tmp_path / "unfinished")
    (note,) = (entry for entry in work.iterdir() if entry.is_file())
    note.unlink()
    loop(note)
    with unknown():
        remove_work(work)
    assert work.exists()


def test_a_cgroup(tmp_path):
    """It is not taken for cleared."""
    loop(tmp_path / "memory" / "pod")
    mounts = parse_mountinfo(f"2 1 0:2 / {tmp_path}/memory rw - cgroup cgroup rw")
    with unknown():
        clear(["/pod/a"], mounts)


def test_fifos(tmp_path):
    """The error is not that of FIFOs that are missing."""
    loop(tmp_path / "pod")
    with pytest.raises(OSError, match="symbolic links") as raised:
        FifoSet.existing(str(tmp_path / "pod"), "a", stdin=False, tty=True)
    assert raised.value.errno == errno.ELOOP


def test_a_policy_of_selinux(tmp_path):
    """Another one is not taken in its place."""
    loop(tmp_path / "usr/share/containers/selinux/contexts")
    lxc = tmp_path / "etc/selinux/targeted/contexts/lxc_contexts"
    lxc.parent.mkdir(parents=True)
    lxc.write_text('process = "system_u:system_r:container_t:s0"\nfile = "system_u:object_r:container_file_t:s0"\n')
    (tmp_path / "etc/selinux/config").write_text("SELINUXTYPE=targeted\n")
    policy, reason = read_selinux_policy(enabled=True, available=True, root=tmp_path)
    assert policy is None
    assert "symbolic links" in reason
