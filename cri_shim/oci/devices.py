"""Add device nodes to a container, and the rules that allow it to use them.

Source: CRI ``Device`` (permissions are letters of ``rwm`` for the device cgroup); containerd ``WithDevices``. The facts
about a node are read before, see :func:`cri_shim.oci.node_facts.read_device_grants`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.oci.defaults import Spec


class DeviceNode(Struct, frozen=True):
    """A device node of the host: ``kind`` is ``c``, ``b`` or ``p``, ``mode`` its permission bits."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


class DeviceGrant(Struct, frozen=True):
    """A node that a container gets, at ``container_path``, with ``permissions`` out of ``rwm``."""

    node: DeviceNode
    container_path: str
    permissions: str


def add_devices(spec: Spec, grants: Iterable[DeviceGrant], *, uid: int = 0, gid: int = 0) -> None:
    """Add nodes and their rules; a later grant for the same path replaces the earlier node.

    A ``uid`` or ``gid`` other than 0 becomes the owner (``device_ownership_from_security_context``); otherwise the node
    keeps its owner from the host. Raises InvalidArgumentError for letters that are not permissions.
    """
    nodes = {entry["path"]: entry for entry in spec["linux"].get("devices", ())}
    rules = spec["linux"]["resources"].setdefault("devices", [])
    for grant in grants:
        access = grant.permissions or "rwm"
        if set(access) - set("rwm"):
            raise InvalidArgumentError(
                f"device {grant.container_path!r} has permissions {access!r}; they must be letters out of r, w and m"
            )
        node = grant.node
        entry = _entry(node, grant.container_path)
        entry["uid"], entry["gid"] = uid or node.uid, gid or node.gid
        nodes[grant.container_path] = entry
        rules.append({"allow": True, "type": node.kind, "major": node.major, "minor": node.minor, "access": access})
    if nodes:
        spec["linux"]["devices"] = list(nodes.values())


def add_host_devices(spec: Spec, nodes: Iterable[DeviceNode]) -> None:
    """Add the host's nodes for a privileged container; nodes that the request grants stay unchanged."""
    present = {entry["path"] for entry in spec["linux"].get("devices", ())}
    added = [_entry(node, node.path) for node in nodes if node.path not in present]
    if added:
        spec["linux"]["devices"] = [*spec["linux"].get("devices", ()), *added]


def _entry(node: DeviceNode, path: str) -> Spec:
    return {
        "path": path,
        "type": node.kind,
        "major": node.major,
        "minor": node.minor,
        "fileMode": node.mode,
        "uid": node.uid,
        "gid": node.gid,
    }
