"""SIGTERM, and a second daemon on the same socket."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.bridge import program
from lab.pod_configs import pod_config
from tests.integration.daemon.conftest import GRACE, run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_an_idle_daemon_ends_at_once(lab):
    """SIGTERM ends an idle daemon within two seconds with exit code 0; its socket is gone, its pods run."""
    pod = await run_pod(lab)
    container = await pod.start()
    started = time.monotonic()
    assert await asyncio.to_thread(lab.bridge.stop) == 0
    assert time.monotonic() - started < 2
    assert not lab.bridge.socket.exists()
    tasks = await asyncio.to_thread(lab.containerd.ctr, "tasks", "list")
    assert all(f"{id_} " in tasks for id_ in (pod.id, container.id))
    assert tasks.count("RUNNING") == 2
    await asyncio.to_thread(lab.bridge.start)
    assert (await container.status()).state == cri.CONTAINER_RUNNING
    await pod.remove()


@pytest.mark.parametrize("moment", [0.01, 0.05, 0.1])
async def test_requests_in_flight_finish_or_are_undone(lab, moment):
    """SIGTERM in the middle of six pod starts: exit code 0, what was answered is there, what was not can be removed."""
    configs = [pod_config(cgroup_parent=lab.cgroup_parent) for _ in range(6)]
    calls = [lab.client.RunPodSandbox(config=config) for config in configs]
    running = asyncio.gather(*calls, return_exceptions=True)
    await asyncio.sleep(moment)
    lab.bridge.daemon.signal(signal.SIGTERM)
    results = await running
    assert await asyncio.to_thread(lab.bridge.daemon.wait, 30) == 0
    await asyncio.to_thread(lab.bridge.start)
    answered = {result.pod_sandbox_id for result in results if not isinstance(result, BaseException)}
    for result in results:
        if isinstance(result, BaseException):
            assert isinstance(result, grpc.aio.AioRpcError)
            assert result.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    items = {item.id: item.state for item in (await lab.client.ListPodSandbox()).items}
    assert {id_ for id_, state in items.items() if state == cri.SANDBOX_READY} >= answered
    await lab.remove_all()


async def test_a_request_that_would_take_too_long(lab):
    """A command that runs for minutes does not hold up the end for longer than the grace period."""
    pod = await run_pod(lab)
    container = await pod.start()
    call = asyncio.ensure_future(container.client.ExecSync(container_id=container.id, cmd=["sleep", "300"]))
    await asyncio.sleep(0.3)
    started = time.monotonic()
    assert await asyncio.to_thread(lab.bridge.daemon.stop, 40) == 0
    assert time.monotonic() - started < GRACE + 4
    assert isinstance((await asyncio.gather(call, return_exceptions=True))[0], grpc.aio.AioRpcError)
    await asyncio.to_thread(lab.bridge.start)
    await pod.remove()


async def test_a_second_daemon_is_refused(lab):
    """A second daemon on the same socket ends with an error that names it, and the first one serves on."""
    command = [*program(), "serve", "--config", str(lab.bridge.config_file)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert str(lab.bridge.socket) in done.stderr + done.stdout
    assert (await lab.client.Version()).runtime_api_version == "v1"


async def test_a_socket_that_a_crash_left_is_taken_over(lab):
    """After kill -9 the socket file is still there, and the next daemon serves on it."""
    await asyncio.to_thread(lab.bridge.kill9)
    assert lab.bridge.socket.exists()
    await asyncio.to_thread(lab.bridge.start)
    assert (await lab.client.Version()).runtime_api_version == "v1"


async def test_the_socket_is_not_for_everybody(lab):
    """Nobody but owner and group may open the socket."""
    assert lab.bridge.socket.stat().st_mode & 0o007 == 0
