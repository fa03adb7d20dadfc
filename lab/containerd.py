"""A containerd of one's own: root, state, socket and configuration below one directory, with or without its CRI plugin.

With the plugin it is the reference that the daemon is compared with; without, it is what the daemon stands in front of.
The one thing it shares with others is /run/containerd/s, where shims put their sockets whatever the configuration says.

It is the installed one, or that of the folder that the environment variable CONTAINERD_BINARIES names: any version
from 1.6 on, with its shims (see :mod:`lab.containerd_versions`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import cgroup_driver
from lab.containerd_config import configuration, spans_environment
from lab.processes import Daemon, LabError, command_lines, kill_and_wait

CAP_SYS_RESOURCE = 24
PAUSE_SECONDS = 0.05


def binaries_named() -> Path | None:
    """The folder that CONTAINERD_BINARIES names."""
    named = os.environ.get("CONTAINERD_BINARIES")
    return Path(named) if named else None


def may_lower_oom_score() -> bool:
    """Whether this process may lower an oom_score_adj (CAP_SYS_RESOURCE), without which runc dies on a pod sandbox."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1)
    return False


def toml(table: dict[str, Any], path: str = "") -> str:
    """Render nested dicts of strings, numbers, booleans and lists as TOML."""
    lines = [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, dict)]
    text = f"[{path}]\n" if path and (lines or not table) else ""
    text += "".join(f"{line}\n" for line in lines)
    for key, value in table.items():
        if isinstance(value, dict):
            text += toml(value, f"{path}.{json.dumps(key)}" if path else json.dumps(key))
    return text


