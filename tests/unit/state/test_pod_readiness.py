"""When a pod is ready: its process and its network are both there, and each is known from what it left itself."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.kernel.protocol import NSFS_MAGIC
from cri_shim.kernel.recording import RecordingKernel
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox
from cri_shim.state.stored.metadata import SANDBOX_EXTENSION, sandbox_extension
from cri_shim.sync.load import load_sandbox
from cri_shim.sync.lost_namespaces import poll

NETNS = "/run/netns/cni-1"
TMPFS_MAGIC = 0x01021994
RESULT = {"Interfaces": {"eth0": {"IPConfigs": [{"IP": "10.0.0.2", "Gateway": ""}]}}}
UP = Sandbox("s", "s", cri.PodSandboxConfig(), 1, netns_path=NETNS, pid=5, ips=("10.0.0.2",), cni_result=RESULT)


class Kernel(RecordingKernel):
    """A kernel that knows one file: a namespace, a plain file, none, or one that it does not tell of."""

    def __init__(self, status: int | OSError) -> None:
        super().__init__()
        self._status = status

    def filesystem_type(self, path: str) -> int:
        """Tell of the file what the test says."""
        assert path == NETNS
        if isinstance(self._status, OSError):
            raise self._status
        return self._status


THERE = NSFS_MAGIC
GONE = FileNotFoundError(2, "No such file or directory", NETNS)
UNKNOWN = OSError(5, "Input/output error", NETNS)


def on_host() -> Sandbox:
    """A running pod on the node's own network."""
    config = cri.PodSandboxConfig()
    config.linux.security_context.namespace_options.network = cri.NODE
    return Sandbox("s", "s", config, 1, pid=5)


@pytest.mark.parametrize(
    ("sandbox", "ready", "reason"),
    [
        (UP, True, "is not running"),
        (on_host(), True, "is not running"),
        (UP.replace(cni_result=None), False, "has no network"),
        (UP.replace(netns_gone=True), False, "lost its network namespace"),
        (UP.replace(network_down=True), False, "lost its network namespace"),
        (UP.replace(exited_at=7), False, "is not running"),
        (UP.replace(pid=0), False, "is not running"),
        (UP.replace(unknown_reason="undo failed"), False, "unknown state: undo failed"),
    ],
)
def test_a_running_process_is_half_of_it(sandbox, ready, reason):
    """A pod that needs a network is ready when its process runs and its network's result is known."""
    assert sandbox.ready is ready
    assert (sandbox.state == cri.SANDBOX_READY) is ready
    if not ready:
        assert reason in sandbox.unready_reason


def loaded(sandbox: Sandbox, status: int | OSError) -> Sandbox:
    """The pod as a new daemon reads it from its record, with a task that runs."""
    record = containers_pb2.Container(id=sandbox.id, created_at=Timestamp(seconds=1))
    record.extensions[SANDBOX_EXTENSION].CopyFrom(sandbox_extension(sandbox))
    return load_sandbox(record, Kernel(status)).replace(pid=5)


@pytest.mark.parametrize(
    ("sandbox", "status", "ready", "ips"),
    [
        (UP, THERE, True, ("10.0.0.2",)),
        (UP.replace(cni_result=None, ips=()), THERE, False, ()),
        (UP, GONE, False, ()),
        (UP, TMPFS_MAGIC, False, ()),
        (UP, UNKNOWN, False, ()),
    ],
)
def test_what_a_new_daemon_makes_of_a_record(sandbox, status, ready, ips):
    """Without the result of its ADD, or without its namespace, a pod is not ready although its process runs."""
    read = loaded(sandbox, status)
    assert (read.ready, read.ips) == (ready, ips)
    assert bool(read.unknown_reason) is (status is UNKNOWN)


@pytest.mark.parametrize(("status", "ready"), [(THERE, True), (GONE, False), (TMPFS_MAGIC, False), (UNKNOWN, True)])
def test_a_namespace_that_vanishes(status, ready):
    """A pod whose namespace has gone is not ready any more; one that cannot be looked at stays what it was."""
    sandboxes: Index[Sandbox] = Index("sandbox")
    sandboxes.put(UP)
    assert poll(Kernel(status), sandboxes, UP).ready is ready
    assert sandboxes.get("s").ready is ready
