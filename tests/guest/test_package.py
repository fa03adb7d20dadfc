"""The life of the Debian package on a node with a pod in it: the tests are its steps and run in this order.

A container prints a line every tenth of a second from the beginning to the end. Whatever is done with the package, its
process is the same, and each of its lines is in the log once.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cri_shim
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cni import PodNetwork
from lab.containerd import toml
from lab.cri_client import CriClient
from lab.lab import push_images
from lab.patience import patient
from lab.pod_configs import sh
from lab.pods import Container, Pod
from lab.registry import Registry
from tests.guest.installed import UNIT, allowed, connected, journal, shown, systemctl
from tests.guest.packages import NEWER

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.root,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not allowed(), reason="installs packages on a machine of its own: make test-guest"),
]
PACKAGES = Path("/opt/packages")
PROGRAM = "/usr/bin/cri-shim"
LINK = Path(f"/etc/systemd/system/multi-user.target.wants/{UNIT}")
DROP_IN = Path("/etc/systemd/system/containerd.service.d/10-cri-shim.conf")
COUNT = sh("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done")
SECONDS = patient(80)


@dataclass(slots=True)
class Node:
    """The machine, and its pod once there is one."""

    image: str
    logs: Path
    container: Container | None = None
    process: int = 0

    @property
    def counting(self) -> Container:
        """The container that counts."""
        assert self.container is not None
        return self.container


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with containerd, a network and a configuration, on which nothing else is done by hand."""
    directory = tmp_path_factory.mktemp("node")
    network = PodNetwork.write(directory / "cni")
    shutil.copytree(network.conf_dir, "/etc/cni/net.d", dirs_exist_ok=True)
    with Registry.start(directory / "registry") as registry:
        push_images(registry)
        Path("/etc/cri-shim").mkdir(exist_ok=True)
        handler = {"runtime_type": "io.containerd.runc.v2", "options": {"SystemdCgroup": True}}
        settings = {
            "image": {"sandbox_image": f"{registry.address}/pause:1"},
            "containerd": {"runtimes": {"runc": handler}},
        }
        Path("/etc/cri-shim/config.toml").write_text(toml(settings))
        systemctl("start", "containerd")
        yield Node(f"{registry.address}/busybox:1", directory)


def run(*command: str) -> str:
    """What a command says; it must succeed."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}\n{journal()[-3000:]}"
    return done.stdout


def install(version: str) -> str:
    """Install the package of a version; return what was said."""
    (package,) = PACKAGES.glob(f"cri-shim_{version}-*.deb")
    return run("dpkg", "--install", str(package))


def is_active() -> bool:
    return shown("ActiveState") == "active"


def daemon() -> int:
    """The process id of the daemon; 0 when it does not run."""
    return int(shown("MainPID"))


def files_of_the_program() -> list[str]:
    """What is on the node that has its name, but for dpkg's notes and the disk with the tests."""
    paths = run("find", "/etc", "/usr", "/lib/systemd", "/var", "/run", "-xdev", "-name", "*cri-shim*", "-print")
    return [path for path in paths.splitlines() if not path.startswith(("/var/lib/dpkg/", "/run/results"))]


async def runs_on(node: Node) -> None:
    """The container's process is the one from the beginning, more lines come, and none is missing."""
    before = len(node.counting.entries())
    async with asyncio.timeout(SECONDS):
        while len(node.counting.entries()) < before + 10:
            await asyncio.sleep(0.2)
    assert Path(f"/proc/{node.process}").exists()
    numbers = [int(entry.content.split()[1]) for entry in node.counting.entries()]
    assert numbers == list(range(1, len(numbers) + 1))


async def answers_with_the_same_pod(node: Node) -> None:
    """The daemon that runs now has the container, with the same process."""
    run(PROGRAM, "status", "--wait", str(round(patient(24))))
    async with connected() as client:
        answer = await client.ContainerStatus(container_id=node.counting.id, verbose=True)
    assert answer.status.state == cri.CONTAINER_RUNNING
    assert json.loads(answer.info["info"])["pid"] == node.process
    await runs_on(node)


