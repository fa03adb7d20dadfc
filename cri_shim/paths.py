"""Where things lie below the daemon's two directories, laid out as the in-process plugin does.

``root`` outlives a reboot (files that containers mount, the status checkpoint); ``state`` does not (FIFOs, /dev/shm,
network namespaces).
"""

from __future__ import annotations

import uuid
from pathlib import Path

from msgspec import Struct


class Paths(Struct, frozen=True):
    """The two directories and what is in them."""

    root: Path
    state: Path
    netns_under_state: bool = False

    def sandboxes_root(self) -> Path:
        """Parent of all sandboxes' persistent directories."""
        return self.root / "sandboxes"

    def sandboxes_state(self) -> Path:
        """Parent of all sandboxes' volatile directories."""
        return self.state / "sandboxes"

    def containers_root(self) -> Path:
        """Parent of all containers' persistent directories."""
        return self.root / "containers"

    def containers_state(self) -> Path:
        """Parent of all containers' volatile directories."""
        return self.state / "containers"

    def learned_transport(self) -> Path:
        """The file with what containerd's spans have said of the transport of hops."""
        return self.root / "transport.json"

    def image_mounts(self) -> Path:
        """Parent of the places where containers' image volumes are mounted, one directory for each container."""
        return self.state / "image-mounts"

    def idmapped(self) -> Path:
        """Parent of the places where mounts with mapped ids are made while a container starts."""
        return self.state / "idmapped"

    def pinned_namespaces(self, id_: str) -> Path:
        """Where those namespaces of one sandbox are pinned that no process holds, but for the network's."""
        return self.sandbox_state(id_) / "pinned-namespaces"

    def pinned_userns(self, id_: str) -> Path:
        """Where the user namespace of one sandbox is pinned, if it has one."""
        return self.pinned_namespaces(id_) / "user"

    def sandbox_root(self, id_: str) -> Path:
        """hostname, hosts and resolv.conf of one sandbox."""
        return self.sandboxes_root() / id_

    def sandbox_state(self, id_: str) -> Path:
        """The /dev/shm of one sandbox."""
        return self.sandboxes_state() / id_

    def container_root(self, id_: str) -> Path:
        """The status checkpoint and the volumes of one container."""
        return self.containers_root() / id_

    def container_state(self, id_: str) -> Path:
        """The FIFOs of one container."""
        return self.containers_state() / id_

    def netns_dir(self) -> Path:
        """Where network namespaces are pinned."""
        return self.state / "netns" if self.netns_under_state else Path("/var/run/netns")

    def new_netns(self) -> Path:
        """A path for one more network namespace, named as the plugin names them."""
        return self.netns_dir() / f"cni-{uuid.uuid4()}"
