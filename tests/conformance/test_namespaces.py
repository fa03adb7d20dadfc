"""Which namespaces a container shares: with its pod, with the node, with another container, or with none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from lab.pods import Container


def of_node(kind: str) -> str:
    """The node's namespace."""
    return os.readlink(f"/proc/self/ns/{kind}")


async def own(container: Container, kind: str) -> str:
    """The namespace of a process in the container."""
    return await container.output(f"readlink /proc/self/ns/{kind}")


async def test_pid_of_its_own(node):
    """With CONTAINER the container's process is number 1 and sees no other container."""
    pod = await node.run()
    one = await pod.start()
    two = await pod.start()
    assert await own(one, "pid") != await own(two, "pid")
    assert await own(one, "pid") != of_node("pid")
    assert (await one.output("cat /proc/1/cmdline | tr '\\0' ' '")).startswith("sh -c")


@pytest.mark.proves(
    "NamespaceOption.pid",
    "LinuxSandboxSecurityContext.namespace_options",
    "LinuxContainerSecurityContext.namespace_options",
)
async def test_pid_of_the_pod(node):
    """With POD the containers see each other's processes, and number 1 is the pod's own."""
    pod = await node.run(pid=cri.POD)
    one = await pod.start(pid=cri.POD)
    two = await pod.start(pid=cri.POD, command=("sleep", "98765"))
    assert await own(one, "pid") == await own(two, "pid")
    assert "sleep 98765" in await one.output("ps")
    assert "sh -c" not in await one.output("cat /proc/1/cmdline | tr '\\0' ' ' | cut -c 1-5")


async def test_pid_of_the_node(node):
    """With NODE the container sees the node's processes."""
    pod = await node.run(pid=cri.NODE)
    container = await pod.start(pid=cri.NODE)
    assert await own(container, "pid") == of_node("pid")
    assert await container.output(f"test -d /proc/{os.getpid()} && echo seen") == "seen"


@pytest.mark.proves("NamespaceOption.target_id")
async def test_pid_of_a_target(node):
    """With TARGET a container joins the processes of a running container of its pod."""
    pod = await node.run()
    target = await pod.start(command=("sleep", "87654"))
    helper = await pod.start(pid=cri.TARGET, target_id=target.id)
    assert await own(helper, "pid") == await own(target, "pid")
    assert "sleep 87654" in await helper.output("ps")


async def test_ipc_of_the_pod(node):
    """With POD the containers share one IPC namespace that is not the node's."""
    pod = await node.run()
    one, two = await pod.start(), await pod.start()
    assert await own(one, "ipc") == await own(two, "ipc") != of_node("ipc")


@pytest.mark.proves("NamespaceOption.ipc")
async def test_ipc_of_the_node(node):
    """With NODE the container has the node's IPC namespace and the node's /dev/shm."""
    pod = await node.run(ipc=cri.NODE)
    container = await pod.start(ipc=cri.NODE)
    assert await own(container, "ipc") == of_node("ipc")
    assert await container.output("stat -c %d /dev/shm") == str(os.stat("/dev/shm").st_dev)


async def test_network_and_uts_of_the_pod(node):
    """A pod's containers share network and host name, and neither is the node's."""
    pod = await node.run()
    one, two = await pod.start(), await pod.start()
    for kind in ("net", "uts"):
        assert await own(one, kind) == await own(two, kind) != of_node(kind)


async def test_mounts_are_each_containers_own(node):
    """Every container has its own mount namespace."""
    pod = await node.run()
    one, two = await pod.start(), await pod.start()
    assert len({await own(one, "mnt"), await own(two, "mnt"), of_node("mnt")}) == 3


async def test_namespace_modes_are_in_the_status(node):
    """The modes that a pod was given are in its status."""
    pod = await node.run(pid=cri.POD, ipc=cri.NODE)
    options = (await pod.status()).linux.namespaces.options
    assert (options.network, options.pid, options.ipc) == (cri.POD, cri.POD, cri.NODE)
