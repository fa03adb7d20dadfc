"""Build the CRI messages of a comparison's pods: small pods, but with everything that a kubelet always sends.

A kubelet gives each pod a cgroup of its own, a log directory, CRI labels, annotations and limits, and so does this
module. It names a container's image by the id from ImageStatus, and in addition as the user wrote it.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.cgroup_parents import of_pod

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMESPACE = "cri-compare"
_MIB = 1 << 20
# The values of a pod of the Burstable class with requests and limits.
_CPU_SHARES, _CPU_QUOTA, _CPU_PERIOD, _MEMORY, _OOM_SCORE = 102, 100_000, 100_000, 128 * _MIB, 999
# The paths that a kubelet hides from a container with the default procMount.
_MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug"),
    *("/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"),
)
_READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True)
class Place:
    """The place of one side's pods on the node: their image, their logs, their cgroups."""

    image: str
    """The image as a user writes it."""
    logs: Path
    cgroup_parent: str
    """A path, or a systemd slice; see :mod:`cri_shim.bench.endpoint.cgroup_parents`."""
    image_id: str = ""
    """The runtime's id of the image; empty until the runtime was asked."""
    runtime_handler: str = ""
    """The handler of a RuntimeClass; empty for the runtime's default."""


def log_directory(place: Place, metadata: cri.PodSandboxMetadata) -> Path:
    """Return the log directory of a pod's containers, named as a kubelet names it."""
    return place.logs / f"{metadata.namespace}_{metadata.name}_{metadata.uid}"


def pod_config(place: Place, name: str) -> cri.PodSandboxConfig:
    """Describe a pod with its own network, IPC and UTS namespaces."""
    uid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{place.logs}/{name}/{uuid.uuid4()}"))
    metadata = cri.PodSandboxMetadata(name=name, uid=uid, namespace=NAMESPACE)
    options = cri.NamespaceOption(network=cri.POD, pid=cri.CONTAINER, ipc=cri.POD)
    return cri.PodSandboxConfig(
        metadata=metadata,
        hostname=name,
        log_directory=str(log_directory(place, metadata)),
        labels={
            "io.kubernetes.pod.name": name,
            "io.kubernetes.pod.namespace": NAMESPACE,
            "io.kubernetes.pod.uid": uid,
        },
        annotations={
            "kubernetes.io/config.seen": time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime()),
            "kubernetes.io/config.source": "api",
        },
        dns_config=cri.DNSConfig(servers=["10.96.0.10"], searches=["svc.cluster.local"], options=["ndots:5"]),
        linux=cri.LinuxPodSandboxConfig(
            cgroup_parent=of_pod(place.cgroup_parent, uid),
            security_context=cri.LinuxSandboxSecurityContext(
                namespace_options=options,
                seccomp=cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault),
            ),
            overhead=cri.LinuxContainerResources(),
            resources=cri.LinuxContainerResources(
                cpu_shares=_CPU_SHARES, cpu_quota=_CPU_QUOTA, cpu_period=_CPU_PERIOD, memory_limit_in_bytes=_MEMORY
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
        image=cri.ImageSpec(image=place.image_id or place.image, user_specified_image=place.image),
        command=command,
        envs=[cri.KeyValue(key=f"KUBERNETES_{word}", value=b"10.96.0.1") for word in ("SERVICE_HOST", "PORT")],
        mounts=mounts,
        labels={**pod.labels, "io.kubernetes.container.name": name},
        annotations={
            "io.kubernetes.container.hash": "1f2e3d4c",
            "io.kubernetes.container.restartCount": "0",
            "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
            "io.kubernetes.container.terminationMessagePolicy": "File",
            "io.kubernetes.pod.terminationGracePeriod": "30",
        },
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
                masked_paths=_MASKED,
                readonly_paths=_READONLY,
            ),
        ),
    )


def log_file(pod: cri.PodSandboxConfig, container: cri.ContainerConfig) -> Path:
    """Return the path of the container's log."""
    return Path(pod.log_directory) / container.log_path
