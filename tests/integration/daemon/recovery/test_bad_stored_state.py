"""Nothing that lies in containerd or on the disk can stop the daemon from starting, and all of it can be removed."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import uuid

import pytest

from containerd_client import Containerd
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.pod_configs import sh
from lab.processes import LabError
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")

SANDBOX = "io.cri-containerd.sandbox.metadata"
CONTAINER = "io.cri-containerd.container.metadata"


async def restart(lab, spoil=None):
    """Stop the daemon, do something, start it; it must come up."""
    assert await asyncio.to_thread(lab.bridge.stop) == 0
    if spoil is not None:
        spoil = spoil()
        if asyncio.iscoroutine(spoil):
            await spoil
    await asyncio.to_thread(lab.bridge.start)


async def change_extension(lab, id_, key, value):
    """Overwrite what is stored with a containerd container."""
    async with Containerd(lab.containerd.address, namespace="k8s.io") as containerd:
        container = await containerd.containers.get(id_)
        container.extensions[key].value = value
        await containerd.containers.update(container, "extensions")


async def containers_by_id(lab):
    """Containers by id."""
    return {each.id: each for each in (await lab.client.ListContainers()).containers}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"Version":"v9"}', b'{"Version":"v1","Pid":"x"}', b"\xff\x00"])
async def test_a_corrupt_status_file(lab, content):
    """A status file that cannot be read makes its container unknown or as containerd sees it; it can be removed."""
    pod = await run_pod(lab)
    running = await pod.start()
    ended = await pod.start(command=sh("exit 3"))
    await ended.ended()

    def spoil():
        for container in (running, ended):
            (lab.bridge.root / "containers" / container.id / "status").write_bytes(content)

    await restart(lab, spoil)
    containers = await containers_by_id(lab)
    assert containers[running.id].state in {cri.CONTAINER_RUNNING, cri.CONTAINER_UNKNOWN}
    assert containers[ended.id].state in {cri.CONTAINER_EXITED, cri.CONTAINER_UNKNOWN}
    await running.stop(timeout=1)
    await running.remove()
    await ended.remove()
    await pod.remove()


async def test_a_missing_status_file(lab):
    """A container whose directory is gone can be removed."""
    pod = await run_pod(lab)
    container = await pod.start()
    await restart(lab, (lab.bridge.root / "containers" / container.id / "status").unlink)
    await container.remove()
    await pod.remove()


@pytest.mark.parametrize("value", [b"", b"not json", b'{"Version":"v1","Metadata":[]}', b'{"Version":"v7"}'])
async def test_a_container_whose_metadata_cannot_be_read(lab, value):
    """A container without readable metadata does not stop the start, and does not hide its neighbours."""
    pod = await run_pod(lab)
    spoiled, good = await pod.start(), await pod.start()
    await restart(lab, lambda: change_extension(lab, spoiled.id, CONTAINER, value))
    assert good.id in await containers_by_id(lab)
    assert await good.output("echo fine") == "fine"
    status = (await lab.client.ContainerStatus(container_id=spoiled.id)).status
    assert status.state == cri.CONTAINER_UNKNOWN
    assert spoiled.id in status.message
    await pod.remove()
    assert spoiled.id not in await containers_by_id(lab)


async def test_a_stop_signal_that_there_is_not(lab):
    """A container whose record names one is stopped with SIGTERM, and can go."""
    pod = await run_pod(lab)
    container = await pod.start()
    async with Containerd(lab.containerd.address, namespace="k8s.io") as containerd:
        stored = json.loads((await containerd.containers.get(container.id)).extensions[CONTAINER].value)
    stored["Metadata"]["StopSignal"] = "9" * 5000
    await restart(lab, lambda: change_extension(lab, container.id, CONTAINER, json.dumps(stored).encode()))
    await container.stop(timeout=1)
    await pod.remove()


HOSTILE_POD = b'{"Version":"v1","Metadata":{"Name":"n","AdditionalIPs":7,"RuntimeHandler":"\\ud800"}}'


@pytest.mark.parametrize("value", [b"", b"not json", b'{"Version":"v1","Metadata":{"ID":7}}', HOSTILE_POD])
async def test_a_pod_whose_metadata_cannot_be_read(lab, value):
    """A sandbox without readable metadata does not stop the start, hides no other pod, and can be removed."""
    spoiled, good = await run_pod(lab), await run_pod(lab)
    before = await good.status()
    await restart(lab, lambda: change_extension(lab, spoiled.id, SANDBOX, value))
    assert await good.status() == before
    assert {good.id, spoiled.id} <= {item.id for item in (await lab.client.ListPodSandbox()).items}
    await good.remove()
    # It is listed as not ready and can be removed whole, its address and namespace too.
    assert (await spoiled.status()).state == cri.SANDBOX_NOTREADY
    await spoiled.remove()


async def test_two_pods_with_one_name(lab):
    """Two stored pods that claim the same name do not stop the start, and both can be removed."""
    one, two = await run_pod(lab), await run_pod(lab)
    async with Containerd(lab.containerd.address, namespace="k8s.io") as containerd:
        stored = json.loads((await containerd.containers.get(two.id)).extensions[SANDBOX].value)
    stored["Metadata"]["Name"] = f"{one.config.metadata.name}_lab_{one.config.metadata.uid}_0"
    stored["Metadata"]["Config"]["metadata"] = {
        "name": one.config.metadata.name,
        "namespace": "lab",
        "uid": one.config.metadata.uid,
    }
    await restart(lab, lambda: change_extension(lab, two.id, SANDBOX, json.dumps(stored).encode()))
    assert {one.id, two.id} <= {item.id for item in (await lab.client.ListPodSandbox()).items}
    await two.remove()
    await one.remove()


async def test_a_container_without_its_pod(lab):
    """A container whose pod containerd no longer knows does not stop the start, and can be removed."""
    # On the node's network: nobody could tell whose namespace and address was left otherwise.
    pod = await run_pod(lab, network=cri.NODE)
    container = await pod.create(network=cri.NODE)

    def spoil():
        lab.containerd.ctr("tasks", "delete", "--force", pod.id)
        lab.containerd.ctr("containers", "delete", pod.id)

    await restart(lab, spoil)
    await lab.client.RemoveContainer(container_id=container.id)
    assert container.id not in await containers_by_id(lab)


async def test_foreign_containers_are_left_alone(lab):
    """Containers that others made in the same namespace run on, are not listed, and are not removed."""
    name = f"foreign-{uuid.uuid4()}"
    await asyncio.to_thread(lab.containerd.ctr, "run", "--detach", lab.busybox, name, "sleep", "1000")
    await restart(lab)
    assert name not in await containers_by_id(lab)
    assert name in await asyncio.to_thread(lab.containerd.ctr, "tasks", "list", "--quiet")
    await asyncio.to_thread(remove_by_hand, lab, name)


@pytest.mark.parametrize("kind", ["sandbox", "container", "nonsense"])
async def test_foreign_containers_with_our_label(lab, kind):
    """A container that carries our label and nothing else does not stop the start."""
    name = f"labelled-{uuid.uuid4()}"
    label = f"io.cri-containerd.kind={kind}"
    await asyncio.to_thread(lab.containerd.ctr, "containers", "create", "--label", label, lab.busybox, name, "true")
    await restart(lab)
    pod = await run_pod(lab)
    await pod.remove()
    await asyncio.to_thread(remove_by_hand, lab, name)


async def test_rubbish_in_the_directories(lab):
    """Directories without a container are cleared away; files in their place, and odd names, do no harm."""
    orphaned_id = "a" * 64

    def spoil():
        for base in (lab.bridge.root, lab.bridge.state):
            for kind in ("sandboxes", "containers"):
                (base / kind).mkdir(parents=True, exist_ok=True)
                (base / kind / orphaned_id).mkdir()
                (base / kind / orphaned_id / "file").write_text("rubbish")

    await restart(lab, spoil)
    deadline = asyncio.get_running_loop().time() + 5
    while list(lab.bridge.directory.rglob(orphaned_id)):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)


async def test_missing_directories(lab):
    """A state directory that is gone, as after a reboot, is made again."""

    def spoil():
        shutil.rmtree(lab.bridge.state)
        shutil.rmtree(lab.bridge.root)

    await restart(lab, spoil)
    pod = await run_pod(lab)
    assert await pod.output("echo works") == "works"
    await pod.remove()


def remove_by_hand(lab, id_):
    """Delete a container, its task and its snapshot with containerd's own client, as an operator would."""
    for command in (("tasks", "delete", "--force"), ("containers", "delete"), ("snapshots", "remove")):
        try:
            lab.containerd.ctr(*command, id_)
        except LabError as error:
            if "not found" not in str(error) and "does not exist" not in str(error):
                raise
    for base in (lab.bridge.root, lab.bridge.state):
        shutil.rmtree(base / "containers" / id_, ignore_errors=True)


