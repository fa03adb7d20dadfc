"""A daemon without one of its tricks: each switch really turns the trick off."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import uvloop

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.keyed_locks import KeyedLocks
from cri_shim.config import RuntimeHandler
from cri_shim.lifecycle.direct_signals import DirectSignals
from cri_shim.paths import Paths
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from cri_shim.tuning import admission, shim_calls
from cri_shim.tuning.cgroup_moves import CgroupMoves
from lab.without import TRICKS
from tests.fakes.kernel import RecordingKernel

if TYPE_CHECKING:
    from containerd_client import Containerd


class Tasks:
    """Notes the arguments of each creation."""

    def __init__(self) -> None:
        self.created: list[tuple[str, dict[str, object]]] = []

    async def create(self, id_: str, **more: object) -> int:
        """Return a pid."""
        self.created.append((id_, more))
        return 1


async def a_direct_signal() -> bool:
    """Return whether a signal is sent to a container whose process can be found."""
    kernel, locks = RecordingKernel(), KeyedLocks()
    kernel.processes = lambda *_: True
    containers: Index[Container] = Index("container")
    status = Status(pid=7, started_at=1)
    containers.put(
        Container("id", "name", "pod", config=cri.ContainerConfig(), status=status, image_id="", plain_runc=True)
    )
    return await DirectSignals(kernel, Index("sandbox"), containers, locks, enabled=True).send("id", 9)


async def test_each_trick_is_off(monkeypatch, tmp_path):
    """A switch that names what has moved meanwhile would measure nothing."""
    assert await a_direct_signal()
    monkeypatch.setattr(uvloop, "new_event_loop", uvloop.new_event_loop)
    monkeypatch.setattr(admission, "OF_EACH_CORE", admission.OF_EACH_CORE)
    monkeypatch.setattr(CgroupMoves, "prepare", CgroupMoves.prepare)
    monkeypatch.setattr(shim_calls, "SHIM", shim_calls.SHIM)
    monkeypatch.setattr(DirectSignals, "send", DirectSignals.send)
    monkeypatch.setenv("GRPC_EXPERIMENTS", "-event_engine_client")
    for switch_off in TRICKS.values():
        switch_off()
    moves: list[str] = []
    CgroupMoves(lambda: moves.append("move")).prepare()
    assert not moves
    tasks = Tasks()
    await shim_calls.ShimCalls(
        cast("Containerd", SimpleNamespace(tasks=tasks)), Paths(tmp_path, tmp_path), "/a/script", print
    ).create_task("id", RuntimeHandler())
    assert tasks.created == [("id", {})]
    assert not await a_direct_signal()
    assert uvloop.new_event_loop is asyncio.new_event_loop
    assert admission.width_for(2) > 1000
    assert os.environ["GRPC_EXPERIMENTS"] == ""
