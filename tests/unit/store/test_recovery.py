"""What reading containerd anew makes of a pod that is in somebody's hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.kernel.recording import RecordingKernel
from cri_shim.paths import Paths
from cri_shim.store.index import Index
from cri_shim.store.names import Names
from cri_shim.store.recovery import Recovery
from cri_shim.store.sandboxes import Sandbox

ID = "a" * 64


class FakeContainerd:
    """One pod whose pause container was made and not started yet: a moment that cannot be had with a broken stream."""

    def __init__(self):
        self.deleted = []
        self.containers = SimpleNamespace(list=self._records)
        self.tasks = SimpleNamespace(list=self._tasks, delete=self._delete)

    async def _records(self, selected):
        return [containers_pb2.Container(id=ID)] if "sandbox" in selected else []

    async def _tasks(self):
        return [task_types.Process(id=ID, pid=7, status=task_types.CREATED)]

    async def _delete(self, id_):
        self.deleted.append(id_)


@pytest.mark.parametrize("starting", [True, False])
async def test_a_pause_container_that_is_about_to_start(tmp_path, starting):
    """It is left to the start in hand; where there is none it is of no use, and the pod is not ready."""
    containerd = FakeContainerd()
    sandboxes: Index[Sandbox] = Index("sandbox")
    sandboxes.put(Sandbox(ID, "name", cri.PodSandboxConfig(), created_at=1, pid=7, cni_result={}, starting=starting))
    names = Names()
    names.reserve("name", ID)
    recovery = Recovery(
        containerd=cast("Any", containerd),
        kernel=RecordingKernel(),
        paths=Paths(tmp_path / "root", tmp_path / "state"),
        sandboxes=sandboxes,
        containers=Index("container"),
        sandbox_names=names,
        container_names=Names(),
        logs=cast("Any", None),
        exits=cast("Any", None),
        snapshotters=(),
    )
    await recovery.run()
    assert sandboxes.get(ID).ready is starting
    assert containerd.deleted == ([] if starting else [ID])
