"""Images that change while containerd does not answer: no second event comes for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.images import store
from tests.fakes.containerd import FaultKind
from tests.unit.waiting import until

if TYPE_CHECKING:
    import pytest

    from cri_shim.service import Service
    from tests.fakes.containerd import FakeContainerd

IMAGE = "registry.test/app:1"


async def test_an_image_that_cannot_be_read_at_its_event(
    service: Service, fake: FakeContainerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read again until containerd answers, and then what the event was about is known."""
    monkeypatch.setattr(store, "READ_AGAIN", 0.05)
    fake.add_image(IMAGE)
    image = await service.images.find(IMAGE)
    assert image is not None
    fault = fake.faults.add("Images/Get", FaultKind.UNKNOWN, times=2)
    await service.containerd.images.delete(IMAGE)
    await until(lambda: fault.struck == 2)
    await until(lambda: service.images.resolve(IMAGE) is None)