@dataclass(slots=True)
class PrivateContainerd:
    """One containerd. ``cri`` holds keys that a test wants in the plugin's section, as 1.6 and 1.7 name them.

    ``plugins`` are sections of other plugins.

    ``spans_to`` is the URL of a collector that it tells what it does (1.7 and later), within a fraction of a second.
    """

    directory: Path
    cri_plugin: bool
    cni_conf_dir: Path | None = None
    sandbox_image: str = ""
    registry_hosts_dir: Path | None = None
    binaries: Path | None = field(default_factory=binaries_named)
    cri: dict[str, Any] = field(default_factory=dict)
    plugins: dict[str, Any] = field(default_factory=dict)
    spans_to: str = ""
    daemon: Daemon = field(init=False)

    def __post_init__(self) -> None:
        """Lay out the paths; nothing is started."""
        environment = {"PATH": f"{self.binaries}:{os.environ['PATH']}"} if self.binaries else {}
        environment |= spans_environment(self.spans_to)
        program = self.binaries / "containerd" if self.binaries else shutil.which("containerd") or "containerd"
        command = [str(program), "--config", str(self.directory / "config.toml")]
        self.daemon = Daemon("containerd", command, self.directory / "containerd.log", environment)

    @property
    def address(self) -> str:
        """Path of the socket."""
        return str(self.directory / "c.sock")

    @property
    def endpoint(self) -> str:
        """The CRI endpoint of the plugin."""
        return f"unix://{self.address}"

    @property
    def root(self) -> Path:
        """Where containerd keeps what survives a reboot."""
        return self.directory / "root"

    @property
    def state(self) -> Path:
        """Where containerd keeps what does not."""
        return self.directory / "state"

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self.daemon.log.read_text(errors="replace")

    def start(self) -> None:
        """Write the configuration, start it and wait until it answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "config.toml").write_text(toml(self.configuration()))
        self.daemon.start(self._answers)

    def restart(self, away: float = 0) -> None:
        """End it in peace, leave it away for some seconds, start it again. Shims and containers keep running."""
        self.daemon.stop()
        time.sleep(away)
        self.start()

    def kill9(self) -> None:
        """End it like a power cut would."""
        self.daemon.kill9()

    def stop(self) -> None:
        """End it, its left-over shims with their containers, and the mounts below its directory."""
        with contextlib.suppress(LabError):
            self.daemon.stop()
        for pid, arguments in self.shims():
            self._end_shim(pid, arguments)
        unmount_below(self.directory)

    def shims(self) -> list[tuple[int, list[str]]]:
        """Process id and arguments of the shims that serve this socket."""
        return [
            (pid, arguments)
            for pid, arguments in command_lines()
            if "containerd-shim" in arguments[0] and f"-address\0{self.address}\0" in "\0".join((*arguments, ""))
        ]

    def ctr(self, *arguments: str, namespace: str = "k8s.io") -> str:
        """Ask containerd with its own command line client; raises :class:`LabError` with what it said."""
        command = ["ctr", "--address", self.address, "--namespace", namespace, *arguments]
        environment = {**os.environ, **self.daemon.environment}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
        if done.returncode:
            raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    @property
    def version(self) -> tuple[int, ...]:
        """Major, minor and patch number of the program; raises :class:`LabError` when it does not tell."""
        printed = subprocess.run([self.daemon.command[0], "--version"], capture_output=True, text=True, check=False)
        numbers = re.search(r" v?(\d+)\.(\d+)\.(\d+)", printed.stdout)
        if numbers is None:
            raise LabError(f"{self.daemon.command[0]} --version: {printed.stdout}{printed.stderr}")
        return tuple(map(int, numbers.groups()))

    def configuration(self) -> dict[str, Any]:
        """The configuration as nested tables, in the form of this version."""
        section = self._plugin_section() if self.cri_plugin else None
        tables = configuration(self.version, self.directory, self.address, section)
        tables["plugins"] |= self.plugins
        return tables

    def _plugin_section(self) -> dict[str, Any]:
        runc = {
            "runtime_type": "io.containerd.runc.v2",
            "options": {"SystemdCgroup": cgroup_driver.by_systemd(), "Root": str(self.directory / "runc")},
        }
        section: dict[str, Any] = {
            "sandbox_image": self.sandbox_image,
            "restrict_oom_score_adj": not may_lower_oom_score(),
            "netns_mounts_under_state_dir": True,
            "stream_server_address": "127.0.0.1",
            "stream_server_port": "0",
            "cni": {"bin_dir": "/usr/lib/cni", "conf_dir": str(self.cni_conf_dir)},
            "containerd": {"snapshotter": "overlayfs", "runtimes": {"runc": runc}},
        }
        if self.registry_hosts_dir is not None:
            section["registry"] = {"config_path": str(self.registry_hosts_dir)}
        return section | self.cri

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(self.address)
            plugin_ready = "containerd successfully booted" in self.log
            return plugin_ready and self._booted()
        return False

    def _booted(self) -> bool:
        with contextlib.suppress(LabError):
            return bool(self.ctr("version"))
        return False

    def _end_shim(self, pid: int, arguments: list[str]) -> None:
        """End a shim, the processes it started, and its socket, which is outside our directory."""
        values = dict(zip(arguments[1::2], arguments[2::2], strict=False))
        for child in children(pid):
            kill_and_wait(child)
        kill_and_wait(pid)
        name = hashlib.sha256(os.path.join(self.address, values["-namespace"], values["-id"]).encode()).hexdigest()
        Path("/run/containerd/s", name).unlink(missing_ok=True)


def children(pid: int) -> list[int]:
    """Process ids of the children."""
    pids: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            pids += map(int, (task / "children").read_text().split())
    return pids


def mounts_below(directory: Path) -> list[str]:
    """Mount points at or below a directory, deepest first."""
    inside = f"{directory}/"
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted((point for point in points if point.startswith(inside) or point == str(directory)), reverse=True)


def unmount_below(directory: Path) -> None:
    """Unmount everything below a directory; raises :class:`LabError` when something stays."""
    for _ in range(3):
        for point in mounts_below(directory):
            subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
        if not mounts_below(directory):
            return
        time.sleep(PAUSE_SECONDS)
    raise LabError(f"still mounted below {directory}: {mounts_below(directory)}")
