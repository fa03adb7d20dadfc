"""The stored form: what a pod or container leaves in containerd, shared with containerd's own CRI plugin.

A record's ``extensions`` hold one JSON document under a key of the plugin's, so that the plugin and this daemon can
take over each other's running pods (DESIGN "Stored form"; containerd pkg/cri/store/{sandbox,container}/metadata.go).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf.any_pb2 import Any as AnyMessage
from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.store.go_json import from_go_json, to_go_json
from cri_shim.store.sandboxes import PinnedNamespaces

if TYPE_CHECKING:
    from collections.abc import Mapping

    from containerd_client.api.containerd.services.containers.v1 import containers_pb2
    from cri_shim.store.containers import Container
    from cri_shim.store.sandboxes import Sandbox

KIND_LABEL = "io.cri-containerd.kind"
SANDBOX_EXTENSION = "io.cri-containerd.sandbox.metadata"
CONTAINER_EXTENSION = "io.cri-containerd.container.metadata"
PINNED_EXTENSION = "cri-shim.sandbox.pinned"
"""Ours, and only in the records of pods without a process; containerd's own plugin passes over it."""

_SANDBOX_TYPE = "github.com/containerd/cri/pkg/store/sandbox/Metadata"
_CONTAINER_TYPE = "github.com/containerd/cri/pkg/store/container/Metadata"
_PINNED_TYPE = "cri-shim/sandbox/pinned"
_VERSION = "v1"


class SandboxMetadata(Struct, frozen=True):
    """What a sandbox's record says of it."""

    id: str
    name: str
    config: cri.PodSandboxConfig
    netns_path: str
    ips: tuple[str, ...]
    runtime_handler: str
    cni_result: Mapping[str, Any] | None
    process_label: str


class ContainerMetadata(Struct, frozen=True):
    """What a container's record says of it."""

    id: str
    name: str
    sandbox_id: str
    config: cri.ContainerConfig
    image_id: str
    log_path: str
    stop_signal: str
    process_label: str


def sandbox_extension(sandbox: Sandbox) -> AnyMessage:
    """The value to put under :data:`SANDBOX_EXTENSION`."""
    return _pack(
        _SANDBOX_TYPE,
        {
            "ID": sandbox.id,
            "Name": sandbox.name,
            "Config": to_go_json(sandbox.config),
            "NetNSPath": sandbox.netns_path,
            "IP": sandbox.ips[0] if sandbox.ips else "",
            "AdditionalIPs": list(sandbox.ips[1:]) or None,
            "RuntimeHandler": sandbox.runtime_handler,
            "CNIResult": sandbox.cni_result,
            "ProcessLabel": sandbox.process_label,
        },
    )


def pinned_extension(pinned: PinnedNamespaces) -> AnyMessage:
    """The value to put under :data:`PINNED_EXTENSION`."""
    return _pack(_PINNED_TYPE, {"UTS": pinned.uts, "IPC": pinned.ipc})


def read_pinned(record: containers_pb2.Container) -> PinnedNamespaces | None:
    """Where the namespaces of a pod without a process are; None for a pod that has one.

    Raises ValueError with the record's id when it says that it is one and not where they are.
    """
    if PINNED_EXTENSION not in record.extensions:
        return None
    stored = _unpack(record, PINNED_EXTENSION)
    return PinnedNamespaces(uts=_text(stored, "UTS"), ipc=_text(stored, "IPC"))


def container_extension(container: Container) -> AnyMessage:
    """The value to put under :data:`CONTAINER_EXTENSION`."""
    return _pack(
        _CONTAINER_TYPE,
        {
            "ID": container.id,
            "Name": container.name,
            "SandboxID": container.sandbox_id,
            "Config": to_go_json(container.config),
            "ImageRef": container.image_id,
            "LogPath": container.log_path,
            "StopSignal": container.stop_signal,
            "ProcessLabel": container.process_label,
        },
    )


def read_sandbox(record: containers_pb2.Container) -> SandboxMetadata:
    """What ``record`` says; raises ValueError with the record's id when it cannot be read."""
    stored = _named(record, SANDBOX_EXTENSION)
    first = _text(stored, "IP")
    return SandboxMetadata(
        id=record.id,
        name=_text(stored, "Name"),
        config=from_go_json(stored.get("Config") or {}, cri.PodSandboxConfig()),
        netns_path=_text(stored, "NetNSPath"),
        ips=((first,) if first else ()) + tuple(stored.get("AdditionalIPs") or ()),
        runtime_handler=_text(stored, "RuntimeHandler"),
        cni_result=stored.get("CNIResult"),
        process_label=_text(stored, "ProcessLabel"),
    )


def read_container(record: containers_pb2.Container) -> ContainerMetadata:
    """What ``record`` says; raises ValueError with the record's id when it cannot be read."""
    stored = _named(record, CONTAINER_EXTENSION)
    return ContainerMetadata(
        id=record.id,
        name=_text(stored, "Name"),
        sandbox_id=_text(stored, "SandboxID"),
        config=from_go_json(stored.get("Config") or {}, cri.ContainerConfig()),
        image_id=_text(stored, "ImageRef"),
        log_path=_text(stored, "LogPath"),
        stop_signal=_text(stored, "StopSignal"),
        process_label=_text(stored, "ProcessLabel"),
    )


def _pack(type_url: str, metadata: dict[str, Any]) -> AnyMessage:
    document = {"Version": _VERSION, "Metadata": metadata}
    return AnyMessage(type_url=type_url, value=json.dumps(document, separators=(",", ":")).encode())


def _unpack(record: containers_pb2.Container, key: str) -> dict[str, Any]:
    if key not in record.extensions:
        raise ValueError(f"containerd container {record.id} has no extension {key}")
    try:
        document = json.loads(record.extensions[key].value)
        version, metadata = document["Version"], document["Metadata"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"extension {key} of containerd container {record.id} is not readable: {error!r}") from error
    if version != _VERSION or not isinstance(metadata, dict):
        raise ValueError(f"extension {key} of containerd container {record.id} has version {version!r}, not {_VERSION}")
    return metadata


def _named(record: containers_pb2.Container, key: str) -> dict[str, Any]:
    metadata = _unpack(record, key)
    if not metadata.get("Name"):
        raise ValueError(f"extension {key} of containerd container {record.id} names nothing")
    return metadata


def _text(stored: dict[str, Any], key: str) -> str:
    value = stored.get(key) or ""
    if not isinstance(value, str):
        raise ValueError(f"stored {key} is {type(value).__name__}, not a string")  # noqa: TRY004 - one error to catch
    return value
