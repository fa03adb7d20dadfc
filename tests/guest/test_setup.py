"""`cri-shim setup` and its undo under a real systemd with a running pod; the tests are its steps, in this order."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cni import PodNetwork
from lab.cri_client import CriClient
from lab.patience import patient
from lab.pod_configs import sh
from lab.pods import Container, Pod
from lab.registry import Registry
from tests.guest.installed import LONGEST_SECONDS, SETTINGS, UNIT, UNITS, allowed, connected, shown, systemctl
from tests.install.stand_ins import BUSYBOX, push_images, write_hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.root,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not allowed(), reason="sets up a machine of its own: make test-guest"),
]
PROGRAM = Path("/usr/bin/cri-shim")
DROP_IN = UNITS / "containerd.service.d/10-cri-shim.conf"
WRITTEN = (SETTINGS / "config.toml", SETTINGS / "containerd.toml", DROP_IN, UNITS / UNIT, Path("/etc/crictl.yaml"))
SLICE = "kubepods-besteffort-podsetup.slice"
COUNT = sh("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done")


@dataclass(slots=True)
class Node:
    """The machine, and its container once there is one."""

    logs: Path
    container: Container | None = None
    process: int = 0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with containerd, a network and a registry, and nothing of the project but its program."""
    directory = tmp_path_factory.mktemp("node")
    subprocess.run(["systemctl", "disable", "--now", UNIT], capture_output=True, check=False)
    for path in (SETTINGS, UNITS / "containerd.service.d"):
        shutil.rmtree(path, ignore_errors=True)
    for path in (UNITS / UNIT, PROGRAM):
        path.unlink(missing_ok=True)
    PROGRAM.symlink_to(Path(sys.executable).with_name("cri-shim"))
    shutil.copytree(PodNetwork.write(directory / "cni").conf_dir, "/etc/cni/net.d", dirs_exist_ok=True)
    systemctl("daemon-reload")
    with Registry.start(directory / "registry") as registry:
        push_images(registry.address)
        write_hosts(Path("/"), registry.address)
        systemctl("restart", "containerd")
        yield Node(directory)
        systemctl("stop", "containerd")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    return subprocess.run(
        [str(PROGRAM), *arguments], capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
    )


def has_no_cri() -> bool:
    """Whether containerd runs without its CRI plugin."""
    return "/etc/cri-shim/containerd.toml" in shown("ExecStart", "containerd.service")


async def same_container(node: Node) -> None:
    """The daemon has the container that it had, with the same process, and every line of its log once."""
    assert node.container is not None
    async with connected() as client:
        answer = await client.ContainerStatus(container_id=node.container.id, verbose=True)
    assert answer.status.state == cri.CONTAINER_RUNNING
    assert json.loads(answer.info["info"])["pid"] == node.process
    count = len(node.container.entries())
    await node.container.logged(f"line {count + 5}", 60)
    numbers = [int(entry.content.split()[1]) for entry in node.container.entries()]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_dry_run(node: Node) -> None:
    """It shows every file and changes none."""
    done = await asyncio.to_thread(run, "setup", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(str(path) in done.stdout for path in WRITTEN)
    assert not any(path.exists() for path in WRITTEN)
    assert shown("ActiveState") == "inactive"


async def test_set_up(node: Node) -> None:
    """The daemon runs and starts with the machine, containerd has no CRI of its own, and a pod runs in its slice."""
    done = await asyncio.to_thread(run, "setup", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(path.exists() for path in WRITTEN)
    assert (shown("ActiveState"), shown("UnitFileState")) == ("active", "enabled")
    assert has_no_cri()
    assert "SystemdCgroup = true" in (SETTINGS / "config.toml").read_text()
    assert (await asyncio.to_thread(run, "status", "--wait", str(round(patient(24))))).returncode == 0
    async with connected() as client:
        await client.PullImage(image={"image": BUSYBOX})
        pod = await Pod.run(client, BUSYBOX, log_directory=node.logs, cgroup_parent=SLICE)
        node.container = await pod.start(command=COUNT)
        answer = await client.ContainerStatus(container_id=node.container.id, verbose=True)
    node.process = json.loads(answer.info["info"])["pid"]
    assert f"{SLICE}/cri-containerd-{node.container.id}.scope" in Path(f"/proc/{node.process}/cgroup").read_text()
    await same_container(node)


async def test_set_up_twice(node: Node) -> None:
    """The second time changes nothing, and restarts nothing."""
    before = [shown("MainPID", unit) for unit in (UNIT, "containerd.service")]
    contents = [path.read_bytes() for path in WRITTEN]
    done = await asyncio.to_thread(run, "setup", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [shown("MainPID", unit) for unit in (UNIT, "containerd.service")] == before
    assert [path.read_bytes() for path in WRITTEN] == contents
    await same_container(node)


async def test_undone_under_a_pod(node: Node) -> None:
    """Every file goes, containerd has its CRI again, and the pod's process does not notice."""
    done = await asyncio.to_thread(run, "setup", "--undo", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(path.exists() for path in WRITTEN)
    assert not has_no_cri()
    assert shown("ActiveState") == "inactive"
    assert Path(f"/proc/{node.process}").exists()
    async with CriClient("unix:///run/containerd/containerd.sock") as plugin:
        assert (await plugin.Version()).runtime_name == "containerd"


async def test_set_up_again(node: Node) -> None:
    """The daemon has the pod as it was, with all its lines."""
    done = await asyncio.to_thread(run, "setup", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (await asyncio.to_thread(run, "status", "--wait", str(round(patient(24))))).returncode == 0
    await same_container(node)


async def test_undone_when_the_pods_have_gone(node: Node) -> None:
    """Nothing of the set-up is left, and undoing it once more changes nothing."""
    async with connected() as client:
        for pod in (await client.ListPodSandbox()).items:
            await client.StopPodSandbox(pod_sandbox_id=pod.id)
            await client.RemovePodSandbox(pod_sandbox_id=pod.id)
    assert not Path(f"/proc/{node.process}").exists()
    assert (await asyncio.to_thread(run, "setup", "--undo", "--yes")).returncode == 0
    assert not any(path.exists() for path in WRITTEN)
    again = await asyncio.to_thread(run, "setup", "--undo", "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    assert not SETTINGS.exists()
