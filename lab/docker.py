"""Run a private Docker Engine in front of a containerd that something else uses, too, as Debian's package does.

Root, state, socket and configuration are below one directory. Its containers have no network: the engine makes no
bridge and no rules on this machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab import cgroup_driver
from lab.containerd import unmount_below
from lab.debian import docker_engine
from lab.processes import Daemon, LabError

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACE = "moby"
"""The namespace of containerd in which the engine works."""


@dataclass(slots=True)
class DockerEngine:
    """One engine; raises :class:`~lab.debian.packages.NotAvailableError` where there is none to be had."""

    directory: Path
    containerd_address: str
    cgroup_parent: str
    more: dict[str, str] = field(default_factory=dict)
    """Further options of dockerd, by name."""
    daemon: Daemon = field(init=False)
    _environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Look for its programs and lay out the paths; nothing is started."""
        path = ":".join([*map(str, docker_engine.folders()), os.environ["PATH"]])
        self._environment = {"PATH": path, "DOCKER_HOST": self.host, "DOCKER_CONFIG": str(self.directory / "client")}
        options = {
            "config-file": self.directory / "daemon.json",
            "data-root": self.directory / "data",
            "exec-root": self.directory / "exec",
            "pidfile": self.directory / "docker.pid",
            "host": self.host,
            "containerd": self.containerd_address,
            "bridge": "none",
            "iptables": "false",
            "ip6tables": "false",
            "ip-forward": "false",
            "ip-masq": "false",
            "userland-proxy": "false",
            "storage-driver": "overlay2",
            "exec-opt": f"native.cgroupdriver={'systemd' if cgroup_driver.by_systemd() else 'cgroupfs'}",
            "cgroup-parent": self.cgroup_parent,
            **self.more,
        }
        command = ["dockerd", *(f"--{name}={value}" for name, value in options.items())]
        self.daemon = Daemon("dockerd", command, self.directory / "dockerd.log", self._environment)

    @property
    def host(self) -> str:
        """What a client connects to."""
        return f"unix://{self.directory / 'docker.sock'}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "daemon.json").write_text("{}\n")
        self.daemon.start(self._answers, 60)

    def docker(self, *arguments: str) -> str:
        """Run Docker's command line client and return what it printed; raises :class:`LabError` with its error."""
        done = subprocess.run(
            ["docker", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, **self._environment},
        )
        if done.returncode:
            raise LabError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()

    @property
    def program(self) -> str:
        """The path of the command line client."""
        return shutil.which("docker", path=self._environment["PATH"]) or "docker"

    def remove_containers(self) -> None:
        """End and remove all containers; raises :class:`LabError` with the engine's error."""
        if ids := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", *ids)

    def stop(self) -> None:
        """Remove its containers, and stop it."""
        with contextlib.suppress(LabError, subprocess.TimeoutExpired):
            self.remove_containers()
        with contextlib.suppress(LabError):
            self.daemon.stop()
        unmount_below(self.directory)

    def _answers(self) -> bool:
        with contextlib.suppress(LabError):
            return bool(self.docker("version", "--format", "{{.Server.Version}}"))
        return False
