"""What the network code has to know of a pod; the caller takes it from the pod's CRI sandbox configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping


class PortMapping(Struct, frozen=True):
    """A container port to publish on the host; ``protocol`` is tcp, udp or sctp."""

    protocol: str
    container_port: int
    host_port: int
    host_ip: str = ""


class PodDns(Struct, frozen=True):
    """The pod's resolver settings, for plugins that declare the ``dns`` capability."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class PodNetwork(Struct, frozen=True):
    """One sandbox as CNI sees it."""

    sandbox_id: str
    name: str
    namespace: str
    uid: str
    netns_path: str
    port_mappings: tuple[PortMapping, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    dns: PodDns | None = None
    cgroup_parent: str = ""
