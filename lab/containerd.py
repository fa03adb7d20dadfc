"""Run a private containerd: root, state, socket and configuration below one directory, with or without its CRI plugin.

With the plugin it is the reference for the daemon; without it, the daemon runs in front of it. It shares only one thing
with others: /run/containerd/s, where shims put their sockets whatever the configuration says.

It is the installed containerd, or the one in the folder that the environment variable CONTAINERD_BINARIES names: any
version from 1.6 on, with its shims (see :mod:`lab.debian.containerd_versions`).
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
from lab.debian import oci_runtimes
from lab.patience import patient
from lab.processes import Daemon, LabError, command_lines, kill_and_wait

CAP_SYS_RESOURCE = 24
PAUSE_SECONDS = 0.05


def binaries_named() -> Path | None:
    """Return the folder that CONTAINERD_BINARIES names."""
    named = os.environ.get("CONTAINERD_BINARIES")
    return Path(named) if named else None


def may_lower_oom_score() -> bool:
    """Return whether this process may lower an oom_score_adj (CAP_SYS_RESOURCE); runc needs that for a pod sandbox."""
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
    """One containerd. ``cri`` holds keys for the plugin's section, named as in 1.6 and 1.7.

    ``plugins`` are sections of other plugins, ``disabled`` plugins that are off beside those that no lab needs.

    ``spans_to`` is the URL of a collector that gets its spans (1.7 and later) within a fraction of a second.
    """

    directory: Path
    cri_plugin: bool
    cni_conf_dir: Path | None = None
    sandbox_image: str = ""
    registry_hosts_dir: Path | None = None
    binaries: Path | None = field(default_factory=binaries_named)
    cri: dict[str, Any] = field(default_factory=dict)
    plugins: dict[str, Any] = field(default_factory=dict)
    disabled: tuple[str, ...] = ()
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
        """The path of the socket."""
        return str(self.directory / "c.sock")

    @property
    def endpoint(self) -> str:
        """The CRI endpoint of the plugin."""
        return f"unix://{self.address}"

    @property
    def root(self) -> Path:
        """The directory of what survives a reboot."""
        return self.directory / "root"

    @property
    def state(self) -> Path:
        """The directory of what does not survive a reboot."""
        return self.directory / "state"

    @property
    def log(self) -> str:
        """Return what it has printed so far."""
        return self.daemon.log.read_text(errors="replace")

    def start(self) -> None:
        """Write the configuration, start containerd, and wait until it answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "config.toml").write_text(toml(self.configuration()))
        self.daemon.start(self._answers)

    def restart(self, away: float = 0) -> None:
        """Stop it, wait for ``away`` seconds, start it again. Shims and containers keep running."""
        self.daemon.stop()
        time.sleep(away)
        self.start()

    def kill9(self) -> None:
        """Kill it, as a power cut would."""
        self.daemon.kill9()

    def stop(self) -> None:
        """Stop it, its remaining shims with their containers, and the mounts below its directory."""
        with contextlib.suppress(LabError):
            self.daemon.stop()
        for pid, arguments in self.shims():
            self._end_shim(pid, arguments)
        unmount_below(self.directory)

    def shims(self) -> list[tuple[int, list[str]]]:
        """Return the process id and arguments of the shims that serve this socket."""
        return [
            (pid, arguments)
            for pid, arguments in command_lines()
            if "containerd-shim" in arguments[0] and f"-address\0{self.address}\0" in "\0".join((*arguments, ""))
        ]

    def ctr(self, *arguments: str, namespace: str = "k8s.io") -> str:
        """Run containerd's own command line client; raises :class:`LabError` with its error."""
        command = ["ctr", "--address", self.address, "--namespace", namespace, *arguments]
        environment = {**os.environ, **self.daemon.environment}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=patient(60), check=False, env=environment
        )
        if done.returncode:
            raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    @property
    def version(self) -> tuple[int, ...]:
        """Return the major, minor and patch number of the program; raises :class:`LabError` without them."""
        printed = subprocess.run([self.daemon.command[0], "--version"], capture_output=True, text=True, check=False)
        numbers = re.search(r" v?(\d+)\.(\d+)\.(\d+)", printed.stdout)
        if numbers is None:
            raise LabError(f"{self.daemon.command[0]} --version: {printed.stdout}{printed.stderr}")
        return tuple(map(int, numbers.groups()))

    def configuration(self) -> dict[str, Any]:
        """Return the configuration as nested tables, in the form of this version."""
        section = self._plugin_section() if self.cri_plugin else None
        tables = configuration(self.version, self.directory, self.address, section)
        tables["plugins"] |= self.plugins
        tables["disabled_plugins"] += self.disabled
        return tables

    def _plugin_section(self) -> dict[str, Any]:
        runc = {
            "runtime_type": "io.containerd.runc.v2",
            "options": {
                "SystemdCgroup": cgroup_driver.by_systemd(),
                "Root": str(self.directory / "runc"),
                **oci_runtimes.options(),
            },
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
        """End a shim, the processes it started, and its socket, which is outside of our directory."""
        values = dict(zip(arguments[1::2], arguments[2::2], strict=False))
        for child in children(pid):
            kill_and_wait(child)
        kill_and_wait(pid)
        name = hashlib.sha256(os.path.join(self.address, values["-namespace"], values["-id"]).encode()).hexdigest()
        Path("/run/containerd/s", name).unlink(missing_ok=True)


def children(pid: int) -> list[int]:
    """Return the process ids of the children."""
    pids: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            pids += map(int, (task / "children").read_text().split())
    return pids


def mounts_below(directory: Path) -> list[str]:
    """Return the mount points at or below a directory, deepest first."""
    inside = f"{directory}/"
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted((point for point in points if point.startswith(inside) or point == str(directory)), reverse=True)


def unmount_below(directory: Path) -> None:
    """Unmount everything below a directory; raises :class:`LabError` when something stays mounted."""
    for _ in range(3):
        for point in mounts_below(directory):
            subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
        if not mounts_below(directory):
            return
        time.sleep(PAUSE_SECONDS)
    raise LabError(f"still mounted below {directory}: {mounts_below(directory)}")
