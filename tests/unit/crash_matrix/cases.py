"""The mutating RPCs, each with what goes before it and with what a kubelet does when it has failed.

The cases know nothing of what they run against. The matrix runs them against the fake containerd, at every hop;
``tests/integration/daemon/test_crash_sample.py`` runs some of them on real parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.unit.crash_matrix.kubelet import Kubelet

Fields: TypeAlias = dict[str, Any]

GRACE = 2
"""Seconds that StopContainer gives a container."""


@dataclass(frozen=True)
class Case:
    """One RPC. ``prepare`` returns the fields of the request; ``follow`` is what a kubelet does afterwards.

    Everything in ``follow`` has to succeed, whatever became of the request.
    """

    rpc: str
    prepare: Callable[[Kubelet], Awaitable[Fields]]
    follow: Callable[[Kubelet, Fields], Awaitable[None]]
    infra: str = "pause"
    """What holds a pod's namespaces."""
    direct: bool = False
    """Whether the kernel has the processes, so that signals need no call; else each of them is a call to cut."""
    changes_nothing: bool = False
    """After ``follow`` everything is as it was before the request."""

    refusals: frozenset[str] = frozenset()
    """Codes by which this RPC answers an error of containerd in words of its own."""
    never_cut_short: frozenset[str] = frozenset()
    """Methods that the daemon waits for without a limit that a client could see; a hang in one of them ends by itself
    once the client has its answer."""

    @property
    def name(self) -> str:
        """The RPC, and how pods are made where that is not the usual way."""
        unusual = {self.infra: self.infra != "pause", "direct": self.direct}
        return "/".join([self.rpc, *(name for name, is_so in unusual.items() if is_so)])


async def _new_pod(kubelet: Kubelet) -> Fields:
    return {"config": kubelet.pod_config()}


