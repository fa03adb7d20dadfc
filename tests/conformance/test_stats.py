"""What pods and containers use: CPU, memory, network, processes, disk. The plugin's answers are held to the same."""

from __future__ import annotations

import asyncio
import socket
import time

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cgroup_driver import child
from lab.cri_client import failure
from lab.patience import patient
from lab.pod_configs import sh

MIB = 1024 * 1024
BURN = sh("echo ready; while :; do :; done")
ALLOCATE = sh(f"x=$(head -c {24 * MIB} /dev/zero | tr '\\0' a); echo ready; while :; do sleep 3600; done")
THIRD_OF_A_CORE = {"cpu_period": 100_000, "cpu_quota": 30_000}


async def stats_of(client, container):
    """The statistics of one container."""
    return (await client.ContainerStats(container_id=container.id)).stats


async def pod_stats_of(client, pod):
    """The statistics of one pod."""
    return (await client.PodSandboxStats(pod_sandbox_id=pod.id)).stats


async def until_the_rate_is(ask, low, high, seconds=12):
    """Ask once a second until the rate of CPU time, in cores, is between two bounds: the first are no rates yet."""
    deadline = time.monotonic() + patient(seconds)
    while not low < (usage := await ask()).usage_nano_cores.value / 1e9 < high:
        assert time.monotonic() < deadline, f"no rate between {low} and {high} within {seconds} s: {usage}"
        await asyncio.sleep(1.1)


async def test_cpu_of_a_container(client, node):
    """A busy container shows the CPU time that its quota leaves it, as a growing sum, and as a rate in the list."""
    pod = await node.run()
    container = await pod.start(command=BURN, resources=THIRD_OF_A_CORE)
    await container.logged("ready")
    first = await _cpu(client, container)
    await asyncio.sleep(2)
    second = await _cpu(client, container)
    spent = second.usage_core_nano_seconds.value - first.usage_core_nano_seconds.value
    assert 0.05 < spent / (second.timestamp - first.timestamp) < 0.36

    async def list_ids():
        return (await client.ListContainerStats(filter={"id": container.id})).stats[0].cpu

    await until_the_rate_is(list_ids, 0.05, 0.36)


@pytest.mark.plugin_differs("the plugin has the rate in the list only", since="1.7")
async def test_rate_of_one_container(client, node):
    """ContainerStats has the rate that the list has."""
    pod = await node.run()
    container = await pod.start(command=BURN, resources=THIRD_OF_A_CORE)
    await container.logged("ready")
    await until_the_rate_is(lambda: _cpu(client, container), 0.05, 0.36)


async def _cpu(client, container):
    return (await stats_of(client, container)).cpu


@pytest.mark.proves("RuntimeService.ContainerStats")
async def test_memory_of_a_container(client, node):
    """What a container allocates shows in usage, working set and rss, and is not available any more."""
    pod = await node.run()
    container = await pod.start(command=ALLOCATE, resources={"memory_limit_in_bytes": 128 * MIB})
    await container.logged("ready")
    memory = (await stats_of(client, container)).memory
    assert 24 * MIB < memory.rss_bytes.value < 128 * MIB
    assert 24 * MIB < memory.working_set_bytes.value <= memory.usage_bytes.value <= 128 * MIB
    assert memory.available_bytes.value == 128 * MIB - memory.working_set_bytes.value
    assert memory.page_faults.value > 24 * MIB // 4096 // 2


async def test_without_a_limit_nothing_is_said_to_be_available(client, pod):
    """A container without a memory limit has 0 available bytes, as the kubelet knows it."""
    container = await pod.start()
    assert (await stats_of(client, container)).memory.available_bytes.value == 0


async def test_attributes_are_those_of_the_container(client, node):
    """Statistics carry id, metadata, labels and annotations."""
    pod = await node.run(labels={"pod": "a"}, annotations={"note": "b"})
    container = await pod.start(name="main", labels={"app": "c"}, annotations={"word": "d"})
    attributes = (await stats_of(client, container)).attributes
    assert attributes.id == container.id
    assert attributes.metadata.name == "main"
    assert dict(attributes.labels) == {"app": "c"}
    assert dict(attributes.annotations) == {"word": "d"}
    attributes = (await pod_stats_of(client, pod)).attributes
    assert attributes.id == pod.id
    assert dict(attributes.labels) == {"pod": "a"}
    assert dict(attributes.annotations) == {"note": "b"}


