"""The two architectures whose programs are brought: Docker Engine with cri-dockerd, and cri-containerd of 2018."""

from __future__ import annotations

import json
import os
import shutil
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lab import cgroup_driver
from lab.cni import PodNetwork
from lab.containerd import PrivateContainerd
from lab.docker import DockerEngine
from lab.pod_starts.observed import Tapped, Taps
from lab.pod_starts.sides import TO_SHIM, Side, version_of
from lab.pod_starts.tap_cost import tap_cost_ms
from lab.processes import Daemon
from lab.registry import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.pod_starts.form import Step
    from lab.pod_starts.observed import Observed


@dataclass(slots=True)
class Brought(Side):
    """An architecture whose CRI server is a program that the caller names; taps stand before what it talks to."""

    program: Path = field(kw_only=True)
    runc: str = "runc"
    containerd: PrivateContainerd = field(init=False)
    front: Daemon = field(init=False)
    taps: Taps = field(init=False)
    _open: ExitStack = field(default_factory=ExitStack)

    def network(self, stack: ExitStack, **changes: object) -> PodNetwork:
        """Make the pod network, with what this side needs to be different in its configuration."""
        network = PodNetwork.write(self.directory / "cni")
        stack.callback(network.cleanup)
        conflist = network.conf_dir / "10-lab.conflist"
        conflist.write_text(json.dumps({**json.loads(conflist.read_text()), **changes}))
        return network

    def start_containerd(self, stack: ExitStack) -> None:
        """Start a containerd without its CRI plugin."""
        self.directory.mkdir(parents=True)
        self.directory.chmod(0o711)
        stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.containerd = PrivateContainerd(self.directory / "containerd", cri_plugin=False)
        stack.callback(self.containerd.stop)
        self.containerd.start()

    def start_taps(self, *taps: Tapped) -> None:
        """Stand between; :meth:`close_taps` reads what was noted, and ends every connection."""
        self.taps = Taps(taps)
        self._open.enter_context(self.taps)

    def close_taps(self) -> None:
        """Read what was noted."""
        self._open.close()

    def remarks(self) -> list[str]:
        """Return the notes, and what the taps add."""
        return [
            *self.notes,
            f"a tap makes each call {tap_cost_ms():.2f} ms longer, measured with calls that do nothing",
        ]

    def start_front(self, stack: ExitStack, command: list[str], at: Path) -> str:
        """Start the CRI server and return its endpoint."""
        log = self.directory.parent / f"{self.name}.log"
        path = f"{Path(self.runc).parent}:{os.environ['PATH']}" if "/" in self.runc else os.environ["PATH"]
        self.front = Daemon(self.program.name, [str(self.program), *command], log, {"PATH": path})
        stack.callback(self.front.stop)
        self.front.start(_answers(at), 60)
        return f"unix://{at}"


def _answers(path: Path) -> Callable[[], bool]:
    def ready() -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(path)) == 0

    return ready


