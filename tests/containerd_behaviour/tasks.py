"""A real process under a real shim and runc, with busybox as its root file system."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client import ContainerdError, NotFound, Unknown, detached_options, is_shim_gone
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.services.tasks.v1 import tasks_pb2
from containerd_client.api.containerd.types import types_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types

SPEC = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
CGROUP = f"/cri-shim-test-client-{os.getpid()}"
PROCESS = "types.containerd.io/opencontainers/runtime-spec/1/Process"
RESOURCES = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"


def packed(type_url: str, value: dict[str, Any]) -> AnyMessage:
    return AnyMessage(type_url=type_url, value=json.dumps(value).encode())


def process(*args: str) -> dict[str, Any]:
    return {"user": {"uid": 0, "gid": 0}, "args": list(args), "cwd": "/", "env": ["PATH=/bin"]}


@pytest.fixture
async def task_id(client, tmp_path):
    """A created container with its task, not started."""
    root = tmp_path / "rootfs"
    (root / "bin").mkdir(parents=True)
    (root / "proc").mkdir()
    shutil.copy("/bin/busybox", root / "bin" / "sh")
    id_ = f"t{os.getpid()}"
    spec = {
        "ociVersion": "1.0.2",
        "process": process("/bin/sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"),
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")],
            "cgroupsPath": CGROUP,
        },
    }
    runtime = containers_pb2.Container.Runtime(name="io.containerd.runc.v2")
    await client.containers.create(containers_pb2.Container(id=id_, runtime=runtime, spec=packed(SPEC, spec)))
    bind = types_pb2.Mount(type="bind", source=str(root), options=["rbind", "rw"])
    await client.tasks.create(id_, rootfs=[bind])
    yield id_
    try:
        await client.tasks.kill(id_, signal.SIGKILL, all=True)
        await client.tasks.wait(id_)
        await client.tasks.delete(id_)
    except NotFound:
        pass
    await client.containers.delete(id_)
    # A shim that was killed leaves its cgroups behind.
    for cgroup in Path("/sys/fs/cgroup").glob(f"*{CGROUP}"):
        cgroup.rmdir()


async def test_a_task_from_create_to_delete(client, task_id):
    """Created, started, waited for, executed in, paused, signalled, deleted with its exit code."""
    created = tasks_pb2.CreateTaskRequest(container_id=task_id)
    started = tasks_pb2.StartRequest(container_id=task_id)
    assert (await client.tasks.get(task_id)).status == task_types.CREATED
    assert (await client.tasks._check_created(created)).pid > 0
    assert await client.tasks._check_started(started) is None
    pid = await client.tasks.start(task_id)
    assert (await client.tasks._check_started(started)).pid == pid
    with detached_options():
        waiting = asyncio.create_task(client.tasks.wait(task_id))
    assert [(task.id, task.pid) for task in await client.tasks.list()] == [(task_id, pid)]
    assert pid in [info.pid for info in await client.tasks.list_pids(task_id)]
    assert [metric.id for metric in await client.tasks.metrics(f"id=={task_id}")] == [task_id]
    await client.tasks.update(task_id, packed(RESOURCES, {"pids": {"limit": 50}}))

    await client.tasks.exec(task_id, "e1", spec=packed(PROCESS, process("/bin/sh", "-c", "exit 3")))
    ended = asyncio.create_task(client.tasks.wait(task_id, "e1"))
    await client.tasks.start(task_id, "e1")
    assert (await ended).code == 3
    assert (await client.tasks.delete_process(task_id, "e1")).code == 3
    with pytest.raises(NotFound):
        await client.tasks.get(task_id, "e1")

    await client.tasks.pause(task_id)
    assert await client.tasks._check_paused(tasks_pb2.PauseTaskRequest(container_id=task_id)) is not None
    await client.tasks.resume(task_id)
    assert await client.tasks._check_resumed(tasks_pb2.ResumeTaskRequest(container_id=task_id)) is not None

    await client.tasks.kill(task_id, signal.SIGTERM)
    exited = await asyncio.wait_for(waiting, 10)
    assert exited.code == 7
    assert exited.exited_at_ns > 1_600_000_000_000_000_000
    deleted = await client.tasks.delete(task_id)
    assert (deleted.code, deleted.exited_at_ns) == (7, exited.exited_at_ns)
    with pytest.raises(NotFound):
        await client.tasks.get(task_id)


async def test_a_hundred_waits_do_not_hold_up_calls(client, task_id):
    """Waits are on the second channel; cancelling them ends them in containerd and leaves the process alone."""
    await client.tasks.start(task_id)
    waits = [asyncio.create_task(client.tasks.wait(task_id)) for _ in range(100)]
    await asyncio.sleep(0.1)
    async with asyncio.timeout(2):
        await client.version.get()
    for wait in waits:
        wait.cancel()
    assert all(isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*waits, return_exceptions=True))
    assert (await client.tasks.get(task_id)).status == task_types.RUNNING
    assert "0 calls in flight" in repr(client)


async def test_a_shim_that_was_killed_is_recognised(client, shared, task_id):
    """A wait that was pending ends, in ttrpc's words for it; a moment later the task is NotFound."""
    pid = await client.tasks.start(task_id)
    waiting = asyncio.create_task(client.tasks.wait(task_id))
    await asyncio.sleep(0.1)
    await shared.kill_shims()
    with pytest.raises(ContainerdError) as failure:
        await asyncio.wait_for(waiting, 10)
    assert is_shim_gone(failure.value)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(NotFound):
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(Unknown):
                    await client.tasks.kill(task_id, signal.SIGTERM)
                await asyncio.sleep(0.05)
