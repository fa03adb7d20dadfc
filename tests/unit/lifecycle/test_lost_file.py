"""Which process of a pod gives its network namespace its file back."""

from __future__ import annotations

from typing import Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.kernel.recording import RecordingKernel
from cri_shim.lifecycle import lost_file
from cri_shim.lifecycle.lost_file import bind_again
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox

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


@pytest.mark.parametrize("there", [True, False])
async def test_a_pod_that_is_ended(tmp_path, kernel, monkeypatch, there):
    """Its processes are asked for the namespace only if the file has vanished, and only those that run."""
    asked: list[Any] = []
    monkeypatch.setattr(lost_file, "bind_again", lambda _kernel, *arguments: asked.append(arguments))
    path = str(tmp_path / "netns")
    if there:
        kernel.new_network_namespace(path)
    containers: Index[Container] = Index("container")
    for id_, pod, status in (
        ("a", ID, Status(1, 2, pid=7)),
        ("b", ID, Status(1, 2, 3)),
        ("c", "p", Status(1, 2, pid=9)),
    ):
        containers.put(Container(id_, id_, pod, cri.ContainerConfig(), status, "sha256:1"))
    sandbox = Sandbox(ID, "p", cri.PodSandboxConfig(), 1, netns_path=path, pid=6)
    await lost_file.give_file_back(kernel, containers, sandbox)
    assert asked == ([] if there else [(path, [(ID, 6), ("a", 7)])])


@pytest.mark.parametrize("changes", [{"network_down": True}, {"netns_path": ""}])
async def test_a_pod_without_a_network(kernel, changes):
    """Nothing is looked at."""
    sandbox = Sandbox(ID, "p", cri.PodSandboxConfig(), 1, netns_path="/n", pid=6).replace(**changes)
    await lost_file.give_file_back(kernel, Index("container"), sandbox)
    assert not kernel.calls
