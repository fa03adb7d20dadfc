"""A program of the node is in the way of a removal: the removal fails, says who it is, and can be repeated."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")


def rootfs(lab, id_):
    """Where containerd has mounted the root file system of a task."""
    return lab.containerd.state / "io.containerd.runtime.v2.task" / "k8s.io" / id_ / "rootfs"


@contextmanager
def working_in(directory):
    """A process of the node whose working directory is ``directory``."""
    with subprocess.Popen(["sleep", "600"], cwd=directory) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_a_container(lab):
    """The process ends and its exit is known; the record stays until the mount can go, and then nothing is left."""
    pod = await run_pod(lab)
    container = await pod.start()
    with working_in(rootfs(lab, container.id)) as visitor:
        await container.stop()
        status = await container.status()
        assert (status.state, status.exit_code) == (cri.CONTAINER_EXITED, 137)
        code, message = await failure(container.remove())
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert container.id in message
        assert f"process {visitor.pid} (sleep), whose working directory is {rootfs(lab, container.id)}" in message
        (entry,) = (await lab.client.ListContainers()).containers
        assert (entry.id, entry.state) == (container.id, cri.CONTAINER_EXITED)
        assert container.id in lab.containerd.ctr("snapshots", "list")
    await container.remove()
    assert not rootfs(lab, container.id).parent.exists()
    await pod.remove()


async def test_a_container_with_its_pod(lab):
    """The same when the whole pod is removed at once; the members that can go have gone."""
    pod = await run_pod(lab)
    held, free = await pod.start(), await pod.start()
    with working_in(rootfs(lab, held.id)):
        await pod.stop()
        code, message = await failure(lab.client.RemovePodSandbox(pod_sandbox_id=pod.id))
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert held.id in message
        assert [item.id for item in (await lab.client.ListPodSandbox()).items] == [pod.id]
        assert free.id not in [item.id for item in (await lab.client.ListContainers()).containers]
    await pod.remove()


async def test_a_pause_container(lab):
    """A pod whose own root file system is held is not ready, and stays listed over a restart of the daemon."""
    pod = await run_pod(lab)
    with working_in(rootfs(lab, pod.id)):
        await pod.stop()
        lab.bridge.restart()
        code, message = await failure(lab.client.RemovePodSandbox(pod_sandbox_id=pod.id))
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert f"sandbox {pod.id} cannot be removed" in message
        (entry,) = (await lab.client.ListPodSandbox()).items
        assert (entry.id, entry.state) == (pod.id, cri.SANDBOX_NOTREADY)
    await pod.remove()


async def test_an_open_file(lab):
    """What holds the root file system by a file that is open is named as well."""
    pod = await run_pod(lab)
    container = await pod.start()
    with (rootfs(lab, container.id) / "bin" / "busybox").open("rb"):
        await container.stop()
        _, message = await failure(container.remove())
        assert f"whose open file is {rootfs(lab, container.id)}/bin/busybox" in message
    await pod.remove()
