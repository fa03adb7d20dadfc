"""What containerd's metrics say of kills for want of memory."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from google.protobuf.any_pb2 import Any as Any_

from containerd_client import DeadlineExceeded
from containerd_client.api.io.containerd.cgroups.v1 import cgroups_pb2 as cgroups_v1
from cri_shim.sync import oom_metrics
from cri_shim.sync.oom_metrics import counted_by_shim
from cri_shim.sync.task_poll import NotKnown


class SilentTasks:
    """A containerd that answers with errors, ``failures`` times, and then that there was a kill."""

    def __init__(self, failures):
        self.failures = failures

    async def metrics(self, _filter):
        self.failures -= 1
        if self.failures >= 0:
            raise DeadlineExceeded("Tasks/Metrics", "no answer")
        data = Any_()
        data.Pack(cgroups_v1.Metrics(memory_oom_control=cgroups_v1.MemoryOomControl(oom_kill=1)))
        return [SimpleNamespace(data=data)]


@pytest.mark.parametrize(("failures", "expected"), [(0, True), (2, True), (99, NotKnown("Tasks/Metrics: no answer"))])
async def test_a_containerd_that_does_not_answer(monkeypatch, failures, expected):
    """It is asked again; then it is not known, which is not the same as no."""
    monkeypatch.setattr(oom_metrics, "ASKED_AGAIN", (0, 0, 0))
    client = SimpleNamespace(tasks=SilentTasks(failures))
    assert await counted_by_shim(cast("Any", client), "aaa") == expected


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_metrics_that_are_none(version):
    """A shim's answer that cannot be read says nothing about the cause, and the exit is recorded all the same."""
    data = Any_(type_url=f"io.containerd.cgroups.{version}.Metrics", value=b"\x0a\x05\xff")

    class Tasks:
        async def metrics(self, _filter):
            return [SimpleNamespace(data=data)]

    answer = await counted_by_shim(cast("Any", SimpleNamespace(tasks=Tasks())), "aaa")
    assert isinstance(answer, NotKnown)
    assert "cannot be read" in answer.reason
