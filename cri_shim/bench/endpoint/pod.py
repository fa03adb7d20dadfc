"""Drive a pod's life as a kubelet does, one RPC after the other, each of them timed.

A kubelet makes the directories of the logs before it asks for the pod and the container, stops a container before its
pod, and stops before it removes. Runtimes depend on that: CRI-O and cri-dockerd write a log into a folder that they do
not make, and cri-containerd of 2018 refuses to remove a running container.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.clients.client import CallError
from cri_shim.bench.endpoint.pod_configs import NAMESPACE, container_config, log_directory, log_file, pod_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.endpoint.node import Node, Samples

START = ("RunPodSandbox", "CreateContainer", "StartContainer")
END = ("StopContainer", "StopPodSandbox", "RemoveContainer", "RemovePodSandbox")
_LOGS_MODE = 0o755
REMOVE_RETRIES = (0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts to remove a pod that an interrupted run has left."""


@dataclass(slots=True)
class Pod:
    """One pod with one container on one side. Its requests are serialised before any clock starts."""

    node: Node
    config: cri.PodSandboxConfig
    container: cri.ContainerConfig
    id: str = ""
    container_id: str = ""

    @classmethod
    def of(cls, node: Node, name: str, command: Sequence[str] = ("sleep", "86400")) -> Pod:
        """Describe a pod; nothing runs yet."""
        config = pod_config(node.place, name)
        return cls(node, config, container_config(node.place, config, command))

    async def start(self, samples: Samples) -> None:
        """Run the pod, then create and start the container."""
        _make_directory(Path(self.config.log_directory))
        handler = self.node.place.runtime_handler
        request = cri.RunPodSandboxRequest(config=self.config, runtime_handler=handler).SerializeToString()
        try:
            answer = await self.node.call(samples, "RunPodSandbox", request)
            self.id = cri.RunPodSandboxResponse.FromString(answer).pod_sandbox_id
            await self.start_container(samples)
        except asyncio.CancelledError:
            self.node.cut_off = True
            raise

    async def start_container(self, samples: Samples) -> None:
        """Create and start the container in the running pod."""
        _make_directory(log_file(self.config, self.container).parent)
        create = cri.CreateContainerRequest(
            pod_sandbox_id=self.id, config=self.container, sandbox_config=self.config
        ).SerializeToString()
        answer = await self.node.call(samples, "CreateContainer", create)
        self.container_id = cri.CreateContainerResponse.FromString(answer).container_id
        start = cri.StartContainerRequest(container_id=self.container_id).SerializeToString()
        await self.node.call(samples, "StartContainer", start)

    async def read_status(self, samples: Samples) -> None:
        """Read the status of both, as a kubelet does after a start."""
        pod = cri.PodSandboxStatusRequest(pod_sandbox_id=self.id).SerializeToString()
        await self.node.call(samples, "PodSandboxStatus", pod)
        container = cri.ContainerStatusRequest(container_id=self.container_id).SerializeToString()
        await self.node.call(samples, "ContainerStatus", container)

    async def end(self, samples: Samples) -> None:
        """Stop and remove both without a grace period, so that the runtime is timed and not the container's process."""
        stop = cri.StopContainerRequest(container_id=self.container_id, timeout=0).SerializeToString()
        await self.node.call(samples, "StopContainer", stop)
        pod = cri.StopPodSandboxRequest(pod_sandbox_id=self.id).SerializeToString()
        await self.node.call(samples, "StopPodSandbox", pod)
        remove = cri.RemoveContainerRequest(container_id=self.container_id).SerializeToString()
        await self.node.call(samples, "RemoveContainer", remove)
        pod = cri.RemovePodSandboxRequest(pod_sandbox_id=self.id).SerializeToString()
        await self.node.call(samples, "RemovePodSandbox", pod)
        remove_logs(Path(self.config.log_directory))

    async def exec(self, *command: str, seconds: int = 60) -> cri.ExecSyncResponse:
        """Run a command in the container, without a clock."""
        request = cri.ExecSyncRequest(container_id=self.container_id, cmd=command, timeout=seconds)
        return await self.node.client.ask("ExecSync", request, cri.ExecSyncResponse)

    async def ip(self) -> str:
        """Return the pod's address."""
        request = cri.PodSandboxStatusRequest(pod_sandbox_id=self.id)
        status = await self.node.client.ask("PodSandboxStatus", request, cri.PodSandboxStatusResponse)
        return status.status.network.ip


async def remove_all(node: Node) -> None:
    """Stop and remove every pod that a comparison has left on a side; other pods stay untouched."""
    answer = await node.client.ask("ListPodSandbox", cri.ListPodSandboxRequest(), cri.ListPodSandboxResponse)
    for item in answer.items:
        if item.metadata.namespace == NAMESPACE:
            await _remove(node, item.id)
            remove_logs(log_directory(node.place, item.metadata))


async def _remove(node: Node, id_: str) -> None:
    """Remove a pod as a kubelet does, repeatedly, because some runtimes refuse that while the pod is being started."""
    for pause in (*REMOVE_RETRIES, None):
        try:
            await _stop_and_remove(node, id_)
        except CallError:
            if pause is None:
                raise
            await asyncio.sleep(pause)
        else:
            return


async def _stop_and_remove(node: Node, id_: str) -> None:
    """Stop the containers, stop the pod, remove the containers, remove the pod."""
    of_pod = cri.ListContainersRequest(filter=cri.ContainerFilter(pod_sandbox_id=id_))
    answer = await node.client.ask("ListContainers", of_pod, cri.ListContainersResponse)
    containers = [each.id for each in answer.containers]
    for each in containers:
        stop = cri.StopContainerRequest(container_id=each, timeout=0)
        await node.client.ask("StopContainer", stop, cri.StopContainerResponse)
    stop_pod = cri.StopPodSandboxRequest(pod_sandbox_id=id_)
    await node.client.ask("StopPodSandbox", stop_pod, cri.StopPodSandboxResponse)
    for each in containers:
        remove = cri.RemoveContainerRequest(container_id=each)
        await node.client.ask("RemoveContainer", remove, cri.RemoveContainerResponse)
    remove_pod = cri.RemovePodSandboxRequest(pod_sandbox_id=id_)
    await node.client.ask("RemovePodSandbox", remove_pod, cri.RemovePodSandboxResponse)


def _make_directory(directory: Path) -> None:
    directory.mkdir(mode=_LOGS_MODE, parents=True, exist_ok=True)


def remove_logs(directory: Path) -> None:
    """Remove a pod's log directory, as a kubelet does some time after the pod is gone."""
    shutil.rmtree(directory, ignore_errors=True)
