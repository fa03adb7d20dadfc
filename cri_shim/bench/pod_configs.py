"""The CRI messages of the pods that a comparison runs: small, and with what a kubelet always sends.

A kubelet gives each pod a cgroup of its own, a log directory, CRI labels and limits; so does this.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMESPACE = "cri-compare"
_MIB = 1 << 20
# As a pod of the Burstable class with requests and limits would get them.
_CPU_SHARES, _CPU_QUOTA, _CPU_PERIOD, _MEMORY, _OOM_SCORE = 102, 100_000, 100_000, 128 * _MIB, 999


@dataclass(frozen=True, slots=True)
class Place:
    """Where the pods of one side live on the node: their image, their logs, their cgroups."""

    image: str
    logs: Path
    cgroup_parent: str


def pod_config(place: Place, name: str) -> cri.PodSandboxConfig:
    """Describe a pod with its own network, IPC and UTS namespaces."""
    uid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{place.logs}/{name}/{uuid.uuid4()}"))
    parent = place.cgroup_parent
    # A systemd slice cannot be made by writing a longer path; the pods then share the slice that was given.
    cgroup = parent if parent.endswith(".slice") else f"{parent}/pod{uid}"
    options = cri.NamespaceOption(network=cri.POD, pid=cri.CONTAINER, ipc=cri.POD)
    return cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(name=name, uid=uid, namespace=NAMESPACE),
        hostname=name,
        log_directory=str(place.logs / f"{NAMESPACE}_{name}_{uid}"),
        labels={
            "io.kubernetes.pod.name": name,
            "io.kubernetes.pod.namespace": NAMESPACE,
            "io.kubernetes.pod.uid": uid,
        },
        annotations={"kubernetes.io/config.source": "api"},
        dns_config=cri.DNSConfig(servers=["10.96.0.10"], searches=["svc.cluster.local"], options=["ndots:5"]),
        linux=cri.LinuxPodSandboxConfig(
            cgroup_parent=cgroup,
            security_context=cri.LinuxSandboxSecurityContext(
                namespace_options=options,
                seccomp=cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault),
            ),
        ),
    )


def container_config(
    place: Place,
    pod: cri.PodSandboxConfig,
    command: Sequence[str] = ("sleep", "86400"),
    *,
    name: str = "main",
    mounts: Sequence[cri.Mount] = (),
) -> cri.ContainerConfig:
    """Describe a container with limits, environment and a log file."""
    options = cri.NamespaceOption(network=cri.POD, pid=cri.CONTAINER, ipc=cri.POD)
    return cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name=name),
        image=cri.ImageSpec(image=place.image),
        command=command,
        envs=[cri.KeyValue(key=f"KUBERNETES_{word}", value=b"10.96.0.1") for word in ("SERVICE_HOST", "PORT")],
        mounts=mounts,
        labels={**pod.labels, "io.kubernetes.container.name": name},
        annotations={"io.kubernetes.container.terminationMessagePolicy": "File"},
        log_path=f"{name}/0.log",
        linux=cri.LinuxContainerConfig(
            resources=cri.LinuxContainerResources(
                cpu_shares=_CPU_SHARES,
                cpu_quota=_CPU_QUOTA,
                cpu_period=_CPU_PERIOD,
                memory_limit_in_bytes=_MEMORY,
                oom_score_adj=_OOM_SCORE,
            ),
            security_context=cri.LinuxContainerSecurityContext(
                namespace_options=options,
                seccomp=cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault),
                masked_paths=["/proc/kcore", "/proc/keys", "/proc/timer_list"],
                readonly_paths=["/proc/sys", "/proc/irq"],
            ),
        ),
    )


def log_file(pod: cri.PodSandboxConfig, container: cri.ContainerConfig) -> Path:
    """Where the container's log is."""
    return Path(pod.log_directory) / container.log_path
