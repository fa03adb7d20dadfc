"""Where an image is mounted while the daemon reads its users, and that nothing takes that for a leftover."""

from __future__ import annotations

import asyncio
import errno
import threading
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from cri_shim.sync.orphans import remove_orphaned_files
from tests.fakes.containerd import FaultKind
from tests.fakes.kernel import RecordingKernel
from tests.fakes.service import until_ready
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cri_shim.service import Service
    from tests.fakes.containerd import FakeContainerd

APP = "example.com/app:1"


class SlowKernel(RecordingKernel):
    """Mounts, and comes back only when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = threading.Event()

    def mount(self, source: str, target: str, fstype: str, flags: int, data: str, *, chdir: str = "") -> None:
        """Record the call and wait."""
        super().mount(source, target, fstype, flags, data, chdir=chdir)
        self.may_end.wait(60)


@pytest.fixture
def kernel() -> Iterator[SlowKernel]:
    """The kernel of the service."""
    kernel = SlowKernel()
    yield kernel
    kernel.may_end.set()


@pytest.fixture(autouse=True)
def _image(fake: FakeContainerd) -> None:
    """What is pulled before the service starts."""
    fake.add_image(APP)


async def begin_reading(service: Service) -> asyncio.Future[object]:
    """Begin to read the users of the image."""
    image = await service.images.find(APP)
    assert image is not None
    return asyncio.ensure_future(service.image_files.users("overlayfs", image.chain_id))


def entries(service: Service) -> list[Path]:
    """What is where images are mounted."""
    return list(service.paths.image_mounts().iterdir())


async def test_a_look_while_leftovers_are_cleared(service: Service, fake: FakeContainerd, kernel: SlowKernel) -> None:
    """The image is mounted below state, and a reconnection leaves the mount alone until the look is over."""
    looking = await begin_reading(service)
    await until(lambda: kernel.mounts)
    [directory] = entries(service)
    assert kernel.mounts == [str(directory / "0")]
    await fake.go_away()
    await until(lambda: not service.readiness.ready)
    await fake.come_back()
    await until_ready(service)
    assert kernel.mounts == [str(directory / "0")]
    kernel.may_end.set()
    await looking
    assert (kernel.mounts, entries(service)) == ([], [])


async def test_a_look_that_a_dead_daemon_left(service: Service, kernel: SlowKernel) -> None:
    """What clears up after a crash unmounts it and removes its place."""
    place = service.paths.image_mounts() / "cri-shim-look-0123456789abcdef" / "0"
    place.mkdir(parents=True)

    class Mounted(RecordingKernel):
        """Unmounts once what is there."""

        def umount(self, target: str, *flags: int) -> None:
            """Record the call."""
            if "umount" in self.names():
                raise OSError(errno.EINVAL, "not mounted", target)
            super().umount(target, *flags)

    unmounted = Mounted()

    async def detach(_id: str, _netns: str) -> None:
        raise AssertionError

    await remove_orphaned_files(unmounted, service.paths, lambda: service.image_files.being_read, detach)
    assert ("umount", str(place)) in [(call.name, call.args[0]) for call in unmounted.calls]
    assert entries(service) == []


async def test_a_view_that_stays(service: Service, fake: FakeContainerd, kernel: SlowKernel) -> None:
    """The image has been read all the same; containerd collects the view, which nothing refers to."""
    fake.faults.add("Snapshots/Remove", FaultKind.UNKNOWN, times=None)
    kernel.may_end.set()
    with capture_logs() as logs:
        await (await begin_reading(service))
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["image.view_stays"]
    fake.collect_garbage()
    assert [key for key in fake.state["k8s.io"].snapshots["overlayfs"] if "look" in key] == []


async def test_a_place_that_cannot_be_made(service: Service) -> None:
    """The error is the file system's, and does not blame the snapshotter."""
    service.paths.image_mounts().rmdir()
    with pytest.raises(OSError, match="image-mounts"):
        await (await begin_reading(service))
