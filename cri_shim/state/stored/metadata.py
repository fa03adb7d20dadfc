"""Encode and decode what a pod or container stores in containerd, in the form of containerd's own CRI plugin.

The ``extensions`` of a record hold one JSON document under a key of the plugin's, so that the plugin and this daemon
can take over each other's running pods (docs/operating.md; containerd pkg/cri/store/{sandbox,container}/metadata.go).
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from google.protobuf.any_pb2 import Any as AnyMessage
from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.state.sandboxes import PinnedNamespaces
from cri_shim.state.stored.go_json import from_go_json, to_go_json
from untrusted import Object, escaped, parse_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from containerd_client.api.containerd.services.containers.v1 import containers_pb2
    from cri_shim.state.containers import Container
    from cri_shim.state.sandboxes import Sandbox

KIND_LABEL = "io.cri-containerd.kind"
SANDBOX_EXTENSION = "io.cri-containerd.sandbox.metadata"
CONTAINER_EXTENSION = "io.cri-containerd.container.metadata"
PINNED_EXTENSION = "cri-shim.sandbox.pinned"
"""Our own key, only in the records of pods without a process; containerd's plugin ignores it."""

_SANDBOX_TYPE = "github.com/containerd/cri/pkg/store/sandbox/Metadata"
_CONTAINER_TYPE = "github.com/containerd/cri/pkg/store/container/Metadata"
_PINNED_TYPE = "cri-shim/sandbox/pinned"
_VERSION = "v1"


class SandboxMetadata(Struct, frozen=True):
    """What the record of a sandbox holds."""

    id: str
    name: str
    config: cri.PodSandboxConfig
    netns_path: str
    ips: tuple[str, ...]
    runtime_handler: str
    cni_result: Mapping[str, Any] | None
    process_label: str


class ContainerMetadata(Struct, frozen=True):
    """What the record of a container holds."""

    id: str
    name: str
    sandbox_id: str
    config: cri.ContainerConfig
    image_id: str
    log_path: str
    stop_signal: str
    process_label: str


def sandbox_extension(sandbox: Sandbox) -> AnyMessage:
    """Return the value to store under :data:`SANDBOX_EXTENSION`."""
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
    """Return the value to store under :data:`PINNED_EXTENSION`."""
    return _pack(_PINNED_TYPE, {"UTS": pinned.uts, "IPC": pinned.ipc})


def read_pinned(record: containers_pb2.Container) -> PinnedNamespaces | None:
    """Return where the namespaces of a pod without a process are; None for a pod that has a process.

    Raises ValueError with the record's id when the record has the extension but the extension has no usable paths.
    """
    if PINNED_EXTENSION not in record.extensions:
        return None
    with _readable(record, PINNED_EXTENSION):
        stored = _unpack(record, PINNED_EXTENSION)
        return PinnedNamespaces(uts=_path(stored, "UTS"), ipc=_path(stored, "IPC"))


def container_extension(container: Container) -> AnyMessage:
    """Return the value to store under :data:`CONTAINER_EXTENSION`."""
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
    """Return what ``record`` holds of a sandbox; raises ValueError with the record's id when it cannot be read."""
    with _readable(record, SANDBOX_EXTENSION):
        stored = _named(record, SANDBOX_EXTENSION)
        first = stored.text("IP")
        result = stored.object("CNIResult")
        return SandboxMetadata(
            id=record.id,
            name=stored.text("Name"),
            config=_sandbox_config(stored),
            netns_path=_path(stored, "NetNSPath"),
            ips=((first,) if first else ()) + stored.texts("AdditionalIPs"),
            runtime_handler=stored.text("RuntimeHandler"),
            cni_result=None if result is None else result.plain(),
            process_label=stored.text("ProcessLabel"),
        )


def read_container(record: containers_pb2.Container) -> ContainerMetadata:
    """Return what ``record`` holds of a container; raises ValueError with the record's id when it cannot be read."""
    with _readable(record, CONTAINER_EXTENSION):
        stored = _named(record, CONTAINER_EXTENSION)
        return ContainerMetadata(
            id=record.id,
            name=stored.text("Name"),
            sandbox_id=_identifier(stored, "SandboxID"),
            config=from_go_json(_config(stored), cri.ContainerConfig()),
            image_id=stored.text("ImageRef"),
            log_path=_path(stored, "LogPath"),
            stop_signal=stored.text("StopSignal"),
            process_label=stored.text("ProcessLabel"),
        )


def _pack(type_url: str, metadata: dict[str, Any]) -> AnyMessage:
    document = {"Version": _VERSION, "Metadata": metadata}
    return AnyMessage(type_url=type_url, value=json.dumps(document, separators=(",", ":")).encode())


@contextmanager
def _readable(record: containers_pb2.Container, key: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"extension {key} of containerd container {record.id} is not readable: {error}") from error


def _unpack(record: containers_pb2.Container, key: str) -> Object:
    if key not in record.extensions:
        raise ValueError("it is missing")
    document = parse_object(record.extensions[key].value)
    if (version := document.text("Version")) != _VERSION:
        raise ValueError(f"it has version '{escaped(version)}', not {_VERSION}")
    metadata = document.object("Metadata")
    if metadata is None:
        raise ValueError("it has no metadata")
    return metadata


def _named(record: containers_pb2.Container, key: str) -> Object:
    metadata = _unpack(record, key)
    if not metadata.text("Name"):
        raise ValueError("it has no name")
    return metadata


def _path(stored: Object, name: str) -> str:
    return _checked_path(stored.text(name), name)


def _checked_path(path: str, name: str) -> str:
    if "\0" in path:
        raise ValueError(f"{name} '{escaped(path)}' is not a path")
    return path


def _sandbox_config(stored: Object) -> cri.PodSandboxConfig:
    config = from_go_json(_config(stored), cri.PodSandboxConfig())
    _checked_path(config.linux.cgroup_parent, "cgroup_parent")
    return config


def _identifier(stored: Object, name: str) -> str:
    """Read an id and check it, because it becomes a part of paths."""
    id_ = _path(stored, name)
    if "/" in id_ or id_ in {".", ".."}:
        raise ValueError(f"{name} '{escaped(id_)}' is not an id")
    return id_


def _config(stored: Object) -> dict[str, Any]:
    config = stored.object("Config")
    return {} if config is None else config.plain()
