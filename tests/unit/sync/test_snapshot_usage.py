"""Samples of what snapshots take: which are measured, by whom, how often, and what a failure leaves."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from containerd_client import Containerd, Unavailable, Unknown, retry
from containerd_client.api.containerd.types.types_pb2 import Mount
from cri_shim.sync import snapshot_usage
from cri_shim.sync.snapshot_usage import RARELY, SnapshotUsage, upper_directory
from tests.fakes.containerd import FaultKind
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fakes.containerd import FakeContainerd

OVERLAY = "overlayfs"
IMAGE = "example.com/app:1"


@pytest.fixture
async def containerd(fake: FakeContainerd) -> AsyncIterator[Containerd]:
    """A client; containerd has an image and the writable layer ``c1`` on top of it."""
    fake.add_image(IMAGE)
    client = Containerd(fake.address, namespace="k8s.io")
    (chain,) = fake.state["k8s.io"].snapshots[OVERLAY]
    await client.snapshots(OVERLAY).prepare("c1", chain)
    fake.calls.clear()
    yield client
    await client.close()


def measured(fake: FakeContainerd) -> list[str]:
    """The snapshots whose usage containerd was asked for, in order, since the last time this was asked."""
    requests: list[Any] = [call.request for call in fake.called("Snapshots/Usage")]
    fake.calls.clear()
    return [request.key for request in requests]


def layer(fake: FakeContainerd, key: str = "c1") -> Path:
    """The directory of a writable layer."""
    number = fake.state["k8s.io"].snapshots[OVERLAY][key].number
    return fake.backend.snapshots_directory(OVERLAY) / str(number) / "fs"


async def test_what_is_asked_for(fake: FakeContainerd, containerd: Containerd) -> None:
    """A committed snapshot is measured once by containerd; a small writable layer is counted here each time."""
    usage = SnapshotUsage(containerd)
    (chain,) = [key for key in fake.state["k8s.io"].snapshots[OVERLAY] if key != "c1"]
    await usage.sample()
    assert measured(fake) == [chain]
    before = usage.usage(OVERLAY, "c1")
    (layer(fake) / "new").write_bytes(b"x" * 100_000)
    await usage.sample()
    assert not measured(fake)
    after = usage.usage(OVERLAY, "c1")
    assert before is not None
    assert after is not None
    assert after.active
    assert after.bytes >= before.bytes + 100_000
    assert after.inodes == before.inodes + 1
    (total,) = usage.filesystems()
    image = usage.usage(OVERLAY, chain)
    assert image is not None
    assert (total.bytes, total.inodes) == (image.bytes + after.bytes, image.inodes + after.inodes)
    assert total.mountpoint == usage.mountpoint(OVERLAY) != ""


async def test_a_large_layer(fake: FakeContainerd, containerd: Containerd, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is containerd's to count, and is not walked here again."""
    monkeypatch.setattr(snapshot_usage, "SMALL", 3)
    usage = SnapshotUsage(containerd)
    for name in "abcd":
        (layer(fake) / name).touch()
    for _ in range(2):
        await usage.sample()
        assert "c1" in measured(fake)
    measured_last = usage.usage(OVERLAY, "c1")
    assert measured_last is not None
    assert measured_last.inodes == 5


async def test_a_layer_that_is_not_here(fake: FakeContainerd, containerd: Containerd) -> None:
    """containerd may see another root than this daemon, and is asked then."""
    usage = SnapshotUsage(containerd)
    hidden = layer(fake)
    hidden.rename(hidden.with_name("elsewhere"))
    await usage.sample()
    assert "c1" in measured(fake)


async def test_a_snapshot_that_goes(fake: FakeContainerd, containerd: Containerd) -> None:
    """It is forgotten with the next list."""
    owners = [1]
    usage = SnapshotUsage(containerd, owners=lambda: list(owners))
    await usage.sample()
    await containerd.snapshots(OVERLAY).remove("c1")
    await usage.sample()
    owners.append(2)
    await usage.sample()
    assert usage.usage(OVERLAY, "c1") is None
    assert len(fake.called("Snapshots/List")) == 2


