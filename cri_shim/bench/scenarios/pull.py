"""Pull an image from a registry and unpack it; the image is removed before each run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.node import Samples
from cri_shim.bench.results.schema import Metric
from cri_shim.bench.scenarios.meanwhile import METRIC, meanwhile
from cri_shim.bench.scenarios.scenario import WrongWorkError

if TYPE_CHECKING:
    from cri_shim.bench.endpoint.node import Node


class Pull:
    """Pulls the image that the command line names."""

    title = "Image pull"
    metrics = (Metric("PullImage", "PullImage", main=True), METRIC)
    rounds = 6
    seconds = 2.5

    def __init__(self, image: str) -> None:
        """Choose the image."""
        self.image = image
        self.about = (
            "PullImage of an image that is not there, from the registry to the unpacked snapshot; the image is "
            "removed, and its content collected, before each turn. ListPodSandbox is asked for every 10 ms meanwhile."
        )

    @property
    def options(self) -> dict[str, float | str]:
        """Return the image without its registry, which may listen on another port each time."""
        return {"image": self.image.rpartition("/")[2]}

    async def prepare(self, node: Node) -> None:
        """Do nothing."""

    async def warm(self, node: Node) -> None:
        """Run it once."""
        await self.run(node, Samples())

    async def run(self, node: Node, samples: Samples) -> None:
        """Pull; check that the image is absent before and present after."""
        await self.clean(node)
        if await self._id(node):
            raise WrongWorkError(f"{self.image} is still on {node.name} after it was removed")
        request = cri.PullImageRequest(image=cri.ImageSpec(image=self.image)).SerializeToString()
        async with meanwhile(node, samples):
            await node.call(samples, "PullImage", request)
        if not await self._id(node):
            raise WrongWorkError(f"{self.image} is not on {node.name} after it was pulled")

    async def clean(self, node: Node) -> None:
        """Remove the image by its id, as a kubelet does: cri-dockerd knows no other name."""
        if id_ := await self._id(node):
            request = cri.RemoveImageRequest(image=cri.ImageSpec(image=id_))
            await node.client.ask("RemoveImage", request, cri.RemoveImageResponse)

    async def _id(self, node: Node) -> str:
        request = cri.ImageStatusRequest(image=cri.ImageSpec(image=self.image))
        return (await node.client.ask("ImageStatus", request, cri.ImageStatusResponse)).image.id
