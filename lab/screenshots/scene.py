"""Bring a node into the state that the pictures show: pods that run, pods that are gone, and requests that failed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import grpc

from lab.playground.up import demo_pod
from lab.pods import Pod

if TYPE_CHECKING:
    from lab.lab import Lab

SHOPS = 8
"""Pods that are started one after another, so that a typical start is known."""
LASTING = 2
"""Pods of these that still run when the pictures are taken."""


async def prepare(lab: Lab) -> Pod:
    """Run the playground's pod and some more; return the pod whose start is shown."""
    await demo_pod(lab)
    pods = []
    for number in range(1, SHOPS + 1):
        pod = await shop(lab, f"shop-{number}")
        pods.append(pod)
        if number <= SHOPS - LASTING:
            await pod.remove()
        await asyncio.sleep(0.2)
    with contextlib.suppress(grpc.RpcError):
        await lab.client.PullImage(image={"image": f"{lab.images.address}/not-there:1"})
    return pods[-1]


async def shop(lab: Lab, name: str) -> Pod:
    """Run a pod of two containers, labelled as a kubelet labels it."""
    labels = {"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": "shop"}
    pod = await Pod.run(
        lab.client, lab.busybox, name=name, namespace="shop", cgroup_parent=lab.cgroup_parent, labels=labels
    )
    for container in ("app", "cache"):
        await pod.start(container, labels=labels)
    return pod