async def test_how_often_snapshots_are_listed(fake: FakeContainerd, containerd: Containerd) -> None:
    """Each time something is made or removed here, and now and then for what others do."""
    usage = SnapshotUsage(containerd, owners=lambda: "the same")
    for _ in range(RARELY * 2):
        await usage.sample()
    assert len(fake.called("Snapshots/List")) == 3


async def test_a_layer_that_rests(fake: FakeContainerd, containerd: Containerd) -> None:
    """It is measured now and then, whatever lies in it."""
    usage = SnapshotUsage(containerd, idle=lambda key: key == "c1")
    await usage.sample()
    (layer(fake) / "new").touch()
    first = usage.usage(OVERLAY, "c1")
    for _ in range(RARELY - 2):
        await usage.sample()
        assert usage.usage(OVERLAY, "c1") == first
    await usage.sample()
    assert usage.usage(OVERLAY, "c1") != first


@pytest.mark.parametrize("method", ["Snapshots/Mounts", "Snapshots/Usage"])
async def test_one_that_fails(fake: FakeContainerd, containerd: Containerd, method: str) -> None:
    """The rest still counts, and it is measured the next time."""
    usage = SnapshotUsage(containerd)
    fake.faults.add(method, FaultKind.UNKNOWN)
    await usage.sample()
    count = len(usage._usages[OVERLAY])
    assert count == (1 if method == "Snapshots/Usage" else 2)
    await usage.sample()
    assert len(usage._usages[OVERLAY]) == 2


