"""PullImage: one pull for all that ask at the same time, nothing left of one that fails, and what is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from lab.cri_client import failure
from lab.images import Tree, build_image
from tests.fakes.containerd import FaultKind
from tests.fakes.registry import FaultyRegistry
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.fake_node import Node

STEPS = {
    "Leases/Create": "UNKNOWN",
    "Snapshots/Prepare": "UNKNOWN",
    "Diff/Apply": "FAILED_PRECONDITION",
    "Snapshots/Commit": "UNKNOWN",
    "Images/Create": "UNKNOWN",
}
"""The hops of a pull, and what a client is told when one fails."""
HANDLER = "io.containerd.cri.runtime-handler"
NATIVE = {"containerd": {"runtimes": {"other": {"runtime_type": "io.containerd.runc.v2", "snapshotter": "native"}}}}


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    """A registry with one image, ``pulled:1``."""
    image = build_image(Tree().file("etc/motd", b"pulled").layer())
    with FaultyRegistry({"pulled:1": image}) as registry:
        yield registry


def request(registry: FaultyRegistry) -> dict[str, Any]:
    """Return what a kubelet asks for."""
    return {"image": {"image": f"{registry.address}/pulled:1"}}


async def test_an_image_that_is_pulled(node: Node, registry: FaultyRegistry) -> None:
    """The answer is the id under which all RPCs know it, and no lease is left."""
    pulled = await node.client.PullImage(**request(registry))
    assert pulled.image_ref == registry.images["pulled:1"].id  # type: ignore[union-attr]
    assert (await node.client.ImageStatus(**request(registry))).image.id == pulled.image_ref
    await until(lambda: not node.fake.state["k8s.io"].leases)


async def test_clients_that_ask_at_the_same_time(node: Node, registry: FaultyRegistry) -> None:
    """They share one pull, which goes on when the first of them hangs up."""
    node.fake.faults.add("Snapshots/Prepare", FaultKind.HANG)
    first = asyncio.create_task(node.client.PullImage(**request(registry)))
    await until(lambda: node.fake.faults.hanging)
    second = asyncio.create_task(node.client.PullImage(**request(registry)))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.wait([first])
    node.fake.faults.clear()
    assert (await second).image_ref
    layer = registry.images["pulled:1"].layers[0].digest  # type: ignore[union-attr]
    assert registry.count(layer) == 1


async def test_a_pull_whose_clients_have_gone(node: Node, registry: FaultyRegistry) -> None:
    """It ends when its last client hangs up, and leaves nothing."""
    before = node.there()
    node.fake.faults.add("Snapshots/Prepare", FaultKind.HANG)
    pulling = asyncio.create_task(node.client.PullImage(**request(registry)))
    await until(lambda: node.fake.faults.hanging)
    pulling.cancel()
    await asyncio.wait([pulling])
    await until(lambda: not node.service.puller.in_flight)
    node.fake.faults.clear()
    await until(lambda: not node.fake.state["k8s.io"].leases)
    node.fake.collect_garbage()
    assert not node.changed(before)


@pytest.mark.parametrize(("method", "expected"), list(STEPS.items()))
async def test_a_step_that_fails(method: str, expected: str, node: Node, registry: FaultyRegistry) -> None:
    """The client gets containerd's words with the reference, nothing is left, and the next pull succeeds."""
    before = node.there()
    node.fake.faults.add(method, FaultKind.UNKNOWN, text="the disk is on fire", times=None)
    code, text = await failure(node.client.PullImage(**request(registry)))
    assert (code.name, "the disk is on fire" in text) == (expected, True), text
    assert text.startswith(f"pull image '{registry.address}/pulled:1'")
    node.fake.faults.clear()
    await until(lambda: not node.fake.state["k8s.io"].leases)
    node.fake.collect_garbage()
    assert not node.changed(before)
    assert (await node.client.PullImage(**request(registry))).image_ref


@pytest.mark.parametrize("service", [NATIVE], indirect=True)
@pytest.mark.parametrize("by", ["field", "annotation"])
async def test_the_snapshotter_of_a_handler(by: str, node: Node, registry: FaultyRegistry) -> None:
    """The image is unpacked where the pod's handler looks, whichever way the kubelet names it."""
    fields = request(registry)
    if by == "field":
        fields["image"]["runtime_handler"] = "other"
    else:
        fields["sandbox_config"] = {"annotations": {HANDLER: "other"}}
    await node.client.PullImage(**fields)
    assert len(node.fake.state["k8s.io"].snapshots["native"]) == 1


async def test_what_is_refused(node: Node, registry: FaultyRegistry) -> None:
    """No name, a name that is none, an image that the registry does not have, credentials that cannot be read."""
    absent = {"image": {"image": f"{registry.address}/none:1"}}
    for fields, expected, words in (
        ({}, "INVALID_ARGUMENT", "image.image is empty; name an image to pull"),
        ({"image": {"image": "UPPER CASE"}}, "INVALID_ARGUMENT", "UPPER CASE"),
        (absent, "NOT_FOUND", "none:1"),
        ({**request(registry), "auth": {"auth": "!"}}, "INVALID_ARGUMENT", "auth"),
    ):
        code, text = await failure(node.client.PullImage(**fields))
        assert (code.name, words in text) == (expected, True), text
