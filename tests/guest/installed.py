"""The project installed on this very machine, with the shipped units, as docs/operating.md says: not a lab beside it.

Only for a machine that is thrown away: files in /etc and /usr are overwritten, the machine's containerd is restarted.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import grpc

from lab.cni import PodNetwork
from lab.containerd import toml
from lab.cri_client import CriClient
from lab.lab import push_images
from lab.patience import patient
from lab.registry import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

SHIPPED = Path(__file__).resolve().parents[2] / "deploy/systemd"
UNITS = Path("/etc/systemd/system")
SETTINGS = Path("/etc/cri-shim")
SOCKET = Path("/run/cri-shim/cri-shim.sock")
UNIT = "cri-shim.service"
LONGEST_SECONDS = patient(80)


def allowed() -> bool:
    """Whether this machine is ours to change: the guest says so to the tests in it."""
    return os.environ.get("LAB_OWNS_MACHINE") == "1" and Path("/run/systemd/system").is_dir()


@dataclass(slots=True)
class Installed:
    """The node. ``registry`` has the images of the lab."""

    registry: Registry

    @property
    def image(self) -> str:
        """The image for containers."""
        return f"{self.registry.address}/busybox:1"

    @property
    def pid(self) -> int:
        """The daemon's process id; 0 when it does not run."""
        return int(shown("MainPID"))

    def until(self, condition: Callable[[], bool], seconds: float = 24) -> None:
        """Wait for something to become true; raises :class:`AssertionError` with the journal's end when it does not."""
        deadline = time.monotonic() + patient(seconds)
        while not condition():
            assert time.monotonic() < deadline, f"not within {patient(seconds):g} s\n{journal()[-4000:]}"
            time.sleep(0.1)


@contextmanager
def installed() -> Iterator[Installed]:
    """Install, start, and take everything down again but the files."""
    with TemporaryDirectory(prefix="node-") as name:
        directory = Path(name)
        network = PodNetwork.write(directory / "cni")
        with Registry.start(directory / "registry") as registry:
            push_images(registry)
            copy_files(network, f"{registry.address}/pause:1")
            systemctl("daemon-reload")
            systemctl("restart", "containerd")
            systemctl("enable", "--now", UNIT)
            yield Installed(registry)
            systemctl("stop", UNIT, "containerd")


def copy_files(network: PodNetwork, pause: str) -> None:
    """Put program, configuration and units where they belong."""
    program = Path("/usr/bin/cri-shim")
    program.unlink(missing_ok=True)
    program.symlink_to(Path(sys.executable).with_name("cri-shim"))
    shutil.copytree(network.conf_dir, "/etc/cni/net.d", dirs_exist_ok=True)
    SETTINGS.mkdir(exist_ok=True)
    (SETTINGS / "config.toml").write_text(
        toml(
            {
                "image": {"sandbox_image": pause},
                "containerd": {
                    "runtimes": {
                        "runc": {"runtime_type": "io.containerd.runc.v2", "options": {"SystemdCgroup": True}},
                    }
                },
                "runtime": {"disable_hugetlb_controller": False},
                "cni": {"bin_dir": "/usr/lib/cni"},
            }
        )
    )
    shutil.copy(SHIPPED / "containerd-no-cri.toml", SETTINGS / "containerd.toml")
    shutil.copy(SHIPPED / "cri-shim.service", UNITS)
    shutil.copytree(SHIPPED / "containerd.service.d", UNITS / "containerd.service.d", dirs_exist_ok=True)


@asynccontextmanager
async def connected() -> AsyncIterator[CriClient]:
    """A client of the daemon that runs now, once it has answered it: on a busy machine, a first connection may fail."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while True:
        async with CriClient(f"unix://{SOCKET}") as client:
            try:
                await client.Version()
            except grpc.aio.AioRpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(1)
                continue
            yield client
            return


def systemctl(*arguments: str) -> str:
    """What systemctl prints; raises :class:`AssertionError` with the journal's end when it fails."""
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"systemctl {arguments}: {done.stderr}\n{journal()[-4000:]}"
    return done.stdout


def shown(name: str, unit: str = UNIT) -> str:
    """A property of a unit."""
    return systemctl("show", "--value", "--property", name, unit).strip()


def journal(*arguments: str) -> str:
    """What the daemon has said to the journal."""
    command = ["journalctl", "--no-pager", "--unit", UNIT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
