"""Which process of a pod gives its network namespace its file back."""

from __future__ import annotations

import pytest

from cri_shim.kernel.recording import RecordingKernel
from cri_shim.lifecycle.lost_file import bind_again

ID = "5" * 64


@pytest.fixture
def proc(tmp_path):
    """Processes: one of the pod's container, and one that has got the number of another."""
    for pid, cgroup in ((7, f"0::/kubepods/{ID}"), (8, "0::/user.slice")):
        (tmp_path / str(pid) / "ns").mkdir(parents=True)
        (tmp_path / str(pid) / "ns" / "net").touch()
        (tmp_path / str(pid) / "cgroup").write_text(cgroup)
    return tmp_path


@pytest.mark.parametrize(
    ("pids", "bound"),
    [([(ID, 7)], True), ([(ID, 9), (ID, 7)], True), ([(ID, 8)], False), ([(ID, 9)], False), ([], False)],
    ids=["its process", "the first has ended", "another's by now", "ended", "never had one"],
)
def test_who_is_asked(tmp_path, proc, pids, bound):
    """Only a process whose cgroup names the container has its namespace bound."""
    kernel, path = RecordingKernel(), tmp_path / "netns"
    assert bind_again(kernel, str(path), pids, proc) is bound
    mounts = [call for call in kernel.calls if call[0] == "mount"]
    assert len(mounts) == bound
    assert path.exists() is bound


def test_a_place_that_is_not_there(tmp_path, proc):
    """A directory that has gone, too, ends in no more than what there was before: no file."""
    assert not bind_again(RecordingKernel(), str(tmp_path / "gone" / "netns"), [(ID, 7)], proc)