@pytest.mark.parametrize("method", ["Snapshots/Mounts", "Snapshots/Usage", "Snapshots/List", "Introspection/Plugins"])
async def test_containerd_that_is_away(
    fake: FakeContainerd, containerd: Containerd, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The last sample stays, and the caller learns why there is no new one."""
    monkeypatch.setattr(retry, "BUDGET", 0.01)
    usage = SnapshotUsage(containerd)
    if method != "Introspection/Plugins":
        await usage.sample()
    before = usage.filesystems()
    usage = usage if before else SnapshotUsage(containerd)
    await containerd.snapshots(OVERLAY).prepare("c2")
    fake.add_image("example.com/new:1", layers=[{"new": b"1"}])
    fake.faults.add(method, FaultKind.UNAVAILABLE, times=None)
    with pytest.raises(Unavailable):
        await usage.sample()
    assert usage.filesystems() == before


async def test_a_snapshotter_that_fails(fake: FakeContainerd, containerd: Containerd) -> None:
    """It spoils no other; the same words are logged once; when all fail, the caller learns why."""
    usage = SnapshotUsage(containerd, [OVERLAY, "native"])
    fake.faults.add("Snapshots/List", FaultKind.UNKNOWN, text="broken", times=3)
    with capture_logs() as logs, pytest.raises(Unknown, match="broken"):
        await usage.sample()
    assert usage.filesystems() == ()
    fake.state["k8s.io"].snapshots["native"] = {}
    with capture_logs() as again:
        await usage.sample()
    assert [one["snapshotter"] for one in (*logs, *again)] == [OVERLAY, "native"]
    assert [one.snapshotter for one in usage.filesystems()] == ["native"]
    await usage.sample()
    assert [one.snapshotter for one in usage.filesystems()] == [OVERLAY, "native"]


async def test_a_request_before_the_first_sample(fake: FakeContainerd, containerd: Containerd) -> None:
    """It takes the sample; later requests are answered from it."""
    usage = SnapshotUsage(containerd)
    (first,) = await usage.filesystems_now()
    assert first.snapshotter == OVERLAY
    fake.calls.clear()
    assert await usage.filesystems_now() == (first,)
    assert not fake.calls


async def test_the_first_sample_of_a_new_layer(fake: FakeContainerd, containerd: Containerd) -> None:
    """A new container has numbers at once; asking again costs nothing, and a snapshotter of no concern is passed by."""
    usage = SnapshotUsage(containerd)
    await usage.take_first([(OVERLAY, "c1"), ("none", "c1")])
    assert usage.usage(OVERLAY, "c1") is not None
    assert usage.mountpoint(OVERLAY)
    fake.calls.clear()
    await usage.take_first([(OVERLAY, "c1")])
    assert not fake.calls
    (layer(fake).parent / "moved").mkdir()
    await containerd.snapshots("native").prepare("c2")
    both = SnapshotUsage(containerd, [OVERLAY, "native"])
    await both.take_first([("native", "c2")])
    assert measured(fake) == ["c2"]


async def test_a_first_sample_that_is_newer_than_the_list(fake: FakeContainerd, containerd: Containerd) -> None:
    """A sample that was begun before does not forget it."""
    usage = SnapshotUsage(containerd)
    fake.faults.add("Snapshots/Usage", FaultKind.HANG)
    sampling = asyncio.create_task(usage.sample())
    await until(lambda: fake.faults.hanging)
    await containerd.snapshots(OVERLAY).prepare("c2")
    await usage.take_first([(OVERLAY, "c2")])
    fake.faults.clear()
    await sampling
    assert usage.usage(OVERLAY, "c2") is not None


@pytest.mark.parametrize("kind", [FaultKind.UNAVAILABLE, FaultKind.UNKNOWN])
async def test_running(fake: FakeContainerd, containerd: Containerd, kind: FaultKind) -> None:
    """It goes on whatever fails, and has a sample when nothing fails any more."""
    usage = SnapshotUsage(containerd, period=0.002)
    fault = fake.faults.add("Snapshots/List", kind, times=None)
    running = asyncio.create_task(usage.run())
    await until(lambda: fault.struck > 1)
    assert not usage.filesystems()
    fake.faults.clear()
    await until(usage.filesystems)
    assert not running.done()
    running.cancel()


@pytest.mark.parametrize(
    ("mounts", "directory"),
    [
        ([Mount(type="overlay", options=["index=off", "upperdir=/u", "lowerdir=/l"])], "/u"),
        ([Mount(type="overlay", options=["lowerdir=/a:/b"])], ""),
        ([Mount(type="bind", source="/a")], ""),
        ([], ""),
        ([Mount(type="overlay", options=["upperdir=/u"]), Mount(type="bind")], ""),
    ],
)
def test_the_writable_layer(mounts: Any, directory: str) -> None:
    """Only of an overlay is it known where it lies."""
    assert upper_directory(mounts) == directory


async def test_sizes_that_are_none(containerd: Containerd, fake: FakeContainerd) -> None:
    """A snapshotter that answers below 0, and sums beyond 64 bits: the figures still fit into a message."""
    (chain,) = [name for name in fake.state["k8s.io"].snapshots[OVERLAY] if name != "c1"]
    snapshot = fake.state["k8s.io"].snapshots[OVERLAY][chain]
    snapshot.usage = (-5, -1)
    usage = SnapshotUsage(containerd)
    (sums,) = await usage.filesystems_now()
    odd = usage.usage(OVERLAY, chain)
    assert odd is not None
    assert (odd.bytes, sums.bytes >= 0, sums.inodes >= 0) == (0, True, True)
    snapshot.usage = ((1 << 63) - 1, (1 << 63) - 1)
    for number in range(3):
        fake.state["k8s.io"].snapshots[OVERLAY][f"copy-{number}"] = copy.copy(snapshot)
    usage = SnapshotUsage(containerd)
    (sums,) = await usage.filesystems_now()
    assert (sums.bytes, sums.inodes) == ((1 << 64) - 1, (1 << 64) - 1)
