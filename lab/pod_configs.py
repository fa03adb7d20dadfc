"""Build the CRI messages of pods and containers, with everything in them that every test needs."""

from __future__ import annotations

import itertools
import os
import uuid
from typing import TYPE_CHECKING, Any

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

POD, CONTAINER, NODE, TARGET = cri.POD, cri.CONTAINER, cri.NODE, cri.TARGET
_numbers = itertools.count(1)

# A container that runs until it gets SIGTERM, and then ends at once.
SLEEP = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done")


def pod_config(
    name: str = "",
    *,
    namespace: str = "lab",
    log_directory: str | Path = "",
    cgroup_parent: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    hostname: str | None = None,
    network: cri.NamespaceMode.ValueType = cri.POD,
    pid: cri.NamespaceMode.ValueType = cri.CONTAINER,
    ipc: cri.NamespaceMode.ValueType = cri.POD,
    userns: cri.UserNamespace | None = None,
    sysctls: Mapping[str, str] | None = None,
    security: Mapping[str, Any] | None = None,
    linux_more: Mapping[str, Any] | None = None,
    attempt: int = 0,
    uid: str = "",
    **fields: Any,
) -> cri.PodSandboxConfig:
    """Describe a pod; without a name it gets a unique one. Further fields go into the message unchanged.

    ``security`` are more fields of its security context, ``linux_more`` of its Linux part.
    """
    name = name or f"pod-{os.getpid()}-{next(_numbers)}"
    options = cri.NamespaceOption(network=network, pid=pid, ipc=ipc, userns_options=userns)
    context = cri.LinuxSandboxSecurityContext(namespace_options=options, **(security or {}))
    linux = cri.LinuxPodSandboxConfig(
        cgroup_parent=cgroup_parent, sysctls=sysctls or {}, security_context=context, **(linux_more or {})
    )
    return cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(name=name, uid=uid or str(uuid.uuid4()), namespace=namespace, attempt=attempt),
        hostname=(name if network == cri.POD else "") if hostname is None else hostname,
        log_directory=str(log_directory),
        labels=labels or {},
        annotations=annotations or {},
        linux=linux,
        **fields,
    )


def container_config(
    image: str,
    name: str = "main",
    *,
    command: Sequence[str] = SLEEP,
    args: Sequence[str] = (),
    attempt: int = 0,
    envs: Mapping[str, str] | None = None,
    mounts: Iterable[cri.Mount] = (),
    resources: Mapping[str, Any] | None = None,
    security: Mapping[str, Any] | None = None,
    pid: cri.NamespaceMode.ValueType = cri.CONTAINER,
    network: cri.NamespaceMode.ValueType = cri.POD,
    ipc: cri.NamespaceMode.ValueType = cri.POD,
    userns: cri.UserNamespace | None = None,
    target_id: str = "",
    log: bool = True,
    **fields: Any,
) -> cri.ContainerConfig:
    """Describe a container. Its log is NAME/ATTEMPT.log below the pod's log directory, as with the kubelet."""
    options = cri.NamespaceOption(network=network, pid=pid, ipc=ipc, target_id=target_id, userns_options=userns)
    context = cri.LinuxContainerSecurityContext(namespace_options=options, **(security or {}))
    linux = cri.LinuxContainerConfig(
        security_context=context, resources=cri.LinuxContainerResources(**resources) if resources else None
    )
    return cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name=name, attempt=attempt),
        image=cri.ImageSpec(image=image),
        command=command,
        args=args,
        envs=[cri.KeyValue(key=key, value=value.encode()) for key, value in (envs or {}).items()],
        mounts=list(mounts),
        linux=linux,
        log_path=f"{name}/{attempt}.log" if log else "",
        **fields,
    )


def sh(script: str) -> tuple[str, str, str]:
    """Return the command that runs a shell script."""
    return "sh", "-c", script
