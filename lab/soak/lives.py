"""The lives that pods have during a soak: each is a few requests as a kubelet sends them, and checks what it sees.

Every life removes all that it made, unless a daemon is killed meanwhile; then :func:`sweep` removes what the pod's uid
names, as the kubelet's garbage collection does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

from lab.log_file import text
from lab.pod_configs import sh
from lab.pods import Pod

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lab.cri_client import CriClient
    from lab.lab import Lab

NO_SUCH_PROGRAM = "/no/such/program"
KILLED = 137


@dataclass(frozen=True, slots=True)
class Node:
    """What a life needs: the client, the lab, and an image of its own to pull and remove."""

    lab: Lab
    client: CriClient
    spare_image: str
    given_up: list[str] = field(default_factory=list)
    """Uids of pods whose start may still end well after it was given up."""

    async def pod(self, uid: str, **config: Any) -> Pod:
        """Run a pod with this uid, which :func:`sweep` finds again."""
        return await Pod.run(
            self.client,
            self.lab.busybox,
            uid=uid,
            log_directory=self.lab.logs / uid,
            cgroup_parent=self.lab.cgroup_parent,
            **config,
        )


async def plain(node: Node, uid: str) -> None:
    """Start a pod with one container, run a command in it, read its log, stop and remove everything."""
    pod = await node.pod(uid)
    container = await pod.start(command=sh("echo begun; trap 'exit 0' TERM; sleep 3600 & wait"))
    await container.logged("begun")
    assert await container.output("echo probe") == "probe"
    await container.stop(timeout=5)
    assert (await container.status()).exit_code == 0
    await pod.remove()


async def many_lines(node: Node, uid: str) -> None:
    """Print 20,000 lines, all of which must be in the log."""
    pod = await node.pod(uid)
    container = await pod.start(command=sh("seq 1 20000"))
    await container.ended(30)
    assert text(container.entries()).split()[-1] == "20000"
    await pod.remove()


async def restarted(node: Node, uid: str) -> None:
    """Let a container fail twice, and create its next attempt each time."""
    pod = await node.pod(uid)
    for attempt in range(2):
        container = await pod.start("again", attempt=attempt, command=sh("exit 3"))
        assert (await container.ended()).exit_code == 3
        await container.remove()
    pod.containers.clear()
    await pod.remove()


async def killed(node: Node, uid: str) -> None:
    """Kill a container's process from outside; its exit code must say so."""
    pod = await node.pod(uid)
    container = await pod.start()
    answer = await node.client.ContainerStatus(container_id=container.id, verbose=True)
    os.kill(int(json.loads(answer.info["info"])["pid"]), signal.SIGKILL)
    assert (await container.ended()).exit_code == KILLED
    await pod.remove()


async def cannot_start(node: Node, uid: str) -> None:
    """Start a program that does not exist: an error, and the rest of the pod goes on."""
    pod = await node.pod(uid)
    container = await pod.create(command=[NO_SUCH_PROGRAM])
    with contextlib.suppress(grpc.aio.AioRpcError):
        await container.start()
        raise AssertionError(f"{NO_SUCH_PROGRAM} was started")
    assert await pod.output("echo still here") == "still here"
    await pod.remove()


async def slow_probe(node: Node, uid: str) -> None:
    """Run a probe that takes longer than it may."""
    pod = await node.pod(uid)
    container = await pod.start()
    try:
        await container.execute("sleep", "30", timeout=1)
    except grpc.aio.AioRpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    else:
        raise AssertionError("a probe of 30 s ended in time")
    await pod.remove()


async def given_up(node: Node, uid: str) -> None:
    """Give up a pod's start in the middle, as a kubelet whose deadline expires."""
    try:
        await asyncio.wait_for(node.pod(uid), 0.05)
    except TimeoutError:
        node.given_up.append(uid)
    await sweep(node, uid)


async def pulled(node: Node, uid: str) -> None:
    """Pull an image, run it, and remove it."""
    await node.client.PullImage(image={"image": node.spare_image})
    pod = await node.pod(uid)
    container = await pod.start(image=node.spare_image, command=sh("true"))
    assert (await container.ended()).exit_code == 0
    await pod.remove()
    await node.client.RemoveImage(image={"image": node.spare_image})


LIVES: tuple[Callable[[Node, str], Awaitable[None]], ...] = (
    *(plain, plain, plain),
    *(many_lines, restarted, killed, cannot_start, slow_probe, given_up, pulled),
)
"""Drawn from by chance; what a kubelet does most stands here most often."""


async def sweep(node: Node, uid: str) -> None:
    """Stop and remove every pod of this uid."""
    for pod in (await node.client.ListPodSandbox()).items:
        if pod.metadata.uid == uid:
            await node.client.StopPodSandbox(pod_sandbox_id=pod.id)
            await node.client.RemovePodSandbox(pod_sandbox_id=pod.id)


def new_uid() -> str:
    """Return the uid of the next pod."""
    return str(uuid.uuid4())
