"""Every RPC that the daemon serves, one file each: ``NOUN_VERB.py`` with one public coroutine named after the RPC.

The coroutine takes the :class:`~cri_shim.service.Service` (its collaborators) and the request. It returns the response,
as a message or as its bytes, or raises a :class:`~cri_shim.errors.CriError`. The coroutine of a streaming RPC returns
an asynchronous iterator of responses that has an ``aclose``. The server answers UNIMPLEMENTED to RPCs that are not in
:data:`RPCS`.

This room may import every room below it, and an RPC may use another that answers a part of the same question. It must
never import the server or the daemon: an RPC does not know who calls it, nor how long the caller waits.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cri_shim.rpc.container_attach import attach
from cri_shim.rpc.container_checkpoint import checkpoint_container
from cri_shim.rpc.container_create import create_container
from cri_shim.rpc.container_events import get_container_events
from cri_shim.rpc.container_exec import exec_command
from cri_shim.rpc.container_execsync import exec_sync
from cri_shim.rpc.container_list import list_containers
from cri_shim.rpc.container_remove import remove_container
from cri_shim.rpc.container_reopen_log import reopen_container_log
from cri_shim.rpc.container_start import start_container
from cri_shim.rpc.container_stats import container_stats
from cri_shim.rpc.container_stats_list import list_container_stats
from cri_shim.rpc.container_stats_stream import stream_container_stats
from cri_shim.rpc.container_status import container_status
from cri_shim.rpc.container_stop import stop_container
from cri_shim.rpc.container_stream import stream_containers
from cri_shim.rpc.container_update import update_container_resources
from cri_shim.rpc.image_fs_info import image_fs_info
from cri_shim.rpc.image_list import list_images
from cri_shim.rpc.image_pull import pull_image
from cri_shim.rpc.image_remove import remove_image
from cri_shim.rpc.image_status import image_status
from cri_shim.rpc.image_stream import stream_images
from cri_shim.rpc.metric_descriptors import list_metric_descriptors
from cri_shim.rpc.runtime_config import runtime_config
from cri_shim.rpc.runtime_config_update import update_runtime_config
from cri_shim.rpc.sandbox_list import list_pod_sandbox
from cri_shim.rpc.sandbox_metrics import list_pod_sandbox_metrics
from cri_shim.rpc.sandbox_metrics_stream import stream_pod_sandbox_metrics
from cri_shim.rpc.sandbox_port_forward import port_forward
from cri_shim.rpc.sandbox_remove import remove_pod_sandbox
from cri_shim.rpc.sandbox_run import run_pod_sandbox
from cri_shim.rpc.sandbox_stats import pod_sandbox_stats
from cri_shim.rpc.sandbox_stats_list import list_pod_sandbox_stats
from cri_shim.rpc.sandbox_stats_stream import stream_pod_sandbox_stats
from cri_shim.rpc.sandbox_status import pod_sandbox_status
from cri_shim.rpc.sandbox_stop import stop_pod_sandbox
from cri_shim.rpc.sandbox_stream import stream_pod_sandboxes
from cri_shim.rpc.sandbox_update import update_pod_sandbox_resources
from cri_shim.rpc.status import status
from cri_shim.rpc.version import version

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Kind(enum.Enum):
    """What it means for an RPC when its client cancels or its deadline passes."""

    READ = "read"
    """May be cut off anywhere. Its hops end with the client's deadline, and it is logged at debug."""
    WAIT = "wait"
    """Cutting it off stops the waiting, but not what it waits for."""
    MUTATION = "mutation"
    """Runs to its end as an operation, whatever the client does."""


class Rpc(Struct, frozen=True):
    """One served RPC."""

    function: Callable[[Any, Any], Coroutine[Any, Any, Any]]
    kind: Kind


RPCS: dict[str, Rpc] = {
    "Version": Rpc(version, Kind.READ),
    "Status": Rpc(status, Kind.READ),
    "RuntimeConfig": Rpc(runtime_config, Kind.READ),
    "UpdateRuntimeConfig": Rpc(update_runtime_config, Kind.MUTATION),
    "RunPodSandbox": Rpc(run_pod_sandbox, Kind.MUTATION),
    "StopPodSandbox": Rpc(stop_pod_sandbox, Kind.MUTATION),
    "RemovePodSandbox": Rpc(remove_pod_sandbox, Kind.MUTATION),
    "PodSandboxStatus": Rpc(pod_sandbox_status, Kind.READ),
    "ListPodSandbox": Rpc(list_pod_sandbox, Kind.READ),
    "StreamPodSandboxes": Rpc(stream_pod_sandboxes, Kind.READ),
    "UpdatePodSandboxResources": Rpc(update_pod_sandbox_resources, Kind.MUTATION),
    "CreateContainer": Rpc(create_container, Kind.MUTATION),
    "StartContainer": Rpc(start_container, Kind.MUTATION),
    "StopContainer": Rpc(stop_container, Kind.WAIT),
    "RemoveContainer": Rpc(remove_container, Kind.MUTATION),
    "ListContainers": Rpc(list_containers, Kind.READ),
    "StreamContainers": Rpc(stream_containers, Kind.READ),
    "ContainerStatus": Rpc(container_status, Kind.READ),
    "UpdateContainerResources": Rpc(update_container_resources, Kind.MUTATION),
    "CheckpointContainer": Rpc(checkpoint_container, Kind.MUTATION),
    "ReopenContainerLog": Rpc(reopen_container_log, Kind.WAIT),
    "ExecSync": Rpc(exec_sync, Kind.WAIT),
    "Exec": Rpc(exec_command, Kind.WAIT),
    "Attach": Rpc(attach, Kind.WAIT),
    "PortForward": Rpc(port_forward, Kind.WAIT),
    "ContainerStats": Rpc(container_stats, Kind.READ),
    "ListContainerStats": Rpc(list_container_stats, Kind.READ),
    "StreamContainerStats": Rpc(stream_container_stats, Kind.READ),
    "PodSandboxStats": Rpc(pod_sandbox_stats, Kind.READ),
    "ListPodSandboxStats": Rpc(list_pod_sandbox_stats, Kind.READ),
    "StreamPodSandboxStats": Rpc(stream_pod_sandbox_stats, Kind.READ),
    "ListMetricDescriptors": Rpc(list_metric_descriptors, Kind.READ),
    "ListPodSandboxMetrics": Rpc(list_pod_sandbox_metrics, Kind.READ),
    "StreamPodSandboxMetrics": Rpc(stream_pod_sandbox_metrics, Kind.READ),
    "GetContainerEvents": Rpc(get_container_events, Kind.READ),
    "ListImages": Rpc(list_images, Kind.READ),
    "StreamImages": Rpc(stream_images, Kind.READ),
    "ImageStatus": Rpc(image_status, Kind.READ),
    "PullImage": Rpc(pull_image, Kind.WAIT),
    "RemoveImage": Rpc(remove_image, Kind.MUTATION),
    "ImageFsInfo": Rpc(image_fs_info, Kind.READ),
}
