"""RemoveImage goes on without its client, and takes what can only be named."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from containerd_client.distribution.values.platforms import Platform
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.operations import Operations
from cri_shim.images.store import ImageStore
from cri_shim.rpc.image_remove import remove_image
from tests.unit.images.fake_images import FakeContainerd

if TYPE_CHECKING:
    from containerd_client import Containerd
    from cri_shim.service import Service

TAG, AT = "docker.io/library/one:1", "docker.io/library/one@sha256:" + "0" * 64


def service_of(client: FakeContainerd) -> Service:
    images = ImageStore(cast("Containerd", client), platform=Platform("linux", "amd64"))
    return cast("Service", SimpleNamespace(images=images, operations=Operations()))


def request(name: str) -> cri.RemoveImageRequest:
    return cri.RemoveImageRequest(image=cri.ImageSpec(image=name))


async def test_a_client_that_hangs_up_does_not_cut_it():
    """The removal ends, and a second client that comes meanwhile gets its result."""
    client = FakeContainerd()
    service = service_of(client)
    client.add_image(TAG, AT)
    await service.images.load_all()
    held = client.hold_list()
    impatient = asyncio.create_task(remove_image(service, request("one:1")))
    await asyncio.sleep(0)
    patient = asyncio.create_task(remove_image(service, request("one:1")))
    for _ in range(5):
        await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    held.set()
    await patient
    assert client.records == {}
    assert len(service.operations) == 0


async def test_an_image_that_cannot_be_used():
    """It is in no list, and its name is enough to be rid of it; a second time is a success."""
    client = FakeContainerd()
    service = service_of(client)
    client.add_image(TAG, AT, config=b'{"config": {"User": 7}}')
    for _ in range(2):
        await remove_image(service, request(TAG))
        assert client.records == {}