async def test_the_writable_layer_grows(client, node):
    """What a container writes into its own layer shows there, on the file system that ImageFsInfo names."""
    pod = await node.run()
    container = await pod.start()
    await container.output(f"head -c {3 * MIB} /dev/zero > /written")
    deadline = time.monotonic() + patient(25)
    while (layer := (await stats_of(client, container)).writable_layer).used_bytes.value < 3 * MIB:
        assert time.monotonic() < deadline, layer
        await asyncio.sleep(0.5)
    assert layer.used_bytes.value < 4 * MIB
    assert layer.inodes_used.value >= 1
    images = (await client.ImageFsInfo()).image_filesystems
    assert layer.fs_id.mountpoint in [entry.fs_id.mountpoint for entry in images]


async def test_timestamps_are_now(client, pod):
    """Times are nanoseconds since 1970, and of this moment."""
    container = await pod.start()
    before = time.time_ns()
    stats = await stats_of(client, container)
    for part in (stats.cpu, stats.memory):
        assert abs(part.timestamp - before) < 5e9


@pytest.mark.parametrize("ran", [False, True], ids=["created", "exited"])
async def test_a_container_that_does_not_run(client, pod, ran):
    """A container that was not started, or has ended, is listed without CPU and memory."""
    container = await pod.create(command=sh("exit 0"))
    if ran:
        await container.start()
        await container.ended()
    (stats,) = (await client.ListContainerStats(filter={"id": container.id})).stats
    assert stats.attributes.id == container.id
    assert not stats.HasField("cpu")
    assert not stats.HasField("memory")


@pytest.mark.proves("RuntimeService.ListContainerStats")
async def test_filters_of_the_list(client, node):
    """ListContainerStats filters by id, by pod and by labels, and without a filter lists all."""
    one, two = await asyncio.gather(node.run(), node.run())
    first = await one.start(labels={"app": "web", "tier": "front"})
    second = await one.start(labels={"app": "web"})
    third = await two.start(labels={"app": "db"})

    async def list_ids(**wanted):
        return {one.attributes.id for one in (await client.ListContainerStats(filter=wanted)).stats}

    assert {first.id, second.id, third.id} <= {s.attributes.id for s in (await client.ListContainerStats()).stats}
    assert await list_ids(id=first.id) == {first.id}
    assert await list_ids(pod_sandbox_id=one.id) == {first.id, second.id}
    assert await list_ids(label_selector={"app": "web"}) == {first.id, second.id}
    assert await list_ids(label_selector={"app": "web", "tier": "front"}) == {first.id}
    assert await list_ids(id=first.id, pod_sandbox_id=two.id) == set()


@pytest.mark.proves("RuntimeService.PodSandboxStats")
async def test_cpu_and_memory_of_a_pod(client, node):
    """A pod uses at least what its containers do, and its statistics have theirs in them."""
    pod = await node.run(cgroup_parent=child(node.cgroup_parent, "stats"))
    container = await pod.start(command=ALLOCATE)
    await container.logged("ready")
    stats = await pod_stats_of(client, pod)
    (own,) = stats.linux.containers
    assert own.attributes.id == container.id
    assert own.memory.working_set_bytes.value > 24 * MIB
    assert stats.linux.memory.working_set_bytes.value > 24 * MIB
    assert stats.linux.cpu.usage_core_nano_seconds.value > 0


async def test_processes_of_a_pod(client, node):
    """The processes of a pod are those of its containers, without the one that holds it."""
    pod = await node.run()
    container = await pod.start(command=sh("sleep 3600 & sleep 3600 & echo ready; wait"))
    await container.logged("ready")
    assert (await pod_stats_of(client, pod)).linux.process.process_count.value == 3


async def test_network_of_a_pod(client, node):
    """Bytes that reach a pod show as received on eth0, which is its default interface."""
    pod = await node.run()
    before = (await pod_stats_of(client, pod)).linux.network
    assert before.default_interface.name == "eth0"
    address = await pod.ip()
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        for _ in range(200):
            sender.sendto(bytes(1000), (address, 9))
    await asyncio.sleep(1)
    after = (await pod_stats_of(client, pod)).linux.network
    received = after.default_interface.rx_bytes.value - before.default_interface.rx_bytes.value
    assert 200_000 <= received < 400_000
    assert "lo" not in [interface.name for interface in after.interfaces]


@pytest.mark.plugin_differs("the plugin leaves the time of the network's counters at 0")
async def test_time_of_the_network_counters(client, node):
    """The counters of the network say when they were read."""
    pod = await node.run()
    assert abs((await pod_stats_of(client, pod)).linux.network.timestamp - time.time_ns()) < 5e9


