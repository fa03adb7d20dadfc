"""A daemon that is killed while it starts a command: the shim waits for the reader of the command's FIFOs."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client import Containerd, ContainerdError, call_options
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.logs.fifo import FifoSet
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")

SPEC = {"args": ["true"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"]}
ID = "e" * 64


async def start_unread(lab, container, fifos):
    """Start a command as a daemon does that is gone before it has opened the FIFOs."""
    spec = AnyMessage(
        type_url="types.containerd.io/opencontainers/runtime-spec/1/Process", value=json.dumps(SPEC).encode()
    )
    async with Containerd(lab.containerd.address, namespace="k8s.io") as client:
        with call_options(timeout=60), suppress(ContainerdError):
            await client.tasks.exec(container.id, ID, spec=spec, stdout=fifos.stdout, stderr=fifos.stderr)
            await client.tasks.start(container.id, ID)


async def test_the_next_daemon_sees_the_pod_at_once(lab):
    """It opens the FIFOs before it asks for the tasks, and ends the command."""
    pod = await run_pod(lab)
    container = await pod.start()
    await asyncio.to_thread(lab.bridge.kill9)
    directory = lab.bridge.state / "containers" / container.id / f"exec-{ID}"
    fifos = FifoSet.create(str(directory), ID, stdin=False, tty=False)
    starting = asyncio.create_task(start_unread(lab, container, fifos))
    await asyncio.sleep(1)
    assert not starting.done()
    await asyncio.to_thread(lab.bridge.start)
    assert (await container.status()).state == cri.CONTAINER_RUNNING
    assert (await pod.status()).state == cri.SANDBOX_READY
    assert await container.output("echo fine") == "fine"
    async with asyncio.timeout(30):
        await starting
        while directory.exists():
            await asyncio.sleep(0.1)
    await pod.remove()
