"""The layout of the daemon's two directories, which is the layout of the in-process plugin.

``root`` survives a reboot: it holds files that containers mount, and the status checkpoint. ``state`` does not: it
holds FIFOs, /dev/shm and network namespaces.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Final

from msgspec import Struct

DIRECTORY_LOCKS: Final = ("root.lock", "state.lock")
"""The files that a running daemon locks, both of them in each of its two directories."""
OF_PODS: Final = frozenset({"sandboxes", "containers", "idmapped", "image-mounts"})
"""The directories in these two in which each entry belongs to a pod or container, and is removed without one."""


def namespace_lock_file(address: str, namespace: str) -> str:
    """Return the file that a running daemon locks for its pods in a namespace of the containerd at ``address``.

    It is beside containerd's socket, where every daemon finds it whatever its own directories are.
    """
    return f"{os.path.realpath(address.removeprefix('unix://'))}.{namespace}.cri-shim.lock"


class Paths(Struct, frozen=True):
    """The two directories and the paths in them."""

    root: Path
    state: Path
    netns_under_state: bool = False

    def sandboxes_root(self) -> Path:
        """Return the parent of all sandboxes' persistent directories."""
        return self.root / "sandboxes"

    def sandboxes_state(self) -> Path:
        """Return the parent of all sandboxes' volatile directories."""
        return self.state / "sandboxes"

    def containers_root(self) -> Path:
        """Return the parent of all containers' persistent directories."""
        return self.root / "containers"

    def containers_state(self) -> Path:
        """Return the parent of all containers' volatile directories."""
        return self.state / "containers"

    def learned_transport(self) -> Path:
        """Return the file that keeps what containerd's spans have revealed about the transport of hops."""
        return self.root / "transport.json"

    def shim_calls(self) -> Path:
        """Return the script that containerd runs in place of the shim's program."""
        return self.root / "shim-calls"

    def image_mounts(self) -> Path:
        """Return the parent of the directories where images are mounted, as a container's volumes or to read them."""
        return self.state / "image-mounts"

    def idmapped(self) -> Path:
        """Return the parent of the places where mounts with mapped ids are made while a container starts."""
        return self.state / "idmapped"

    def pinned_namespaces(self, id_: str) -> Path:
        """Return the directory where a sandbox's namespaces are pinned that no process holds, except the network's."""
        return self.sandbox_state(id_) / "pinned-namespaces"

    def pinned_userns(self, id_: str) -> Path:
        """Return the file where the user namespace of a sandbox is pinned, if it has one."""
        return self.pinned_namespaces(id_) / "user"

    def sandbox_root(self, id_: str) -> Path:
        """Return the directory of a sandbox's hostname, hosts and resolv.conf."""
        return self.sandboxes_root() / id_

    def sandbox_state(self, id_: str) -> Path:
        """Return the directory of a sandbox's /dev/shm."""
        return self.sandboxes_state() / id_

    def container_root(self, id_: str) -> Path:
        """Return the directory of a container's status checkpoint and volumes."""
        return self.containers_root() / id_

    def container_state(self, id_: str) -> Path:
        """Return the directory of a container's FIFOs."""
        return self.containers_state() / id_

    def netns_dir(self) -> Path:
        """Return the directory where network namespaces are pinned."""
        return self.state / "netns" if self.netns_under_state else Path("/var/run/netns")

    def new_netns(self) -> Path:
        """Return a path for one more network namespace, in the plugin's naming scheme."""
        return self.netns_dir() / f"cni-{uuid.uuid4()}"
