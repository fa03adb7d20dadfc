"""cAdvisor asks containerd directly, past this daemon, and gets the answers that it needs.

In its sources that is container/containerd. It sees a new cgroup, takes the 64 characters in its name for an id, and
reads the container and its process from containerd at once. If containerd does not know the container, cAdvisor has no
statistics of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from containerd_client import Containerd
from lab import cgroup_driver
from lab.pod_configs import sh
from lab.pods import Pod

if TYPE_CHECKING:
    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container
    from lab.lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.asyncio(loop_scope="session")]

ID = re.compile(r"[a-z0-9]{64}")
PODS = 4


class NewCgroups:
    """Watches for cgroups below a parent, as cAdvisor does, and asks for each as soon as it is there."""

    def __init__(self, lab: Lab, client: Containerd) -> None:
        hierarchy = cgroup_driver.ROOT if cgroup_driver.unified() else cgroup_driver.ROOT / "memory"
        self._parent = hierarchy / cgroup_driver.path(lab.cgroup_parent)
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._ended = threading.Event()
        self.questions: dict[str, asyncio.Future[Container]] = {}

    async def __aenter__(self) -> Self:
        """Begin."""
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        await asyncio.to_thread(self._thread.join)

    def _watch(self) -> None:
        while not self._ended.wait(0.001):
            for folder, _, _ in os.walk(self._parent):
                if (match := ID.search(Path(folder).name)) and match[0] not in self.questions:
                    question = asyncio.run_coroutine_threadsafe(self._client.containers.get(match[0]), self._loop)
                    self.questions[match[0]] = asyncio.wrap_future(question, loop=self._loop)


async def test_containerd_knows_a_container_before_it_has_a_cgroup(lab: Lab) -> None:
    """Each question that is asked at the moment of the cgroup's appearance has an answer, for pods and containers."""
    async with Containerd(lab.containerd.address, namespace="k8s.io") as client:
        async with NewCgroups(lab, client) as seen:
            pods = [await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent) for _ in range(PODS)]
            ids = [(await pod.start(command=sh("exec sleep 1000"))).id for pod in pods]
        assert set(seen.questions) == {*ids, *(pod.id for pod in pods)}
        for id_, question in seen.questions.items():
            assert (await question).id == id_
    for pod in pods:
        await pod.remove()


async def test_record_and_process_have_what_it_reads(lab: Lab) -> None:
    """Labels of the kubelet, the kind, the image, environment and process."""
    labels = {
        "io.kubernetes.pod.name": "web",
        "io.kubernetes.pod.namespace": "shop",
        "io.kubernetes.pod.uid": "u1",
        "io.kubernetes.container.name": "app",
    }
    pod = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent, labels=labels)
    container = await pod.start(command=sh("exec sleep 1000"), labels=labels, envs={"A": "b"})
    async with Containerd(lab.containerd.address, namespace="k8s.io") as client:
        for id_, kind, image in ((pod.id, "sandbox", lab.pause), (container.id, "container", lab.busybox)):
            record = await client.containers.get(id_)
            assert record.labels["io.cri-containerd.kind"] == kind
            assert record.labels.items() >= labels.items()
            assert record.image == image
            environment = json.loads(record.spec.value)["process"]["env"]
            assert ("A=b" in environment) is (kind == "container")
            assert Path(f"/proc/{(await client.tasks.get(id_)).pid}").is_dir()
    await pod.remove()
