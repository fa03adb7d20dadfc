"""A snapshotter that containerd does not have: the node is not ready, and says which ones there are."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from cri_shim.node.snapshotter_check import REASON
from lab.bridge import merged
from lab.cri_client import failure

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.mark.parametrize("of_handler", [False, True])
async def test_a_snapshotter_that_containerd_lacks(lab, of_handler):
    """RuntimeReady is false for the default one and for that of a runtime handler; image file systems are listed."""
    before = lab.bridge.settings
    handler = {"runtime_type": "io.containerd.runc.v2", "snapshotter": "no-such-one"}
    containerd = {"runtimes": {"odd": handler}} if of_handler else {"snapshotter": "no-such-one"}
    lab.bridge.settings = merged(before, {"containerd": containerd})
    try:
        await asyncio.to_thread(lab.bridge.restart)
        conditions = {one.type: one for one in (await lab.client.Status()).status.conditions}
        ready = conditions["RuntimeReady"]
        assert (ready.status, ready.reason) == (False, REASON)
        assert "snapshotter = 'no-such-one'; it has " in ready.message
        assert "overlayfs" in ready.message
        if of_handler:
            assert (await lab.client.ImageFsInfo()).image_filesystems
        else:
            for call in (lab.client.PullImage(image={"image": lab.busybox}), lab.client.ImageFsInfo()):
                code, text = await failure(call)
                assert code is grpc.StatusCode.FAILED_PRECONDITION
                assert "no snapshotter 'no-such-one'" in text
    finally:
        lab.bridge.settings = before
        await asyncio.to_thread(lab.bridge.restart)
    conditions = {one.type: one for one in (await lab.client.Status()).status.conditions}
    assert conditions["RuntimeReady"].status