async def test_a_pod_on_the_nodes_network_has_no_network_of_its_own(client, node):
    """The interfaces of the node are not the pod's."""
    pod = await node.run(network=cri.NODE)
    assert not (await pod_stats_of(client, pod)).linux.HasField("network")


async def test_a_pod_that_is_not_ready(client, node):
    """PodSandboxStats of a stopped pod is refused with a sentence that says so."""
    pod = await node.run()
    await pod.stop()
    code, detail = await failure(client.PodSandboxStats(pod_sandbox_id=pod.id))
    assert code == node.code(grpc.StatusCode.UNAVAILABLE, plugin=grpc.StatusCode.UNKNOWN, before="1.7")
    assert "ready" in detail


@pytest.mark.plugin_differs("with containerd 1.6 one pod that is not ready fails the whole list", before="1.7")
async def test_the_list_leaves_out_pods_that_are_not_ready(client, node):
    """ListPodSandboxStats shows the ready pods, whatever has become of the others."""
    stopped, ready = await asyncio.gather(node.run(), node.run())
    await stopped.stop()
    ids = {one.attributes.id for one in (await client.ListPodSandboxStats()).stats}
    assert ready.id in ids
    assert stopped.id not in ids


@pytest.mark.proves("RuntimeService.ListPodSandboxStats")
async def test_filters_of_the_pod_list(client, node):
    """ListPodSandboxStats filters by id and by labels."""
    one, two = await asyncio.gather(node.run(labels={"app": "one"}), node.run(labels={"app": "two"}))

    async def list_ids(**wanted):
        return {one.attributes.id for one in (await client.ListPodSandboxStats(filter=wanted)).stats}

    assert await list_ids(id=one.id) == {one.id}
    assert await list_ids(label_selector={"app": "two"}) == {two.id}
    assert await list_ids(id=one.id, label_selector={"app": "two"}) == set()


async def test_what_is_not_known(client, node):
    """Statistics of an unknown id are refused."""
    assert (await failure(client.ContainerStats(container_id="0" * 64)))[0] == grpc.StatusCode.NOT_FOUND
    assert (await failure(client.PodSandboxStats(pod_sandbox_id="0" * 64)))[0] == grpc.StatusCode.NOT_FOUND


@pytest.mark.proves("RuntimeService.ListMetricDescriptors", "RuntimeService.ListPodSandboxMetrics")
@pytest.mark.plugin_differs("the plugin knows no metrics up to 2.1")
async def test_metrics_of_a_pod(client, node):
    """Each metric has a descriptor and one value for each of its labels, and says what the statistics say."""
    pod = await node.run(cgroup_parent=child(node.cgroup_parent, "metrics"))
    container = await pod.start(name="main", command=ALLOCATE, resources={"memory_limit_in_bytes": 128 * MIB})
    await container.logged("ready")
    keys = {one.name: list(one.label_keys) for one in (await client.ListMetricDescriptors()).descriptors}
    (metrics,) = [one for one in (await client.ListPodSandboxMetrics()).pod_metrics if one.pod_sandbox_id == pod.id]
    (own,) = metrics.container_metrics
    assert own.container_id == container.id
    values = {}
    for metric in [*metrics.metrics, *own.metrics]:
        labels = dict(zip(keys[metric.name], metric.label_values, strict=True))
        assert labels["pod"] == pod.config.metadata.name
        values[metric.name, labels["container"], labels.get("interface", "")] = metric.value.value
    assert values["container_spec_memory_limit_bytes", "main", ""] == 128 * MIB
    assert 24 * MIB < values["container_memory_working_set_bytes", "main", ""] <= 128 * MIB
    assert 24 * MIB < values["container_memory_working_set_bytes", "", ""]
    assert values["container_processes", "main", ""] == 2
    assert abs(values["container_last_seen", "main", ""] - time.time()) < 10
    assert values["container_network_receive_bytes_total", "", "eth0"] > 0


@pytest.mark.plugin_differs("the plugin knows no metrics up to 2.1")
async def test_no_metric_is_reported_twice(client, node):
    """A metric with the same labels comes once: Prometheus refuses a scrape in which it comes twice."""
    pod = await node.run()
    await pod.start()
    seen = [
        (metric.name, tuple(metric.label_values))
        for pod_metrics in (await client.ListPodSandboxMetrics()).pod_metrics
        for metric in [*pod_metrics.metrics, *(one for own in pod_metrics.container_metrics for one in own.metrics)]
    ]
    assert len(seen) == len(set(seen)) > 0
