"""kubelet → bridge → containerd is one trace: a real containerd tells the collector of the test what it did."""

from __future__ import annotations

import asyncio
from statistics import median
from typing import TYPE_CHECKING

import pytest_asyncio

from cri_shim.ledger.bill_text import KEY, parse_bill
from lab.lab import Lab
from lab.otlp_collector import CLIENT, SERVER, OtlpCollector
from lab.pod_configs import container_config, pod_config, sh
from tests.integration.tracing.conftest import call, need_containerd, need_spans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TRACE = "5ca1ab1e" * 4
PARENT = "feedfacecafebeef"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[tuple[Lab, OtlpCollector]]:
    """A node whose daemon and whose containerd both tell one collector."""
    need_containerd()
    with OtlpCollector() as collector:
        lab = Lab("bridge", settings={"tracing": {"endpoint": collector.url}}, spans_to=collector.url)
        async with lab:
            yield lab, collector


async def life_of_a_pod(lab: Lab, traceparent: str) -> dict[str, str]:
    """Run a pod with a container, list, exec, stop and remove; the bill of RunPodSandbox."""
    config = pod_config(cgroup_parent=lab.cgroup_parent)
    made, trailer = await call(lab, "RunPodSandbox", traceparent, config=config)
    pod = made.pod_sandbox_id
    await call(lab, "ListPodSandbox", traceparent)
    described = container_config(lab.busybox, "c")
    created, _ = await call(
        lab, "CreateContainer", traceparent, pod_sandbox_id=pod, config=described, sandbox_config=config
    )
    container = created.container_id
    await call(lab, "StartContainer", traceparent, container_id=container)
    await call(lab, "ExecSync", traceparent, container_id=container, cmd=sh("true"), timeout=20)
    await call(lab, "StopContainer", traceparent, container_id=container, timeout=2)
    await call(lab, "RemoveContainer", traceparent, container_id=container)
    await call(lab, "StopPodSandbox", traceparent, pod_sandbox_id=pod)
    await call(lab, "RemovePodSandbox", traceparent, pod_sandbox_id=pod)
    return trailer


async def test_our_spans_are_one_tree_below_the_callers(node):
    """Every request is a child of the caller's span, everything else hangs below a request, with containerd's names."""
    lab, collector = node
    trailer = await life_of_a_pod(lab, TRACEPARENT)
    last = "runtime.v1.RuntimeService/RemovePodSandbox"
    spans = await asyncio.to_thread(
        collector.until, lambda collected: any(span.name == last for span in collected), TRACE
    )
    ours = {span.span_id: span for span in spans if span.service == "cri-shim"}
    requests = [span for span in ours.values() if span.kind == SERVER]
    assert len(requests) == 9
    assert {span.parent_id for span in requests} == {PARENT}
    assert [span for span in ours.values() if span.parent_id not in ours and span.kind != SERVER] == []
    names = {span.name for span in ours.values()}
    assert names >= {
        "cri.sandbox.run",
        "cni.setup_pod_network",
        "cni.add.bridge",
        "client.NewContainer",
        "container.NewTask",
        "client.task.Start",
        "cni.teardown_pod_network",
        "cni.del.bridge",
    }
    (create,) = [
        span
        for span in ours.values()
        if span.name.endswith("Tasks/Create") and _root(span, ours).name.endswith("/StartContainer")
    ]
    assert ours[create.parent_id].name == "container.NewTask"
    (run,) = [span for span in requests if span.name.endswith("/RunPodSandbox")]
    figures = {key.removeprefix("cri_shim.bill."): value for key, value in run.attributes.items() if ".bill." in key}
    assert figures == {key: value for key, value in parse_bill(trailer[KEY]).items() if key != "id"}
    assert run.attributes["sandbox.id"]


def _root(span, spans):
    while span.parent_id in spans:
        span = spans[span.parent_id]
    return span


async def test_containerds_server_spans_are_children_of_our_hops(node):
    """One trace id from the caller to containerd; transport, client span less server span, is never negative."""
    lab, collector = node
    need_spans(lab)
    trace = "0ddba11" * 4 + "abcd"
    pods = 5
    for _ in range(pods):
        await life_of_a_pod(lab, f"00-{trace}-{PARENT}-01")

    def pairs(spans):
        hops = {span.span_id: span for span in spans if span.service == "cri-shim" and span.kind == CLIENT}
        servers = [span for span in spans if span.service == "containerd" and span.kind == SERVER]
        return hops, [(hops[span.parent_id], span) for span in servers if span.parent_id in hops]

    def enough(spans):
        ended = [span for span in spans if span.name.endswith("/RemovePodSandbox")]
        hops, matched = pairs(spans)
        return len(ended) == pods and {hop.span_id for hop, _ in matched} == set(hops)

    hops, matched = pairs(await asyncio.to_thread(collector.until, enough, trace))
    assert len(hops) > 20 * pods
    # The span of a hop that outlives its request ends with it: that of the pause container's start.
    whole = [(hop, server) for hop, server in matched if not hop.attributes.get("cri_shim.hop.unfinished")]
    assert len(whole) >= len(matched) - pods
    transports = sorted(hop.seconds - server.seconds for hop, server in whole)
    negative = [one for one in transports if one < 0]
    print(
        f"{len(matched)} hops, transport median {median(transports) * 1e6:.0f} us, least {transports[0] * 1e6:.0f} us"
    )
    assert len(negative) <= len(matched) / 100
    assert all(server.name == hop.name for hop, server in matched)


async def test_an_unsampled_caller_is_not_exported(node):
    """The caller's decision is followed: nothing of its trace reaches the collector."""
    lab, collector = node
    trace = "bad5eed0" * 4
    await life_of_a_pod(lab, f"00-{trace}-{PARENT}-00")
    sampled = "600d5eed" * 4
    await call(lab, "Version", f"00-{sampled}-{PARENT}-01")
    await asyncio.to_thread(collector.until, bool, sampled)
    await asyncio.sleep(1)
    assert collector.spans(trace) == []
