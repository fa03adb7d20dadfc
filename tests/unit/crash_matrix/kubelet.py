"""As much of a kubelet as the crash matrix needs: it makes pods and containers, and clears away what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.pod_configs import container_config, pod_config

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Kubelet:
    """A kubelet in front of any client that has an RPC for each name."""

    client: Any
    image: str
    logs: Path
    """Directory of all pods' logs."""
    cgroup_parent: str = ""
    to_pull: str = ""
    """An image that is not there, and that a registry has."""

    def pod_config(self) -> cri.PodSandboxConfig:
        """Describe a pod that no other one is like."""
        return pod_config(log_directory=self.logs, cgroup_parent=self.cgroup_parent)

    def container_config(self, attempt: int = 0) -> cri.ContainerConfig:
        """Describe a container that runs until it is ended."""
        return container_config(self.image, command=("sleep", "3600"), attempt=attempt)

    async def run_pod(self) -> tuple[str, cri.PodSandboxConfig]:
        """Run a pod; return its id and its configuration."""
        config = self.pod_config()
        return (await self.client.RunPodSandbox(config=config)).pod_sandbox_id, config

    async def create(self, pod_id: str, config: cri.PodSandboxConfig, attempt: int = 0) -> str:
        """Create a container; return its id."""
        created = await self.client.CreateContainer(
            pod_sandbox_id=pod_id, config=self.container_config(attempt), sandbox_config=config
        )
        return str(created.container_id)

    async def start(self, pod_id: str, config: cri.PodSandboxConfig, attempt: int = 0) -> str:
        """Create a container and start it; return its id."""
        id_ = await self.create(pod_id, config, attempt)
        await self.client.StartContainer(container_id=id_)
        return id_

    async def running_container(self) -> tuple[str, cri.PodSandboxConfig, str]:
        """Run a pod with a container in it; return the pod's id and configuration, and the container's id."""
        pod_id, config = await self.run_pod()
        return pod_id, config, await self.start(pod_id, config)

    async def states(self, pod_id: str = "") -> dict[str, int]:
        """Return the state of each container, of one pod or of all."""
        containers = await self.client.ListContainers(filter={"pod_sandbox_id": pod_id})
        return {each.id: each.state for each in containers.containers}

    async def pods(self) -> dict[str, int]:
        """Return the state of each pod."""
        return {each.id: each.state for each in (await self.client.ListPodSandbox()).items}

    async def clear_pods(self, *, only_broken: bool = False) -> None:
        """Stop and remove all pods, or those that are not ready."""
        for id_, state in (await self.pods()).items():
            if not only_broken or state == cri.SANDBOX_NOTREADY:
                await self.client.StopPodSandbox(pod_sandbox_id=id_)
                await self.client.RemovePodSandbox(pod_sandbox_id=id_)

    async def clear_containers(self, *states: int) -> None:
        """Stop and remove the containers that are in one of ``states``."""
        for id_, state in (await self.states()).items():
            if state in states:
                await self.client.StopContainer(container_id=id_, timeout=0)
                await self.client.RemoveContainer(container_id=id_)
