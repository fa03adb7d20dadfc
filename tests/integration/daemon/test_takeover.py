"""The stored form is shared: containerd's own CRI plugin and this daemon take over each other's running pods."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from tests.lab.cri_client import CriClient
from tests.lab.lab import Lab
from tests.lab.pod_configs import sh
from tests.lab.pods import Pod, fetch, web_server


@pytest_asyncio.fixture(loop_scope="session")
async def node():
    """A node on which the plugin serves first; the daemon is given the plugin's directories."""
    async with Lab("plugin") as lab:
        plugin = "io.containerd.grpc.v1.cri"
        lab.bridge.settings = {
            "root": str(lab.containerd.root / plugin),
            "state": str(lab.containerd.state / plugin),
        }
        yield lab


def hand_over(lab, *, to_bridge: bool) -> None:
    """Restart containerd without its plugin and start the daemon, or the other way round. Pods keep running."""
    if lab.bridge.daemon.alive:
        assert lab.bridge.stop() == 0
    lab.containerd.daemon.stop()
    lab.containerd.cri_plugin = not to_bridge
    lab.containerd.start()
    if to_bridge:
        lab.bridge.start()


async def answering(plugin, seconds=30):
    """Wait until the plugin has read its pods: containerd answers before that."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await plugin.ListPodSandbox()
        except grpc.aio.AioRpcError as error:
            assert "not initialized" in (error.details() or ""), error
            assert time.monotonic() < deadline, error
        await asyncio.sleep(0.05)


def run(lab, client, **config):
    directory = lab.logs / config["name"]
    directory.mkdir()
    return Pod.run(client, lab.busybox, log_directory=directory, cgroup_parent=lab.cgroup_parent, **config)


async def told(client, pod, container):
    """What the CRI says of a pod and a container, as far as both sides say it."""
    status = (await client.PodSandboxStatus(pod_sandbox_id=pod.id)).status
    of_container = (await client.ContainerStatus(container_id=container.id)).status
    return (
        (status.state, status.metadata, status.network.ip, dict(status.labels), status.created_at),
        (of_container.state, of_container.metadata, of_container.started_at, of_container.log_path),
    )


async def test_the_daemon_takes_over_from_the_plugin_and_gives_back(node):
    """State, address, times and log of running pods are the same on either side; either side can remove them."""
    lab = node
    first = await run(lab, lab.client, name="first", labels={"a": "b"})
    web = await first.start("web", command=web_server("still here"))
    ended = await first.start("ended", command=sh("echo done; exit 3"))
    await ended.ended()
    before = await told(lab.client, first, web)
    assert before[0][0] == cri.SANDBOX_READY

    await asyncio.to_thread(hand_over, lab, to_bridge=True)
    async with CriClient(lab.bridge.endpoint) as bridge:
        assert await told(bridge, first, web) == before
        status = (await bridge.ContainerStatus(container_id=ended.id)).status
        assert (status.state, status.exit_code, status.reason) == (cri.CONTAINER_EXITED, 3, "Error")
        assert await fetch(before[0][2], 8080) == "still here"
        response = await bridge.ExecSync(container_id=web.id, cmd=["echo", "hello"], timeout=10)
        assert response.stdout == b"hello\n"
        second = await run(lab, bridge, name="second")
        chatty = await second.start("chatty", command=sh("while :; do echo tick; sleep 0.1; done"))
        await chatty.logged("tick")
        between = await told(bridge, second, chatty)

    await asyncio.to_thread(hand_over, lab, to_bridge=False)
    async with CriClient(lab.containerd.endpoint) as plugin:
        await answering(plugin)
        assert await told(plugin, first, web) == before
        assert await told(plugin, second, chatty) == between
        response = await plugin.ExecSync(container_id=chatty.id, cmd=["echo", "hello"], timeout=10)
        assert response.stdout == b"hello\n"
        await plugin.StopPodSandbox(pod_sandbox_id=second.id)
        await plugin.RemovePodSandbox(pod_sandbox_id=second.id)

    await asyncio.to_thread(hand_over, lab, to_bridge=True)
    async with CriClient(lab.bridge.endpoint) as bridge:
        assert [item.id for item in (await bridge.ListPodSandbox()).items] == [first.id]
        await bridge.StopPodSandbox(pod_sandbox_id=first.id)
        await bridge.RemovePodSandbox(pod_sandbox_id=first.id)
        assert not (await bridge.ListContainers()).containers
    await asyncio.to_thread(hand_over, lab, to_bridge=False)
