"""Some cells of the crash matrix on real parts: the same requests, the same faults, the same claims afterwards.

All cells run against the fake containerd, in ``tests/unit/crash_matrix``. The ones here show that a real containerd,
real shims and real plugins come out of them in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from lab.faults.fault_proxy import Fault, FaultProxy
from tests.unit.crash_matrix.cases import CASES
from tests.unit.crash_matrix.cell import ALLOWED, Cut
from tests.unit.crash_matrix.kubelet import Kubelet

if TYPE_CHECKING:
    from pathlib import Path

    from lab.lab import Lab

pytestmark = pytest.mark.usefixtures("nothing_left")

_SERVICES = "containerd.services"
SAMPLE = (
    ("RunPodSandbox", "Snapshots/Prepare", Cut.UNKNOWN),
    ("RunPodSandbox", "Containers/Create", Cut.ANSWER_LOST),
    ("RunPodSandbox", "Tasks/Create", Cut.ANSWER_LOST),
    ("StopPodSandbox", "Tasks/Kill", Cut.UNAVAILABLE),
    ("RemovePodSandbox", "Snapshots/Remove", Cut.ANSWER_LOST),
    ("CreateContainer", "Containers/Create", Cut.UNKNOWN),
    ("StartContainer", "Tasks/Create", Cut.UNKNOWN),
    ("StartContainer", "Tasks/Start", Cut.ANSWER_LOST),
    ("RemoveContainer", "Tasks/Delete", Cut.UNKNOWN),
    ("UpdateContainerResources", "Tasks/Update", Cut.UNKNOWN),
    ("ExecSync", "Tasks/DeleteProcess", Cut.UNKNOWN),
)
_FAULTS = {
    Cut.UNKNOWN: (grpc.StatusCode.UNKNOWN, False),
    Cut.UNAVAILABLE: (grpc.StatusCode.UNAVAILABLE, False),
    Cut.ANSWER_LOST: (grpc.StatusCode.UNAVAILABLE, True),
}


@pytest.fixture(scope="module")
def _node(_proxied_node: tuple[Lab, FaultProxy]) -> Lab:
    return _proxied_node[0]


@pytest.mark.parametrize("cell", SAMPLE, ids=lambda cell: f"{cell[0]}-{cell[1]}-{cell[2].value}")
async def test_a_cell(lab: Lab, proxy: FaultProxy, tmp_path: Path, cell: tuple[str, str, Cut]) -> None:
    """The client gets an allowed answer, the kubelet's next requests succeed, and nothing is left behind."""
    rpc, method, cut = cell
    case = next(case for case in CASES if case.name == rpc)
    kubelet = Kubelet(lab.client, lab.busybox, tmp_path, lab.cgroup_parent)
    fields = await case.prepare(kubelet)
    code, done = _FAULTS[cut]
    service = method.partition("/")[0].lower()
    fault = proxy.faults[f"{_SERVICES}.{service}.v1.{method}"] = Fault(code, done=done, times=1)
    answer = "OK"
    try:
        await getattr(lab.client, rpc)(**fields)
    except grpc.aio.AioRpcError as error:
        answer = error.code().name
    assert answer in ALLOWED[cut]
    await case.follow(kubelet, fields)
    assert not fault.times, "the hop was never made"
    await kubelet.clear_pods()