async def test_labels_and_names_that_are_no_text(lab):
    """One byte that is not UTF-8, in what another client stored, spoils no list, no start of the daemon, no removal.

    containerd up to 1.6 stores whatever it is given; from 1.7 on it refuses such bytes itself.
    """

    async def ctr(*command):
        run = ["ctr", "--address", lab.containerd.address, "--namespace", "k8s.io", *command]
        done = await asyncio.to_thread(subprocess.run, run, check=False, capture_output=True)
        refused = b"UTF-8" in done.stderr or b"not found" in done.stderr
        assert done.returncode == 0 or refused, done.stderr

    pod = await run_pod(lab)
    container = await pod.start()
    await ctr("images", "label", lab.busybox, b"v=\xff")
    await ctr("images", "tag", lab.busybox, b"127.0.0.1/\xff:1")
    await ctr("containers", "label", container.id, b"v=\xff")
    await ctr("containers", "label", pod.id, b"\xff=v")
    await ctr("snapshots", "label", container.id, b"v=\xff")
    await ctr("leases", "create", "--id", "spoiled", b"v=\xff")
    try:
        await restart(lab)
        assert list(await containers_by_id(lab)) == [container.id]
        assert lab.busybox in {tag for image in (await lab.client.ListImages()).images for tag in image.repo_tags}
        assert (await lab.client.Status()).status.conditions[0].status
        another = await pod.start(name="another")
        assert await another.output("echo works") == "works"
        await pod.remove()
    finally:
        await ctr("images", "label", lab.busybox, "v=")
        await ctr("images", "rm", b"127.0.0.1/\xff:1")
        await ctr("leases", "delete", "spoiled")
