"""A containerd that holds its connections and answers nothing: the node is not ready until any call is answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from containerd_client import ContainerdError, call_options
from cri_shim.node import deprecations, snapshotter_check
from cri_shim.sync import liveness
from tests.fakes.containerd import FaultKind
from tests.fakes.containerd.faults import ANY_UNARY
from tests.unit.waiting import until

if TYPE_CHECKING:
    from tests.unit.fake_node import Node


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "RECENT_SECONDS", 0.1)
    monkeypatch.setattr(liveness, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(liveness, "ASK_SECONDS", 0.5)


async def runtime_ready(node: Node) -> tuple[bool, str, str]:
    """Return the condition's status, reason and message."""
    [ready] = [each for each in (await node.client.Status()).status.conditions if each.type == "RuntimeReady"]
    return ready.status, ready.reason, ready.message


async def silent(node: Node) -> None:
    """Have containerd answer nothing from now on, and its last answer be old."""
    await node.running()
    node.fake.faults.add(ANY_UNARY, FaultKind.HANG, times=None)
    # What was asked before the fault, in the background, is answered by then.
    await until(lambda: not [one for one in node.fake.called("Introspection/Plugins") if not one.ended])
    node.service.containerd._connection.heard_at -= 1.0


async def test_a_containerd_that_answers_nothing(node: Node) -> None:
    """Status says so, lists come from memory all the same, and the first answer ends it without another Status."""
    with capture_logs() as logs:
        await silent(node)
        assert await runtime_ready(node) == (False, "ContainerdNotReady", liveness.SILENT)
        assert await runtime_ready(node) == (False, "ContainerdNotReady", liveness.SILENT)
        assert len((await node.client.ListContainers()).containers) == 1
        assert node.service.readiness.ready
        assert not node.service.readiness.healthy
        info = json.loads((await node.client.Status(verbose=True)).info["daemon"])
        [part] = [each for each in info["parts"] if each["name"] == "containerd"]
        assert (part["ready"], part["reason"], part["last_error"]) == (False, liveness.SILENT, liveness.SILENT)
        node.fake.faults.clear()
        await until(lambda: node.service.readiness.healthy)
    assert (await runtime_ready(node))[0]
    assert [each["event"] for each in logs if each["event"] in {"containerd.silent", "containerd.answers"}] == [
        "containerd.silent",
        "containerd.answers",
    ]


@pytest.mark.parametrize("method", ["Introspection/Plugins", "Introspection/Server"])
async def test_a_silence_that_begins_during_a_status(node: Node, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """The calls of Status that nothing answers are a reason to doubt a containerd that answered just before."""
    monkeypatch.setattr(liveness, "SLOW_SECONDS", 0.1)
    monkeypatch.setattr(snapshotter_check, "_PATIENCE", 0.15)
    monkeypatch.setattr(deprecations, "_PATIENCE", 0.15)
    await node.running()
    node.service.snapshotters._connection = -1
    node.service.deprecations._asked_at = float("-inf")
    await node.service.containerd.version.get()
    for name in {method, "Introspection/Server", "Version/Version"}:
        node.fake.faults.add(name, FaultKind.HANG, times=None)
    assert await runtime_ready(node) == (False, "ContainerdNotReady", liveness.SILENT)


async def test_a_late_answer_ends_it(node: Node) -> None:
    """The answer to the first question counts, however late it comes."""
    await node.running()
    node.fake.faults.add("Version/Version", FaultKind.LATE, seconds=0.4)
    node.service.containerd._connection.heard_at -= 1.0
    assert not (await runtime_ready(node))[0]
    await until(lambda: node.service.readiness.healthy)


async def test_other_calls_count(node: Node) -> None:
    """While any call is answered, even by an error, containerd is not asked."""
    before = len(node.fake.called("Version/Version"))
    for _ in range(3):
        with pytest.raises(ContainerdError):
            await node.service.containerd.tasks.get("no-such-task")
        assert (await runtime_ready(node))[0]
    assert len(node.fake.called("Version/Version")) == before


async def test_a_call_that_timed_out_is_no_answer(node: Node) -> None:
    """Its end is gRPC's own and says nothing about containerd."""
    await silent(node)
    with call_options(timeout=0.05), pytest.raises(ContainerdError):
        await node.service.containerd.version.get()
    assert not (await runtime_ready(node))[0]


async def test_a_containerd_that_goes_away_meanwhile(node: Node) -> None:
    """Its end has another reason; when it is back, it is ready."""
    await silent(node)
    assert not (await runtime_ready(node))[0]
    await node.fake.go_away()
    await until(lambda: not node.service.readiness.ready)
    assert (await runtime_ready(node))[2].startswith("containerd is away: ")
    node.fake.faults.clear()
    await node.fake.come_back()
    await until(lambda: node.service.readiness.healthy)
    assert (await runtime_ready(node))[0]
