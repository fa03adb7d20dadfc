"""What a conformance test talks to: a CRI endpoint, and the images and directories it may use."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from lab import cgroup_driver
from lab.cri_client import CriClient
from lab.images import busybox_image, push
from lab.lab import Lab, push_images
from lab.pods import Pod
from lab.registry import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

    from lab.images import Image

SELINUX = Path("/sys/fs/selinux/enforce")


@dataclass(slots=True)
class Node:
    """One endpoint under test. ``kind`` "other" is one from the command line.

    ``version`` is containerd's, in front of which the bridge stands or which has the plugin; () for another endpoint.
    ``pinned``: the bridge, whose pods have no process of their own where they need none.
    """

    kind: Literal["bridge", "plugin", "other"]
    client: CriClient
    registry: Registry
    directory: Path
    cgroup_parent: str
    version: tuple[int, ...] = ()
    pinned: bool = False
    pods: list[Pod] = field(default_factory=list)

    @property
    def image(self) -> str:
        """The busybox image, already pulled."""
        return f"{self.registry.address}/busybox:1"

    async def pull(self, name: str, image: Image | None = None, **contents: Any) -> str:
        """Push an image of :func:`busybox_image`'s arguments to the registry, pull it, and return its reference."""
        push(self.registry.address, name, image or busybox_image(**contents))
        reference = f"{self.registry.address}/{name}"
        await self.client.PullImage(image={"image": reference})
        return reference

    async def run(self, **config: Any) -> Pod:
        """Run a pod that is removed after the test."""
        config.setdefault("cgroup_parent", self.cgroup_parent)
        config.setdefault("log_directory", self.directory / f"pod-{len(list(self.directory.iterdir()))}")
        Path(config["log_directory"]).mkdir(parents=True, exist_ok=True)
        pod = await Pod.run(self.client, self.image, **config)
        self.pods.append(pod)
        return pod

    async def remove_pods(self) -> None:
        """Remove what the test has run."""
        while self.pods:
            await self.pods.pop().remove()

    def is_plugin(self, *, before: str | None = None, since: str | None = None) -> bool:
        """Whether this is containerd's plugin, of a version before and since those that are given ("1.7")."""
        return (
            self.kind == "plugin"
            and (before is None or self.version < numbers(before))
            and (since is None or self.version >= numbers(since))
        )

    def code(self, right: grpc.StatusCode, *, plugin: grpc.StatusCode, **versions: str) -> grpc.StatusCode:
        """Return the status code to expect: the right one, or what the plugin of these versions is known to answer."""
        return plugin if self.is_plugin(**versions) else right


def numbers(version: str) -> tuple[int, ...]:
    """Read a version such as "1.7"."""
    return tuple(map(int, version.split(".")))


@asynccontextmanager
async def lab_node(kind: Literal["bridge", "plugin", "pinned"]) -> AsyncIterator[Node]:
    """Bring up a lab and give it as a node."""
    pinned = kind == "pinned"
    server: Literal["bridge", "plugin"] = "plugin" if kind == "plugin" else "bridge"
    settings: dict[str, Any] = {"sandbox": {"infra": "pinned"}} if pinned else {}
    if SELINUX.exists():
        settings |= {"enable_selinux": True} if server == "plugin" else {"runtime": {"enable_selinux": True}}
    async with Lab(server, settings=settings) as lab:
        version = lab.containerd.version
        yield Node(server, lab.client, lab.images, lab.logs, lab.cgroup_parent, version, pinned)


@asynccontextmanager
async def other_node(endpoint: str) -> AsyncIterator[Node]:
    """Yield an endpoint of this machine that already runs; it pulls from the tests' registry on loopback."""
    with TemporaryDirectory(prefix="conformance-") as name:
        directory = Path(name)
        with Registry.start(directory / "registry") as registry:
            push_images(registry)
            logs = directory / "logs"
            logs.mkdir()
            async with CriClient(endpoint) as client:
                node = Node("other", client, registry, logs, cgroup_driver.parent(directory.name))
                await client.PullImage(image={"image": node.image})
                yield node
