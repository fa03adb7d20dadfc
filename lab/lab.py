"""Run a whole node: registry with images, pod network, containerd, and a server of the CRI in front of it.

``async with Lab(directory, kind="bridge") as lab`` runs the daemon under test, ``kind="plugin"`` containerd's plugin.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from lab import cgroup_driver
from lab.bridge import Bridge
from lab.cni import PodNetwork
from lab.containerd import PrivateContainerd
from lab.cri_client import CriClient
from lab.images import busybox_image, pause_image, push
from lab.patience import patient
from lab.registry import Registry

if TYPE_CHECKING:
    from lab.processes import Daemon

Kind = Literal["bridge", "plugin"]
CGROUPS = cgroup_driver.ROOT


@dataclass(slots=True)
class Lab:
    """A node below one directory. ``settings`` are configuration keys of the bridge or of the plugin.

    ``spans_to`` is the URL of the collector that gets containerd's spans.
    """

    kind: Kind = "bridge"
    directory: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="crilab-")))
    settings: dict[str, Any] = field(default_factory=dict)
    cni_plugins: tuple[dict[str, Any], ...] = ()
    registry: Registry | None = None
    keep: bool = False
    subnet_bits: int = 24
    spans_to: str = ""
    network: PodNetwork = field(init=False)
    containerd: PrivateContainerd = field(init=False)
    bridge: Bridge = field(init=False)
    client: CriClient = field(init=False)
    _own_registry: bool = False

    @property
    def endpoint(self) -> str:
        """The endpoint that serves the CRI."""
        return self.bridge.endpoint if self.kind == "bridge" else self.containerd.endpoint

    @property
    def served_by(self) -> Daemon:
        """The process that serves the CRI."""
        return self.bridge.daemon if self.kind == "bridge" else self.containerd.daemon

    @property
    def root(self) -> Path:
        """The directory of the CRI server for what survives a reboot."""
        return self.bridge.root if self.kind == "bridge" else self.containerd.root / "io.containerd.grpc.v1.cri"

    @property
    def state(self) -> Path:
        """The directory of the CRI server for what does not survive a reboot."""
        return self.bridge.state if self.kind == "bridge" else self.containerd.state / "io.containerd.grpc.v1.cri"

    @property
    def logs(self) -> Path:
        """The directory for the pods' log directories."""
        return self.directory / "logs"

    @property
    def cgroup_parent(self) -> str:
        """A parent for the pods' cgroups that only this lab uses."""
        return cgroup_driver.parent(self.directory.name)

    @property
    def images(self) -> Registry:
        """The registry, which runs once the lab is up."""
        if self.registry is None:
            raise RuntimeError("the lab is not up")
        return self.registry

    @property
    def busybox(self) -> str:
        """The image that the tests run, already pulled."""
        return f"{self.images.address}/busybox:1"

    @property
    def pause(self) -> str:
        """The sandbox image, already pulled."""
        return f"{self.images.address}/pause:1"

    async def __aenter__(self) -> Self:
        """Start everything; if a later part fails, what is up already is torn down again."""
        try:
            await asyncio.to_thread(self.prepare)
            await asyncio.to_thread(self.serve)
            self.client = CriClient(self.endpoint)
            for image in (self.pause, self.busybox):
                await self.client.PullImage(image={"image": image})
        except BaseException:
            await asyncio.to_thread(self.tear_down)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End every pod through the CRI as far as that works, then everything else by force."""
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self.remove_all(), patient(60))
        await self.client.close()
        await asyncio.to_thread(self.tear_down)

    def prepare(self) -> None:
        """Set up registry, images, network and a configured containerd; only the registry runs after this."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o711)  # as for /run and /var: root of a pod with a user namespace passes through
        self.logs.mkdir(exist_ok=True)
        if self.registry is None:
            self.registry = Registry.start(self.directory / "registry")
            self._own_registry = True
            push_images(self.registry)
        self.network = PodNetwork.write(self.directory / "cni", *self.cni_plugins, bits=self.subnet_bits)
        hosts = self.directory / "certs.d"
        hosts.mkdir()
        self.containerd = PrivateContainerd(
            self.directory / "containerd",
            cri_plugin=self.kind == "plugin",
            cni_conf_dir=self.network.conf_dir,
            sandbox_image=self.pause,
            registry_hosts_dir=hosts,
            cri=self.settings if self.kind == "plugin" else {},
            spans_to=self.spans_to,
        )
        self.bridge = Bridge(
            self.directory / "bridge",
            self.containerd.address,
            self.network.conf_dir,
            self.network.cache_dir,
            self.pause,
            hosts,
            self.settings if self.kind == "bridge" else {},
            runc_root=self.directory / "containerd" / "runc",
        )

    def serve(self) -> None:
        """Start the daemons."""
        self.containerd.start()
        if self.kind == "bridge":
            self.bridge.start()

    async def remove_all(self) -> None:
        """Stop and remove every pod."""
        for pod in (await self.client.ListPodSandbox()).items:
            await self.client.StopPodSandbox(pod_sandbox_id=pod.id)
            await self.client.RemovePodSandbox(pod_sandbox_id=pod.id)

    def tear_down(self) -> None:
        """End the daemons, and remove network, mounts, cgroups and the directory."""
        with contextlib.ExitStack() as stack:
            if not self.keep:
                stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            stack.callback(self.remove_cgroups)
            if self._own_registry and self.registry is not None:
                stack.callback(self.registry.stop)
            for part, end in (("network", "cleanup"), ("containerd", "stop"), ("bridge", "clean")):
                if hasattr(self, part):
                    stack.callback(getattr(getattr(self, part), end))

    def cgroups(self) -> list[Path]:
        """Return the directories below the lab's cgroup parent, in every hierarchy, deepest first."""
        own = cgroup_driver.path(self.cgroup_parent)
        parents = [path / own for path in (*CGROUPS.iterdir(), CGROUPS) if path.is_dir()]
        return sorted((folder for parent in parents if parent.exists() for folder in _folders(parent)), reverse=True)

    def remove_cgroups(self) -> None:
        """Remove the empty cgroups that are left."""
        cgroup_driver.drop(self.cgroup_parent)
        own = cgroup_driver.path(self.cgroup_parent)
        for _ in range(20):
            for path in (*self.cgroups(), *(hierarchy / own for hierarchy in (*CGROUPS.iterdir(), CGROUPS))):
                with contextlib.suppress(OSError):
                    path.rmdir()
            if not self.cgroups():
                return
            time.sleep(0.05)


def push_images(registry: Registry) -> None:
    """Push the sandbox image and the busybox image."""
    push(registry.address, "pause:1", pause_image())
    push(registry.address, "busybox:1", busybox_image())


def _folders(parent: Path) -> list[Path]:
    """Return the directories below a cgroup."""
    folders: list[Path] = []
    with contextlib.suppress(OSError):
        for entry in parent.iterdir():
            if entry.is_dir():
                folders += [entry, *_folders(entry)]
    return folders
