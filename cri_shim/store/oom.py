"""Whether a killed container was killed for want of memory.

The kernel's own count in the container's cgroup says so; the TaskOOM event says it too, but may come after the exit
(containerd issue 12260). The cgroup lives until the task is deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client import ContainerdError
from containerd_client.api.io.containerd.cgroups.v1 import cgroups_pb2 as cgroups_v1
from containerd_client.api.io.containerd.cgroups.v2 import cgroups_pb2 as cgroups_v2

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as AnyMessage

    from containerd_client import Containerd

_V1 = "io.containerd.cgroups.v1.Metrics"
_V2 = "io.containerd.cgroups.v2.Metrics"


async def was_oom_killed(containerd: Containerd, container_id: str) -> bool:
    """Ask the container's cgroup; a cgroup that cannot be asked any more says no."""
    try:
        metrics = await containerd.tasks.metrics(f"id=={container_id}")
    except ContainerdError:
        return False
    return any(_oom_kills(metric.data) > 0 for metric in metrics)


def _oom_kills(data: AnyMessage) -> int:
    name = data.type_url.rpartition("/")[2]
    if name == _V1:
        return cgroups_v1.Metrics.FromString(data.value).memory_oom_control.oom_kill
    if name == _V2:
        return cgroups_v2.Metrics.FromString(data.value).memory_events.oom_kill
    return 0
