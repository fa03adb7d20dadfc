"""Build a pod or container from what containerd and the checkpoint hold of it.

This never fails: a value that cannot be read gets an ``unknown_reason``. Such a pod is listed as not ready, such a
container as unknown, so that the kubelet can remove it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from containerd_client.encoding.timestamps import nanoseconds
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.disk.status_file import read_status
from cri_shim.errors import CriError
from cri_shim.kernel.protocol import is_namespace_file
from cri_shim.oci.annotations import SANDBOX_ID
from cri_shim.oci.resources import container_user, shared_resources
from cri_shim.state.containers import COMPLETED, ERROR, Container, Status
from cri_shim.state.sandboxes import Sandbox
from cri_shim.state.stored.metadata import read_container, read_pinned, read_sandbox
from cri_shim.state.stored.runtime import runs_plain_runc
from cri_shim.state.stored.spec import read_spec
from untrusted import encodable

if TYPE_CHECKING:
    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths


def load_sandbox(record: Record, kernel: Kernel) -> Sandbox:
    """Return the sandbox of ``record``, not counting the state of its task."""
    created_at = _created_at(record)
    try:
        stored = read_sandbox(record)
        pinned = read_pinned(record)
    except ValueError as error:
        name = f"unreadable_{record.id}"
        metadata = cri.PodSandboxMetadata(name=name, namespace="", uid=record.id)
        config = cri.PodSandboxConfig(metadata=metadata, labels=_cri_labels(record))
        netns_path = netns_in_spec(record)
        return Sandbox(
            id=record.id,
            name=name,
            config=config,
            created_at=created_at,
            # This suffices to take it off its network: the CNI cache has the rest, under its id.
            netns_path=netns_path,
            recovered=True,
            unknown_reason=str(error),
        )
    netns_open, unknown_reason = False, ""
    try:
        netns_open = bool(stored.netns_path) and is_namespace_file(kernel, stored.netns_path)
    except OSError as error:
        unknown_reason = f"its network namespace {stored.netns_path} cannot be inspected: {error.strerror}"
    return Sandbox(
        id=record.id,
        name=stored.name,
        config=stored.config,
        created_at=created_at,
        runtime_handler=stored.runtime_handler,
        netns_path=stored.netns_path,
        # The addresses of a vanished network are out of date. DEL still has to run, so network_down stays False.
        ips=stored.ips if netns_open else (),
        cni_result=stored.cni_result,
        process_label=stored.process_label,
        pinned=pinned,
        plain_runc=runs_plain_runc(record),
        netns_gone=bool(stored.netns_path) and not netns_open,
        recovered=True,
        unknown_reason=unknown_reason,
    )


def load_container(record: Record, paths: Paths) -> Container:
    """Return the container of ``record``, not counting the state of its task."""
    created_at = _created_at(record)
    unknown_reason, unread = "", False
    try:
        status = read_status(paths.container_root(record.id))
    except ValueError as error:
        status, unknown_reason = Status(), str(error)
    except OSError as error:
        status, unknown_reason, unread = Status(), f"its status could not be read: {error}", True
    status = known_status(status, created_at)
    try:
        stored = read_container(record)
        user = container_user(read_spec(record))
    except (CriError, ValueError) as error:
        name = f"unreadable_{record.id}"
        config = cri.ContainerConfig(metadata=cri.ContainerMetadata(name=name), labels=_cri_labels(record))
        return Container(
            id=record.id,
            name=name,
            sandbox_id=_sandbox_of(record),
            config=config,
            status=status,
            image_id="",
            unknown_reason=str(error),
            status_unread=unread,
        )
    return Container(
        id=record.id,
        name=stored.name,
        sandbox_id=stored.sandbox_id,
        config=stored.config,
        status=status,
        image_id=stored.image_id,
        log_path=stored.log_path,
        stop_signal=stored.stop_signal,
        process_label=stored.process_label,
        plain_runc=runs_plain_runc(record),
        user=user,
        unknown_reason=unknown_reason,
        status_unread=unread,
    )


def known_status(status: Status, created_at: int) -> Status:
    """Return ``status`` with its gaps filled: the plugin writes no reason where the exit code implies it."""
    if status.created_at <= 0:
        status = replace(status, created_at=created_at)
    if status.finished_at and not status.reason:
        status = replace(status, reason=COMPLETED if status.exit_code == 0 else ERROR)
    if status.resources is not None:
        status = replace(status, resources=shared_resources(status.resources))
    return status


def _created_at(record: Record) -> int:
    """Return when the record was made; now, if it has no time or Go's zero time, because 0 must not be listed."""
    made = nanoseconds(record.created_at)
    return made if made > 0 else time.time_ns()


def netns_in_spec(record: Record) -> str:
    """Return the network namespace that the runtime spec names; empty for the node's own or an unreadable spec."""
    try:
        namespaces = read_spec(record)["linux"]["namespaces"]
        path = encodable(str(next(entry.get("path", "") for entry in namespaces if entry.get("type") == "network")))
        return "" if "\0" in path else path
    except (CriError, KeyError, StopIteration):
        return ""


def _sandbox_of(record: Record) -> str:
    """Return the pod that the runtime spec names as the container's; empty if it names none."""
    try:
        return encodable(str(read_spec(record)["annotations"][SANDBOX_ID]))
    except (CriError, KeyError):
        return ""


def _cri_labels(record: Record) -> dict[str, str]:
    """Return the labels from the request, without ours and containerd's own."""
    return {key: value for key, value in record.labels.items() if not key.startswith("io.cri-containerd")}
