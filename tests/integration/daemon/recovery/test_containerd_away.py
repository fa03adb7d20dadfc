"""containerd restarts, or is away for seconds, under running pods."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.explorer.http_server import ADDRESS_FILE
from cri_shim.terminal.fetch import Explorer
from lab.cri_client import failure
from lab.pod_configs import pod_config, sh
from lab.pods import fetch, web_server
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")


async def condition(lab, kind="RuntimeReady"):
    """One condition of Status."""
    return next(each for each in (await lab.client.Status()).status.conditions if each.type == kind)


async def until_ready(lab, wanted, seconds=10):
    """Wait until RuntimeReady is as wanted; the condition then."""
    deadline = time.monotonic() + seconds
    while (condition_now := await condition(lab)).status != wanted:
        assert time.monotonic() < deadline, f"RuntimeReady is not {wanted} after {seconds} s"
        await asyncio.sleep(0.05)
    return condition_now


@pytest.mark.parametrize("how", ["stop", "kill9"])
async def test_away_and_back(lab, how):
    """While containerd is away requests fail soon and say why, and pods run on; when it is back all continues.

    Containers that ended meanwhile have their exit code, lines that were written meanwhile are in the log.
    """
    pod = await run_pod(lab)
    web = await pod.start(command=web_server("serving"))
    talker = await pod.start(command=sh("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done"))
    short = await pod.start(command=sh("sleep 1; echo gone; exit 8"))
    ip, pid = await pod.ip(), lab.bridge.daemon.pid
    await asyncio.to_thread(lab.containerd.daemon.stop if how == "stop" else lab.containerd.kill9)

    not_ready = await until_ready(lab, False, seconds=3)
    assert not_ready.reason
    assert "containerd" in not_ready.message
    started = time.monotonic()
    code, message = await failure(lab.client.RunPodSandbox(config=pod_config(cgroup_parent=lab.cgroup_parent)))
    assert code == grpc.StatusCode.UNAVAILABLE
    assert "containerd" in message
    assert (await failure(pod.create()))[0] == grpc.StatusCode.UNAVAILABLE
    assert (await failure(web.execute("true")))[0] == grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - started < 6
    assert await fetch(ip, 8080) == "serving"
    lines = len(talker.entries())
    await asyncio.sleep(1.5)
    assert len(talker.entries()) > lines

    await asyncio.to_thread(lab.containerd.start)
    await until_ready(lab, True)
    assert lab.bridge.daemon.alive
    assert lab.bridge.daemon.pid == pid
    status = await short.ended()
    assert (status.exit_code, status.reason) == (8, "Error")
    assert await short.logged("gone")
    assert await fetch(ip, 8080) == "serving"
    assert await pod.ip() == ip
    assert await web.output("echo exec works") == "exec works"
    await talker.stop(timeout=0)
    numbers = [int(entry.content.split()[1]) for entry in talker.entries()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert await pod.output("echo another one") == "another one"
    await pod.remove()


async def test_a_quick_restart_is_hardly_noticed(lab):
    """A container that is stopped right after containerd came back is stopped, and its end is seen."""
    pod = await run_pod(lab)
    container = await pod.start()
    await asyncio.to_thread(lab.containerd.restart)
    await until_ready(lab, True)
    await container.stop(timeout=5)
    assert (await container.status()).state == cri.CONTAINER_EXITED
    again = await pod.start(command=sh("exit 2"))
    assert (await again.ended()).exit_code == 2
    await pod.remove()


async def test_a_request_in_the_middle_of_it(lab):
    """Pods that were being started when containerd died are whole or gone; all can be removed afterwards."""
    calls = [lab.client.RunPodSandbox(config=pod_config(cgroup_parent=lab.cgroup_parent)) for _ in range(4)]
    running = asyncio.gather(*calls, return_exceptions=True)
    await asyncio.sleep(0.06)
    await asyncio.to_thread(lab.containerd.kill9)
    results = await running
    await asyncio.to_thread(lab.containerd.start)
    await until_ready(lab, True)
    ids = {item.id for item in (await lab.client.ListPodSandbox()).items}
    assert {result.pod_sandbox_id for result in results if not isinstance(result, BaseException)} <= ids
    await lab.remove_all()
    assert not (await lab.client.ListPodSandbox()).items
    # A runc that was ended halfway leaves an empty cgroup, which the kubelet removes with the pod's.
    await asyncio.to_thread(lab.remove_cgroups)


async def test_the_daemon_starts_before_containerd(lab):
    """Without containerd the daemon starts and says why it is not ready; it serves what is there once it comes."""
    pod = await run_pod(lab)
    assert await asyncio.to_thread(lab.bridge.stop) == 0
    await asyncio.to_thread(lab.containerd.daemon.stop)
    await asyncio.to_thread(lab.bridge.daemon.start, lab.bridge.socket.exists)
    code, message = await failure(lab.client.RunPodSandbox(config=pod_config()))
    assert code == grpc.StatusCode.UNAVAILABLE
    assert "containerd" in message
    assert (await failure(pod.create()))[0] == grpc.StatusCode.UNAVAILABLE
    await asyncio.sleep(3)  # until the ledger has kept the request, without names
    assert lab.bridge.daemon.alive
    await asyncio.to_thread(lab.containerd.start)
    deadline = time.monotonic() + 10
    while not await asyncio.to_thread(lab.bridge.answers):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert (await pod.status()).state == cri.SANDBOX_READY
    explorer = Explorer((lab.bridge.state / ADDRESS_FILE).read_text(encoding="utf-8").strip())
    requests = (await asyncio.to_thread(explorer.get, "/api/requests"))["requests"]
    (refused,) = [one for one in requests if one["method"] == "CreateContainer" and one["code"] == "UNAVAILABLE"]
    assert refused["pod"]["id"] == pod.id
    await pod.remove()


async def test_images_that_changed_meanwhile(lab):
    """An image that was removed or tagged while the daemon was away, or without its doing, is seen as it is."""
    tag = f"{lab.images.address}/busybox:tagged-outside"
    await asyncio.to_thread(lab.containerd.ctr, "images", "tag", lab.busybox, tag)
    deadline = time.monotonic() + 5
    while not (await lab.client.ImageStatus(image={"image": tag})).HasField("image"):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await asyncio.to_thread(lab.bridge.kill9)
    await asyncio.to_thread(lab.containerd.ctr, "images", "remove", tag)
    await asyncio.to_thread(lab.bridge.start)
    assert not (await lab.client.ImageStatus(image={"image": tag})).HasField("image")


@pytest.mark.parametrize("after", [0.0, 0.02, 0.035])
async def test_containerd_dies_while_a_container_starts(lab, after):
    """The start fails or succeeds, and the container is as before or runs: no end is made up for it."""
    pod = await run_pod(lab)
    container = await pod.create()
    starting = asyncio.ensure_future(container.start())
    await asyncio.sleep(after)
    await asyncio.to_thread(lab.containerd.kill9)
    await asyncio.wait([starting])
    await asyncio.to_thread(lab.containerd.start)
    await until_ready(lab, True)
    status = await container.until(lambda status: status.state != cri.CONTAINER_UNKNOWN)
    assert status.state in {cri.CONTAINER_CREATED, cri.CONTAINER_RUNNING}, status
    if (error := starting.exception()) is not None:
        assert isinstance(error, grpc.aio.AioRpcError)
        assert error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ALREADY_EXISTS}
    if status.state == cri.CONTAINER_CREATED:
        await container.start()
    assert await container.output("echo fine") == "fine"
    await pod.remove()
