"""Whether a layer that is being extracted grows: a look that fails is neither growth nor shrinking."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from containerd_client import Unavailable
from containerd_client.distribution import unpack
from containerd_client.distribution.values.errors import StalledError
from containerd_client.distribution.values.manifest import Descriptor


class FakeSnapshots:
    """A snapshot of constant size that is looked at with alternating success."""

    def __init__(self) -> None:
        self.polls = 0

    async def usage(self, _key: str) -> tuple[int, int]:
        self.polls += 1
        if self.polls % 2:
            return 10, 1
        raise Unavailable("Snapshots/Usage", "busy")


async def test_polls_that_fail_now_and_then():
    """A stalled extraction is given up, although every other look finds nothing."""

    async def never(*_: Any) -> None:
        await asyncio.sleep(60)

    client = SimpleNamespace(diff=SimpleNamespace(apply=never))
    unpacker = unpack.Unpacker(cast("Any", client))
    unpacker.progress_timeout = 0.4
    layer = Descriptor("application/vnd.oci.image.layer.v1.tar", "sha256:" + "1" * 64, 1)
    with pytest.raises(StalledError):
        await asyncio.wait_for(unpacker._apply(cast("Any", FakeSnapshots()), "key", layer, ()), 20)