async def test_installed_and_nothing_else(node):
    """The unit is there and neither enabled nor started; containerd is as it was."""
    containerd = shown("MainPID", "containerd.service")
    said = await asyncio.to_thread(install, cri_shim.__version__)
    assert "changes nothing on this node until you run: cri-shim setup" in said
    assert (shown("UnitFileState"), shown("ActiveState")) == ("disabled", "inactive")
    assert not LINK.exists()
    assert not DROP_IN.exists()
    assert shown("MainPID", "containerd.service") == containerd
    assert run(PROGRAM, "--version").startswith(f"cri-shim {cri_shim.__version__} ")


async def test_set_up_and_a_pod(node):
    """The set-up takes the unit of the package, and a pod starts."""
    said = await asyncio.to_thread(run, PROGRAM, "setup", "--yes")
    assert f"/etc/systemd/system/{UNIT}" not in said
    assert shown("FragmentPath") == f"/lib/systemd/system/{UNIT}"
    await asyncio.to_thread(run, PROGRAM, "status", "--wait", str(round(patient(24))))
    async with connected() as client:
        await client.PullImage(image={"image": node.image})
        pod = await Pod.run(client, node.image, log_directory=node.logs, cgroup_parent="system.slice")
        node.container = await pod.start(command=COUNT)
        answer = await client.ContainerStatus(container_id=node.container.id, verbose=True)
    node.process = json.loads(answer.info["info"])["pid"]
    await runs_on(node)


@pytest.mark.parametrize("version", [NEWER, cri_shim.__version__], ids=["upgrade", "downgrade"])
async def test_another_version(node, version):
    """The daemon is restarted by the package, once it is there; the pod does not notice."""
    before = daemon()
    await asyncio.to_thread(install, version)
    assert daemon() not in {0, before}
    assert is_active()
    assert run(PROGRAM, "--version").startswith(f"cri-shim {version} ")
    async with connected() as client:
        assert (await client.Version()).runtime_version == version
    await answers_with_the_same_pod(node)


async def test_removed(node):
    """The daemon ends and the pod stays; the package says so, and what to do."""
    said = await asyncio.to_thread(run, "dpkg", "--remove", "cri-shim")
    assert "pods keep running" in said
    assert "run: cri-shim wipe --yes" in said
    assert "run: cri-shim setup --undo" in said
    assert shown("ActiveState") == "inactive"
    assert not Path(PROGRAM).exists()
    assert not Path("/usr/lib/cri-shim").exists()
    assert Path(f"/proc/{node.process}").exists()


async def test_installed_again(node):
    """The unit was enabled by the set-up, so the daemon starts, and has the pod with all its lines."""
    await asyncio.to_thread(install, cri_shim.__version__)
    assert is_active()
    await answers_with_the_same_pod(node)


async def test_purged_under_a_pod(node):
    """The pod stays with all that it needs, and what the set-up wrote; the caches and the unit's link go."""
    said = await asyncio.to_thread(run, "dpkg", "--purge", "cri-shim")
    assert "pods keep running" in said
    assert Path(f"/proc/{node.process}").exists()
    assert Path("/var/lib/cri-shim/containers", node.counting.id).is_dir()
    assert Path("/etc/cri-shim/config.toml").exists()
    assert DROP_IN.exists()
    assert not Path("/var/cache/cri-shim").exists()
    assert not os.path.lexists(LINK)


async def test_back_after_a_purge(node):
    """Nothing is enabled any more, so the set-up has to be run again; then the pod is there."""
    await asyncio.to_thread(install, cri_shim.__version__)
    assert not is_active()
    await asyncio.to_thread(run, PROGRAM, "setup", "--yes")
    await answers_with_the_same_pod(node)


async def test_purged_as_the_documentation_says(node):
    """After wipe and the undo of the set-up, nothing of the program is left, and containerd has its CRI plugin."""
    await asyncio.to_thread(systemctl, "stop", UNIT)
    await asyncio.to_thread(run, PROGRAM, "wipe", "--yes")
    assert not Path(f"/proc/{node.process}").exists()
    await asyncio.to_thread(run, PROGRAM, "setup", "--undo", "--yes")
    said = await asyncio.to_thread(run, "dpkg", "--purge", "cri-shim")
    assert "cri-shim:" not in said
    assert files_of_the_program() == []
    assert shown("ActiveState", "containerd.service") == "active"
    async with CriClient("unix:///run/containerd/containerd.sock") as plugin:
        assert (await plugin.Version()).runtime_name == "containerd"