@dataclass(slots=True)
class Docker(Brought):
    """Docker Engine behind cri-dockerd, which has become of dockershim what the kubelet no longer carries."""

    engine: DockerEngine = field(init=False)
    name: ClassVar[str] = "docker"
    title: ClassVar[str] = "Docker Engine behind cri-dockerd"
    notes: ClassVar[tuple[str, ...]] = (
        "cri-dockerd stands for dockershim: the same code was a part of the kubelet until Kubernetes 1.23",
        "containerd was started first, so that the way to it can be observed; without one, dockerd starts its own",
    )

    def serve(self, stack: ExitStack) -> str:
        """Start containerd, the engine and cri-dockerd, with a tap before the first two."""
        self.start_containerd(stack)
        network = self.network(stack)
        docker, to_docker, to_containerd = (self.directory / name for name in ("docker.sock", "d.tap", "c.tap"))
        options = {"add-runtime": f"named={shutil.which(self.runc)}", "default-runtime": "named"}
        parent = cgroup_driver.parent(self.directory.parent.name)
        self.start_taps(
            Tapped("cri-dockerd", "dockerd", str(to_docker), str(docker)),
            Tapped("dockerd", "containerd", str(to_containerd), self.containerd.address),
        )
        stack.callback(self.close_taps)
        self.engine = DockerEngine(self.directory, str(to_containerd), parent, options)
        stack.callback(self.engine.stop)
        self.engine.start()
        at = self.directory / "cri-dockerd.sock"
        command = [
            *("--container-runtime-endpoint", f"unix://{at}", "--docker-endpoint", f"unix://{to_docker}"),
            *("--cri-dockerd-root-directory", str(self.directory / "cri-dockerd"), "--network-plugin", "cni"),
            *("--cni-conf-dir", str(network.conf_dir), "--cni-bin-dir", "/usr/lib/cni"),
            *("--cni-cache-dir", str(network.cache_dir), "--pod-infra-container-image", f"{self.host}/pause:1"),
            *("--streaming-bind-addr", f"127.0.0.1:{free_port()}"),
        ]
        return self.start_front(stack, command, at)

    def daemons(self) -> dict[int, str]:
        """Return all three."""
        return {
            self.containerd.daemon.pid: "containerd",
            self.engine.daemon.pid: "dockerd",
            self.front.pid: "cri-dockerd",
        }

    def versions(self) -> dict[str, str]:
        """Return all four."""
        return {
            "cri-dockerd": version_of(str(self.program)),
            "Docker Engine": self.engine.docker("version", "--format", "{{.Server.Version}}"),
            "containerd": ".".join(map(str, self.containerd.version)),
            "runc": version_of("runc"),
        }

    def steps(self, observed: Observed) -> list[Step]:
        """Return requests, both kinds of calls, and programs."""
        tapped = [step for tap, its in self.taps.calls.items() for step in observed.of_calls(tap, its)]
        return observed.steps("cri-dockerd") + tapped


@dataclass(slots=True)
class Original(Brought):
    """The daemon of containerd 1.0, in front of a containerd of today, with the shims of its time."""

    version: str = ""
    name: ClassVar[str] = "cri-containerd"
    title: ClassVar[str] = "cri-containerd of 2018"
    not_observed: ClassVar[tuple[dict[str, str], ...]] = (TO_SHIM,)
    notes: ClassVar[tuple[str, ...]] = (
        "the containerd behind it is not of 2018; the shims are those of its time (one for each container)",
    )

    def serve(self, stack: ExitStack) -> str:
        """Start containerd and cri-containerd, with a tap between."""
        self.start_containerd(stack)
        network = self.network(stack, cniVersion="0.3.1")  # its library knows results up to this version
        tap, at = self.directory / "c.tap", self.directory / "cri.sock"
        self.start_taps(Tapped("cri-containerd", "containerd", str(tap), self.containerd.address))
        stack.callback(self.close_taps)
        config = self.directory / "config.toml"
        config.write_text(f"""socket_path = "{at}"
root_dir = "{self.directory}/root"
stream_server_address = "127.0.0.1"
stream_server_port = "{free_port()}"
sandbox_image = "{self.host}/pause:1"
oom_score = 0
profiling = false
skip_imagefs_uuid = true
[containerd]
  root_dir = "{self.containerd.root}"
  snapshotter = "overlayfs"
  endpoint = "{tap}"
  runtime = "io.containerd.runtime.v1.linux"
  runtime_engine = "{shutil.which(self.runc)}"
  runtime_root = "{self.directory}/runc"
[cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{network.conf_dir}"
""")
        return self.start_front(stack, ["--config", str(config), "--logtostderr"], at)

    def daemons(self) -> dict[int, str]:
        """Return both."""
        return {self.containerd.daemon.pid: "containerd", self.front.pid: "cri-containerd"}

    def versions(self) -> dict[str, str]:
        """Return containerd and runc; the daemon of that time answers no version of itself."""
        return {
            "cri-containerd": self.version or "not known",
            "containerd": ".".join(map(str, self.containerd.version)),
            "runc": version_of("runc"),
        }

    def steps(self, observed: Observed) -> list[Step]:
        """Return requests, calls and programs."""
        tapped = [step for tap, its in self.taps.calls.items() for step in observed.of_calls(tap, its)]
        return observed.steps("cri-containerd") + tapped
