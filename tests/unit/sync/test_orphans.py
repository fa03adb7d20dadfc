"""What is removed of what lies on disk without a record."""

from __future__ import annotations

import errno
import os

import pytest

from cri_shim.errors import InternalError
from cri_shim.kernel.recording import RecordingKernel
from cri_shim.paths import Paths
from cri_shim.sync.orphans import remove_orphaned_files


@pytest.fixture
def paths(tmp_path):
    """Directories of a daemon, all empty."""
    return Paths(tmp_path / "root", tmp_path / "state")


def directories(paths, id_):
    """All directories that may be named after one pod or container."""
    pod = paths.sandbox_root(id_), paths.sandbox_state(id_)
    container = paths.container_root(id_), paths.container_state(id_)
    return *pod, *container, paths.idmapped() / id_, paths.image_mounts() / id_


def make(paths, id_):
    """Make all of them."""
    for directory in directories(paths, id_):
        directory.mkdir(parents=True)


async def on_no_network(sandbox_id, netns_path):
    """For pods that are on no network."""
    raise AssertionError(f"{sandbox_id} is taken off a network by {netns_path}")


async def test_only_what_is_not_alive_goes(paths):
    """Everything of an unknown id goes, nothing of a living one."""
    make(paths, "dead")
    make(paths, "alive")
    await remove_orphaned_files(RecordingKernel(), paths, lambda: {"alive"}, on_no_network)
    assert not [directory for directory in directories(paths, "dead") if directory.exists()]
    assert all(directory.exists() for directory in directories(paths, "alive"))


@pytest.mark.parametrize("what", ["file", "link", "dangling", "fifo"])
@pytest.mark.parametrize("name", ["a" * 64, "README"])
async def test_what_is_no_directory_goes_too(paths, tmp_path, what, name):
    """A file, a pipe or a link in place of a directory; what a link leads to stays as it is."""
    make(paths, "alive")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "pinned-namespaces").mkdir(parents=True)
    others = [elsewhere / "precious", elsewhere / "netns", elsewhere / "pinned-namespaces" / "user"]
    for file in others:
        file.write_text("/run/netns/of-others")
    for entry in directories(paths, name):
        if what == "fifo":
            os.mkfifo(entry)
        elif what == "file":
            entry.touch()
        else:
            entry.symlink_to(elsewhere if what == "link" else "/nowhere")
    await remove_orphaned_files(RecordingKernel(), paths, lambda: {"alive"}, on_no_network)
    assert not [entry for entry in directories(paths, name) if os.path.lexists(entry)]
    assert all(directory.exists() for directory in directories(paths, "alive"))
    assert [file for file in others if not file.exists()] == []


async def test_what_is_made_meanwhile_is_spared(paths):
    """A pod that comes right after the question who is alive keeps its directories: they were listed before."""
    make(paths, "dead")

    def living():
        make(paths, "newborn")
        return set()

    await remove_orphaned_files(RecordingKernel(), paths, living, on_no_network)
    assert not paths.sandbox_root("dead").exists()
    assert all(directory.exists() for directory in directories(paths, "newborn"))


async def test_what_cannot_be_removed_stops_nothing(paths):
    """A thing that stays is passed over; what comes after it still goes."""
    make(paths, "dead")
    (paths.image_mounts() / "dead" / "0").mkdir()
    kernel = RecordingKernel()
    kernel.fail["umount"] = OSError(errno.EINVAL, "not a mount point")
    (paths.image_mounts() / "dead" / "0" / "somebody's file").touch()
    await remove_orphaned_files(kernel, paths, set, on_no_network)
    assert (paths.image_mounts() / "dead" / "0" / "somebody's file").exists()
    assert not paths.idmapped().joinpath("dead").exists()
    assert not paths.sandbox_root("dead").exists()


@pytest.mark.parametrize("fails", [False, True], ids=["DEL succeeds", "DEL fails"])
async def test_a_pod_that_is_on_its_network(paths, fails):
    """It is taken off it first; while that fails its directories stay, which tell of it, and others go."""
    for id_ in ("attached", "dead"):
        make(paths, id_)
    (paths.sandbox_state("attached") / "netns").write_text("/run/netns/attached")
    asked = []

    async def detach(sandbox_id, netns_path):
        asked.append((sandbox_id, netns_path, paths.sandbox_root(sandbox_id).exists()))
        if fails:
            raise InternalError("the plugin is in a bad mood")

    await remove_orphaned_files(RecordingKernel(), paths, set, detach)
    assert asked == [("attached", "/run/netns/attached", True)]
    assert paths.sandbox_state("attached").exists() is fails
    assert not paths.sandbox_state("dead").exists()


@pytest.mark.parametrize("note", [b"\xff/run/netns", b"\0" * 40], ids=["not UTF-8", "zeros"])
async def test_a_damaged_note_of_a_network(paths, note):
    """The pod is taken off its network without its namespace, and others go."""
    for id_ in ("attached", "dead"):
        make(paths, id_)
    (paths.sandbox_state("attached") / "netns").write_bytes(note)
    asked = []

    async def detach(sandbox_id, netns_path):
        asked.append(sandbox_id)
        assert not os.path.lexists(netns_path)

    await remove_orphaned_files(RecordingKernel(), paths, set, detach)
    assert asked == ["attached"]
    assert not paths.sandbox_state("attached").exists()
    assert not paths.sandbox_state("dead").exists()


async def test_a_note_that_never_ends(paths):
    """A FIFO in its place holds nothing up; the directories stay for who comes to mend them."""
    make(paths, "attached")
    os.mkfifo(paths.sandbox_state("attached") / "netns")
    await remove_orphaned_files(RecordingKernel(), paths, set, on_no_network)
    assert paths.sandbox_state("attached").exists()
