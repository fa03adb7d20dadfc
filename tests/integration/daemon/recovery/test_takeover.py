"""The stored form is shared: containerd's own CRI plugin and this daemon take over each other's running pods."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import CriClient
from lab.lab import Lab
from lab.pod_configs import sh
from lab.pods import Pod, fetch, web_server


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


async def described(client, pod, container):
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
    before = await described(lab.client, first, web)
    assert before[0][0] == cri.SANDBOX_READY

    await asyncio.to_thread(hand_over, lab, to_bridge=True)
    async with CriClient(lab.bridge.endpoint) as bridge:
        assert await described(bridge, first, web) == before
        status = (await bridge.ContainerStatus(container_id=ended.id)).status
        assert (status.state, status.exit_code, status.reason) == (cri.CONTAINER_EXITED, 3, "Error")
        assert await fetch(before[0][2], 8080) == "still here"
        response = await bridge.ExecSync(container_id=web.id, cmd=["echo", "hello"], timeout=10)
        assert response.stdout == b"hello\n"
        second = await run(lab, bridge, name="second")
        chatty = await second.start("chatty", command=sh("while :; do echo tick; sleep 0.1; done"))
        await chatty.logged("tick")
        between = await described(bridge, second, chatty)

    await asyncio.to_thread(hand_over, lab, to_bridge=False)
    async with CriClient(lab.containerd.endpoint) as plugin:
        await answering(plugin)
        assert await described(plugin, first, web) == before
        assert await described(plugin, second, chatty) == between
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


def mapping():
    """A user namespace of ids that no user of the node has."""
    line = cri.IDMapping(host_id=1_000_000, container_id=0, length=65_536)
    return cri.UserNamespace(mode=cri.POD, uids=[line], gids=[line])


async def mapped(container):
    """Where the container's root is on the node, and its user namespace."""
    return await container.output("tr -s ' ' < /proc/self/uid_map; readlink /proc/self/ns/user")


async def test_pods_with_user_namespaces_are_taken_over(node):
    """Each side runs commands and further containers in a pod with mapped ids of the other, and removes it."""
    lab = node
    if not (1, 7) <= lab.containerd.version < (2, 0):
        pytest.skip("the plugin of 1.6 knows no user namespaces, that of 2.x needs runc 1.2")
    theirs = await run(lab, lab.client, name="theirs", userns=mapping())
    web = await theirs.start("web", userns=mapping())
    before = await mapped(web)
    assert " 1000000 " in before

    await asyncio.to_thread(hand_over, lab, to_bridge=True)
    async with CriClient(lab.bridge.endpoint) as bridge:
        for part in (theirs, web):
            part.client = bridge
        assert await mapped(web) == before
        more = await theirs.start("more", userns=mapping())
        assert await mapped(more) == before
        await more.output("chown 5:6 /bin && touch /made")
        await web.stop()
        await theirs.remove()
        ours = await run(lab, bridge, name="ours", userns=mapping())
        mine = await ours.start("mine", userns=mapping())
        between = await mapped(mine)

    await asyncio.to_thread(hand_over, lab, to_bridge=False)
    async with CriClient(lab.containerd.endpoint) as plugin:
        await answering(plugin)
        for part in (ours, mine):
            part.client = plugin
        assert await mapped(mine) == between
        more = await ours.start("more", userns=mapping())
        assert await mapped(more) == between
        await ours.remove()
        assert not (await plugin.ListPodSandbox()).items
    assert not list(lab.containerd.state.rglob("pinned-namespaces/*"))
