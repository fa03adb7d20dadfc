"""The parts of a CDI file as values: devices, and the edits that each makes to a container.

:mod:`cri_shim.cdi.document` makes them from a file and checks them. Source: CDI SPEC.md, "JSON Schema".
"""

from __future__ import annotations

import msgspec

HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
NO_ACCESS = "none"
"""Permissions of a device whose node is created without a rule in the device cgroup."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Base of all parts of a document: an unknown key is a mistake."""


class DeviceNode(Part, frozen=True):
    """A device node; missing fields are read from the node at ``host_path`` (or ``path``) on the host."""

    path: str
    host_path: str = ""
    type: str = ""
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    permissions: str = ""
    uid: int | None = None
    gid: int | None = None


class NetDevice(Part, frozen=True):
    """A network interface of the host that moves into the container."""

    host_interface_name: str
    name: str


class Hook(Part, frozen=True):
    """A program of the host that the OCI runtime runs; ``timeout`` is in seconds."""

    hook_name: str
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None


class Mount(Part, frozen=True):
    """A mount of a path on the host."""

    host_path: str
    container_path: str
    options: tuple[str, ...] = ()
    type: str = ""


class IntelRdt(Part, frozen=True):
    """A class of cache and memory bandwidth."""

    clos_id: str = msgspec.field(default="", name="closID")
    l3_cache_schema: str = ""
    mem_bw_schema: str = ""
    schemata: tuple[str, ...] = ()
    enable_monitoring: bool = False


class Edits(Part, frozen=True):
    """The changes to a container."""

    env: tuple[str, ...] = ()
    device_nodes: tuple[DeviceNode, ...] = ()
    net_devices: tuple[NetDevice, ...] = ()
    hooks: tuple[Hook, ...] = ()
    mounts: tuple[Mount, ...] = ()
    intel_rdt: IntelRdt | None = None
    additional_gids: tuple[int, ...] = ()


class Device(Part, frozen=True):
    """One device; ``name`` is unique within its kind."""

    name: str
    container_edits: Edits
    annotations: dict[str, str] = {}


class Document(Part, frozen=True):
    """A whole file; ``container_edits`` are made once for any number of its devices, before the devices' own edits."""

    cdi_version: str
    kind: str
    devices: tuple[Device, ...]
    container_edits: Edits = Edits()
    annotations: dict[str, str] = {}