async def _pod_runs(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.clear_pods(only_broken=True)
    pod_id = (await kubelet.client.RunPodSandbox(**fields)).pod_sandbox_id
    status = (await kubelet.client.PodSandboxStatus(pod_sandbox_id=pod_id)).status
    assert status.state == cri.SANDBOX_READY, status
    assert status.network.ip, status
    assert list(await kubelet.pods()) == [pod_id]
    await kubelet.start(pod_id, fields["config"])


async def _pod_with_container(kubelet: Kubelet) -> Fields:
    pod_id, _, _ = await kubelet.running_container()
    return {"pod_sandbox_id": pod_id}


async def _pod_is_stopped(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.client.StopPodSandbox(**fields)
    assert set((await kubelet.pods()).values()) == {cri.SANDBOX_NOTREADY}
    assert set((await kubelet.states()).values()) == {cri.CONTAINER_EXITED}


async def _pod_is_removed(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.client.StopPodSandbox(**fields)
    await kubelet.client.RemovePodSandbox(**fields)
    assert not await kubelet.pods()
    assert not await kubelet.states()


async def _new_container(kubelet: Kubelet) -> Fields:
    pod_id, config = await kubelet.run_pod()
    return {"pod_sandbox_id": pod_id, "config": kubelet.container_config(), "sandbox_config": config}


async def _container_can_be_made(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.clear_containers(cri.CONTAINER_UNKNOWN)
    id_ = (await kubelet.client.CreateContainer(**fields)).container_id
    assert await kubelet.states() == {id_: cri.CONTAINER_CREATED}
    await kubelet.client.StartContainer(container_id=id_)


async def _created_container(kubelet: Kubelet) -> Fields:
    pod_id, config = await kubelet.run_pod()
    return {"container_id": await kubelet.create(pod_id, config)}


async def _container_runs(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.clear_containers(cri.CONTAINER_UNKNOWN, cri.CONTAINER_EXITED)
    for id_, state in (await kubelet.states()).items():
        if state == cri.CONTAINER_CREATED:
            await kubelet.client.StartContainer(container_id=id_)
    if not await kubelet.states():
        (pod_id,) = await kubelet.pods()
        config = cri.PodSandboxConfig(metadata=cri.PodSandboxMetadata(name="pod", uid="uid", namespace="lab"))
        await kubelet.start(pod_id, config, attempt=1)
    assert list((await kubelet.states()).values()) == [cri.CONTAINER_RUNNING], fields


async def _running_container(kubelet: Kubelet) -> Fields:
    _, _, id_ = await kubelet.running_container()
    return {"container_id": id_}


async def _to_be_stopped(kubelet: Kubelet) -> Fields:
    return {**await _running_container(kubelet), "timeout": GRACE}


async def _container_is_stopped(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.client.StopContainer(**fields)
    assert list((await kubelet.states()).values()) == [cri.CONTAINER_EXITED]


async def _container_is_removed(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.client.RemoveContainer(**fields)
    assert not await kubelet.states()


async def _new_limits(kubelet: Kubelet) -> Fields:
    return {**await _running_container(kubelet), "linux": {"cpu_shares": 77}}


async def _limits_are_new(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.client.UpdateContainerResources(**fields)
    status = (await kubelet.client.ContainerStatus(container_id=fields["container_id"])).status
    assert status.resources.linux.cpu_shares == fields["linux"]["cpu_shares"]


async def _new_limits_of_pod(kubelet: Kubelet) -> Fields:
    pod_id, _ = await kubelet.run_pod()
    return {"pod_sandbox_id": pod_id, "resources": {"cpu_shares": 77}}


async def _limits_of_pod_are_new(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.client.UpdatePodSandboxResources(**fields)
    assert set((await kubelet.pods()).values()) == {cri.SANDBOX_READY}


async def _command(kubelet: Kubelet) -> Fields:
    return {**await _running_container(kubelet), "cmd": ("sh", "-c", "echo fine"), "timeout": 60}


async def _command_runs(kubelet: Kubelet, fields: Fields) -> None:
    done = await kubelet.client.ExecSync(**fields)
    assert (done.exit_code, done.stdout) == (0, b"fine\n")


async def _log_can_be_reopened(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.client.ReopenContainerLog(**fields)


async def _image(kubelet: Kubelet) -> Fields:
    return {"image": {"image": kubelet.image}}


async def _image_is_gone(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.client.RemoveImage(**fields)
    assert not (await kubelet.client.ImageStatus(**fields)).image.id


async def _image_to_pull(kubelet: Kubelet) -> Fields:
    return {"image": {"image": kubelet.to_pull}}


async def _image_can_be_pulled(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.client.PullImage(**fields)
    assert (await kubelet.client.ImageStatus(**fields)).image.id
    await kubelet.client.RemoveImage(**fields)


async def _checkpoint(kubelet: Kubelet) -> Fields:
    fields = await _running_container(kubelet)
    return {**fields, "location": str(kubelet.logs.with_name(f"{fields['container_id'][:12]}.tar")), "timeout": 120}


async def _checkpoint_is_written(kubelet: Kubelet, fields: Fields) -> None:
    await kubelet.client.CheckpointContainer(**fields)
    location = Path(fields["location"])
    assert location.stat().st_size
    location.unlink()
    assert list((await kubelet.states()).values()) == [cri.CONTAINER_RUNNING]


CASES = (
    Case("RunPodSandbox", _new_pod, _pod_runs),
    Case("RunPodSandbox", _new_pod, _pod_runs, infra="pinned"),
    Case("StopPodSandbox", _pod_with_container, _pod_is_stopped),
    Case("StopPodSandbox", _pod_with_container, _pod_is_stopped, infra="pinned"),
    Case("StopPodSandbox", _pod_with_container, _pod_is_stopped, direct=True),
    Case("RemovePodSandbox", _pod_with_container, _pod_is_removed),
    Case("RemovePodSandbox", _pod_with_container, _pod_is_removed, infra="pinned"),
    Case("RemovePodSandbox", _pod_with_container, _pod_is_removed, direct=True),
    Case("CreateContainer", _new_container, _container_can_be_made),
    Case("StartContainer", _created_container, _container_runs),
    Case("StopContainer", _to_be_stopped, _container_is_stopped),
    Case("StopContainer", _to_be_stopped, _container_is_stopped, direct=True),
    Case("RemoveContainer", _running_container, _container_is_removed),
    Case("RemoveContainer", _running_container, _container_is_removed, direct=True),
    Case("UpdateContainerResources", _new_limits, _limits_are_new),
    Case("UpdatePodSandboxResources", _new_limits_of_pod, _limits_of_pod_are_new),
    Case("ExecSync", _command, _command_runs, changes_nothing=True),
    Case("ReopenContainerLog", _running_container, _log_can_be_reopened, changes_nothing=True),
    Case(
        "PullImage",
        _image_to_pull,
        _image_can_be_pulled,
        changes_nothing=True,
        refusals=frozenset({"FAILED_PRECONDITION"}),  # of a layer that cannot be extracted
    ),
    Case("RemoveImage", _image, _image_is_gone),
    Case(
        "CheckpointContainer",
        _checkpoint,
        _checkpoint_is_written,
        changes_nothing=True,
        refusals=frozenset({"INTERNAL", "UNAVAILABLE"}),  # of a criu that fails; while the container stays paused
        never_cut_short=frozenset({"Tasks/Checkpoint"}),
    ),
)
"""One for each RPC that changes something, and for each way in which a pod is made."""
