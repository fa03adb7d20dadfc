"""Run the daemon under test, `cri-shim serve`, with root, state, socket and configuration below one directory."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab import cgroup_driver
from lab.containerd import may_lower_oom_score, toml, unmount_below
from lab.debian import oci_runtimes
from lab.patience import patient
from lab.processes import Daemon, LabError

CHECKOUT = Path(__file__).resolve().parents[1]


def interpreter_settings(checkout: Path = CHECKOUT) -> dict[str, str]:
    """Return the environment that the systemd unit gives Python: the daemon is tested and measured as it is installed.

    The bytecode that Python compiles for these settings is kept in the checkout, even where Python may write none.
    """
    unit = checkout / "deploy" / "systemd" / "cri-shim.service"
    lines = unit.read_text(encoding="utf-8").splitlines()
    said = (line.removeprefix("Environment=") for line in lines if line.startswith("Environment=PYTHON"))
    settings = dict(each.split("=", 1) for each in said)
    return settings | {"PYTHONPYCACHEPREFIX": str(checkout / ".pycache"), "PYTHONDONTWRITEBYTECODE": ""}


def program() -> list[str]:
    """Return the daemon's command: the script beside this interpreter, or else the module."""
    script = Path(sys.executable).with_name("cri-shim")
    if script.exists():
        return [str(script)]
    path = shutil.which("cri-shim")
    return [path] if path else [sys.executable, "-m", "cri_shim.cli"]


@dataclass(slots=True)
class Bridge:
    """One cri-shim in front of one containerd. ``settings`` are configuration keys that a test sets."""

    directory: Path
    containerd_address: str
    cni_conf_dir: Path
    cni_cache_dir: Path
    sandbox_image: str
    registry_hosts_dir: Path
    settings: dict[str, Any] = field(default_factory=dict)
    runc_root: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    daemon: Daemon = field(init=False)

    def __post_init__(self) -> None:
        """Lay out the paths; nothing is started."""
        self.environment = {**interpreter_settings(), **self.environment}
        command = [*program(), "serve", "--config", str(self.config_file)]
        self.daemon = Daemon("cri-shim", command, self.directory / "cri-shim.log", self.environment)

    @property
    def config_file(self) -> Path:
        """The path of its configuration."""
        return self.directory / "cri-shim.toml"

    @property
    def socket(self) -> Path:
        """The path of its socket."""
        return self.directory / "cri-shim.sock"

    @property
    def endpoint(self) -> str:
        """The CRI endpoint that it serves."""
        return f"unix://{self.socket}"

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

    def start(self, seconds: float = 30) -> None:
        """Write the configuration, start the daemon, and wait until it serves."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text(toml(self.configuration()))
        self.daemon.start(self.answers, seconds)

    def stop(self) -> int:
        """Send SIGTERM and return the exit code, which is 0 when all is well. Pods keep running."""
        return self.daemon.stop()

    def kill9(self) -> None:
        """Kill it, as a crash would."""
        self.daemon.kill9()

    def restart(self, away: float = 0) -> None:
        """Stop it, wait for ``away`` seconds, start it again."""
        if code := self.stop():
            raise LabError(f"cri-shim ended with {code} at SIGTERM\n{self.daemon.tail()}")
        time.sleep(away)
        self.start()

    def clean(self) -> None:
        """Stop it if it runs, and unmount what is left below its directory."""
        with contextlib.suppress(LabError):
            self.daemon.stop(10)
        unmount_below(self.directory)

    def rss_kib(self) -> int:
        """Return its resident memory in KiB."""
        return self.daemon.rss_kib()

    def configuration(self) -> dict[str, Any]:
        """Return the configuration as nested tables."""
        options: dict[str, Any] = {"SystemdCgroup": cgroup_driver.by_systemd(), **oci_runtimes.options()}
        if self.runc_root is not None:
            options["Root"] = str(self.runc_root)
        runc = {"runtime_type": "io.containerd.runc.v2", "options": options}
        base: dict[str, Any] = {
            "root": str(self.root),
            "state": str(self.state),
            "socket_path": str(self.socket),
            "http": {"address": "127.0.0.1:0"},
            "image": {
                "sandbox_image": self.sandbox_image,
                "registry": {"config_path": str(self.registry_hosts_dir)},
            },
            "runtime": {
                "restrict_oom_score_adj": not may_lower_oom_score(),
                "netns_mounts_under_state_dir": True,
            },
            "containerd": {"address": self.containerd_address, "snapshotter": "overlayfs", "runtimes": {"runc": runc}},
            "cni": {
                "bin_dir": "/usr/lib/cni",
                "conf_dir": str(self.cni_conf_dir),
                "cache_dir": str(self.cni_cache_dir),
            },
        }
        return merged(base, self.settings)

    def answers(self) -> bool:
        """Return whether it answers a request that needs the result of recovery."""
        if not self.socket.exists():
            return False
        options = (("grpc.default_authority", "localhost"), ("grpc.use_local_subchannel_pool", 1))
        with grpc.insecure_channel(self.endpoint, options=options) as channel:
            call = channel.unary_unary(
                "/runtime.v1.RuntimeService/ListPodSandbox",
                request_serializer=cri.ListPodSandboxRequest.SerializeToString,
                response_deserializer=cri.ListPodSandboxResponse.FromString,
            )
            with contextlib.suppress(grpc.RpcError):
                call(cri.ListPodSandboxRequest(), timeout=patient(2))
                return True
        return False


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return one nested table overlaid with another."""
    result = dict(base)
    for key, value in more.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
