"""Ask containerd how often the kernel killed in a container's cgroup because memory ran out.

This is for cgroup v1, and for pods that have no cgroup of their own. The answer comes from the container's shim, which
reads the cgroup; it exists until the task is deleted, unless systemd removed it with its last process.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from containerd_client import ContainerdError, NotFound, call_options
from containerd_client.api.io.containerd.cgroups.v1 import cgroups_pb2 as cgroups_v1
from containerd_client.api.io.containerd.cgroups.v2 import cgroups_pb2 as cgroups_v2
from containerd_client.encoding.clean_text import parse_message
from cri_shim.sync.task_poll import NotKnown

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as AnyMessage

    from containerd_client import Containerd

ASK_SECONDS = 2.0
ASKED_AGAIN = (0.0, 0.2, 0.5)
"""Seconds before each question to containerd; an exit waits for the answer, but not for long."""

_V1 = "io.containerd.cgroups.v1.Metrics"
_V2 = "io.containerd.cgroups.v2.Metrics"


async def counted_by_shim(containerd: Containerd, container_id: str) -> bool | NotKnown:
    """Return whether the container's metrics count such a kill; False if its cgroup or its task is gone."""
    reason = ""
    for pause in ASKED_AGAIN:
        await asyncio.sleep(pause)
        try:
            with call_options(timeout=ASK_SECONDS):
                metrics = await containerd.tasks.metrics(f"id=={container_id}")
        except NotFound:
            return False
        except ContainerdError as error:
            reason = str(error)
        else:
            try:
                return any(_oom_kills(metric.data) > 0 for metric in metrics)
            except DecodeError as error:  # the shim writes them, and any program may be a shim
                return NotKnown(f"its metrics cannot be read: {error}")
    return NotKnown(reason)


def _oom_kills(data: AnyMessage) -> int:
    name = data.type_url.rpartition("/")[2]
    if name == _V1:
        return parse_message(cgroups_v1.Metrics.FromString, data.value).memory_oom_control.oom_kill
    if name == _V2:
        return parse_message(cgroups_v2.Metrics.FromString, data.value).memory_events.oom_kill
    return 0
