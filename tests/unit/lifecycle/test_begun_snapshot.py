"""A snapshot that is made beside its record: who needs it gets its failure, and the log gets none."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

import pytest

from containerd_client.errors import Unavailable
from cri_shim.concurrency.rollback import Rollback
from cri_shim.lifecycle.snapshots import begin_snapshot


async def refuse(*_: Any) -> None:
    raise Unavailable("Snapshots/Prepare", "no connection to containerd")


def begun() -> asyncio.Task[Any]:
    """One that containerd, which is away, does not make."""
    containerd: Any = SimpleNamespace(snapshots=lambda _name: SimpleNamespace(prepare=refuse))
    puller: Any = None
    image: Any = SimpleNamespace(chain_id="sha256:0")
    undo = Rollback("pod", on_incomplete=lambda _why: None)
    return begin_snapshot(containerd, puller, "overlayfs", "pod", image, undo=undo, mount_label="")


async def test_a_failure_that_nothing_waits_for_is_not_reported_by_the_loop() -> None:
    """The record failed first, and what was made is not undone while containerd is away."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, about: reported.append(about))
    preparing = begun()
    await asyncio.wait([preparing])
    await asyncio.sleep(0)
    del preparing
    gc.collect()
    assert reported == []


async def test_a_failure_reaches_what_waits_for_the_snapshot() -> None:
    """As it is."""
    with pytest.raises(Unavailable):
        await begun()
