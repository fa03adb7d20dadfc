"""Snapshots that no record came for: which are removed, and what does not stop at one that cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from containerd_client import Containerd
from cri_shim.sync.owned_snapshots import (
    IMAGE_MOUNT,
    OWN_ROOT,
    owned_by,
    remove_orphaned_snapshots,
    remove_snapshots_owned_by,
)
from tests.fakes.containerd import FaultKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.fakes.containerd import FakeContainerd

BOTH = ("overlayfs", "native")
ID = "a" * 64


@pytest.fixture
async def containerd(fake: FakeContainerd) -> AsyncIterator[Containerd]:
    """A client, and in each snapshotter the root of a pod, a view for a container, and another client's snapshot."""
    client = Containerd(fake.address, namespace="k8s.io")
    for name in BOTH:
        snapshots = client.snapshots(name)
        await snapshots.prepare(f"{name}-root", labels=owned_by(ID, OWN_ROOT))
        await snapshots.prepare(f"{name}-view", labels=owned_by("b" * 64, IMAGE_MOUNT))
        await snapshots.prepare(f"{name}-other", labels={"containerd.io/gc.root": "1"})
    yield client
    await client.close()


@pytest.fixture
def left(fake: FakeContainerd) -> Callable[[], set[str]]:
    """The snapshots that are there now."""
    return lambda: {key for snapshots in fake.state["k8s.io"].snapshots.values() for key in snapshots}


async def test_what_no_record_came_for(containerd: Containerd, left: Callable[[], set[str]]) -> None:
    """It goes from every snapshotter, each of which is asked once; what another client made stays."""
    assert await remove_orphaned_snapshots(containerd, (*BOTH, "native"), set) == 4
    assert left() == {"overlayfs-other", "native-other"}


async def test_what_is_spared(containerd: Containerd, left: Callable[[], set[str]]) -> None:
    """Names are asked for after the list: what is being made has its name before its snapshots."""
    asked: list[set[str]] = []

    def spared() -> set[str]:
        asked.append(left())
        return {ID}

    assert await remove_orphaned_snapshots(containerd, ["overlayfs"], spared) == 1
    assert left() >= {"overlayfs-root", "overlayfs-other"}
    assert len(asked) == 1


async def test_a_snapshotter_that_does_not_answer(
    fake: FakeContainerd, containerd: Containerd, left: Callable[[], set[str]]
) -> None:
    """It is passed over, and what lies there waits for the next start."""
    fake.faults.add("Snapshots/List", FaultKind.UNKNOWN, text="its proxy has died")
    with capture_logs() as logs:
        assert await remove_orphaned_snapshots(containerd, BOTH, set) == 2
    assert left() == {"overlayfs-root", "overlayfs-view", "overlayfs-other", "native-other"}
    assert [(one["event"], one["snapshotter"]) for one in logs] == [("recovery.snapshots_not_listed", "overlayfs")]


async def test_a_snapshot_that_stays(
    fake: FakeContainerd, containerd: Containerd, left: Callable[[], set[str]]
) -> None:
    """It is logged and not counted, and the others go."""
    fake.faults.add("Snapshots/Remove", FaultKind.UNKNOWN, text="busy")
    with capture_logs() as logs:
        assert await remove_orphaned_snapshots(containerd, ["overlayfs"], set) == 1
    assert [one["event"] for one in logs] == ["recovery.snapshot_stays"]
    assert f"{logs[0]['snapshot']}" in left()


async def test_a_snapshot_that_has_gone_meanwhile(fake: FakeContainerd, containerd: Containerd) -> None:
    """That is as good as removed."""

    def spared() -> set[str]:
        fake.state["k8s.io"].snapshots["overlayfs"].clear()
        return set()

    assert await remove_orphaned_snapshots(containerd, ["overlayfs"], spared) == 2


async def test_all_of_one_pod(containerd: Containerd, left: Callable[[], set[str]]) -> None:
    """Those of others stay."""
    await remove_snapshots_owned_by(containerd, BOTH, ID)
    assert left() == {f"{name}-{what}" for name in BOTH for what in ("view", "other")}
