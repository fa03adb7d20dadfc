"""Make the cgroups that a kubelet makes: one for all pods, one for each QoS class, one for each pod, with their limits.

A kubelet writes files where its driver is cgroupfs, and has systemd make transient slices where it is systemd
(StartTransientUnit, then SetUnitProperties). The runtime gets the pod's cgroup as ``cgroup_parent``, puts the
containers into it, and must leave its limits alone. (kubelet pkg/kubelet/cm: pod_container_manager_linux.go,
qos_container_manager_linux.go, cgroup_v2_manager_linux.go)
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cri_shim.bench.endpoint.cgroup_parents import for_driver, of_pod
from lab import cgroup_driver
from lab.patience import patient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALL: Final = "/kubepods"
CLASSES: Final = {"guaranteed": ALL, "burstable": f"{ALL}/burstable", "besteffort": f"{ALL}/besteffort"}
PERIOD_US: Final = 100_000
_MANAGER: Final = (
    *("busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"),
    "org.freedesktop.systemd1.Manager",
)
_CONTROLLERS: Final = "+cpu +memory +pids +io"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a kubelet sets at a cgroup of its own; 0 for what it does not limit."""

    weight: int = 1
    quota_us: int = 0
    memory: int = 0
    pids: int = 0

    def files(self) -> dict[str, str]:
        """Return them as cgroup v2 has them."""
        return {
            "cpu.weight": str(self.weight),
            "cpu.max": f"{self.quota_us or 'max'} {PERIOD_US}",
            "memory.max": str(self.memory or "max"),
            "pids.max": str(self.pids or "max"),
        }

    def properties(self) -> list[str]:
        """Return them as arguments of busctl: name, type and value of each property of a slice."""
        endless = str(2**64 - 1)
        quota = str(self.quota_us * 1_000_000 // PERIOD_US) if self.quota_us else endless
        return [
            *("CPUWeight", "t", str(self.weight)),
            *("CPUQuotaPerSecUSec", "t", quota),
            *("CPUQuotaPeriodUSec", "t", str(PERIOD_US)),
            *("MemoryMax", "t", str(self.memory) if self.memory else endless),
            *("TasksMax", "t", str(self.pids) if self.pids else endless),
        ]


_PROPERTIES: Final = len(Limits().properties()) // 3


@dataclass(frozen=True, slots=True)
class PodCgroup:
    """One cgroup of the kubelet; ``parent`` is its name in the form of the CRI."""

    parent: str

    @classmethod
    def of_class(cls, qos: str) -> PodCgroup:
        """Return the cgroup of a QoS class."""
        return cls(for_driver(CLASSES[qos], systemd=cgroup_driver.by_systemd()))

    @classmethod
    def of_pod(cls, qos: str, uid: str) -> PodCgroup:
        """Return the cgroup of a pod."""
        return cls(of_pod(cls.of_class(qos).parent, uid))

    @property
    def directory(self) -> Path:
        """The cgroup's directory."""
        return cgroup_driver.ROOT / self.parent.strip("/")

    @property
    def slice(self) -> str:
        """The name of its slice."""
        return self.parent.rpartition("/")[2]

    def leaf(self, id_: str) -> Path:
        """Return the directory of a container or of the pod's own process."""
        return self.directory / (f"cri-containerd-{id_}.scope" if cgroup_driver.by_systemd() else id_)

    def make(self, limits: Limits) -> None:
        """Make it with its limits, as the driver does."""
        if cgroup_driver.by_systemd():
            properties = [*limits.properties(), "DefaultDependencies", "b", "false"]
            _call("StartTransientUnit", "ssa(sv)a(sa(sv))", self.slice, "replace", _PROPERTIES + 1, *properties, 0)
            self._until(self.directory.is_dir)
            return
        above = cgroup_driver.ROOT
        for part in self.parent.strip("/").split("/"):
            (above / "cgroup.subtree_control").write_text(_CONTROLLERS)
            above /= part
            above.mkdir(exist_ok=True)
        (above / "cgroup.subtree_control").write_text(_CONTROLLERS)
        self.limit(limits)

    def limit(self, limits: Limits) -> None:
        """Change its limits, as for a resize in place."""
        if cgroup_driver.by_systemd():
            _call("SetUnitProperties", "sba(sv)", self.slice, "true", _PROPERTIES, *limits.properties())
            self._until(lambda: self.read() == limits)
            return
        for name, value in limits.files().items():
            (self.directory / name).write_text(value)

    def read(self) -> Limits:
        """Return the limits that the kernel has."""
        value = {name: (self.directory / name).read_text().split()[0] for name in Limits().files()}
        numbers = {name: 0 if word == "max" else int(word) for name, word in value.items()}
        return Limits(numbers["cpu.weight"], numbers["cpu.max"], numbers["memory.max"], numbers["pids.max"])

    def remove(self) -> None:
        """Remove it, as a kubelet does when all of a pod's containers are gone; raises OSError if it cannot."""
        if not self.directory.exists():
            return
        if cgroup_driver.by_systemd():
            subprocess.run(["systemctl", "stop", self.slice], check=True, capture_output=True)
        with contextlib.suppress(FileNotFoundError):
            self.directory.rmdir()

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + patient(10)
        while not condition():
            assert time.monotonic() < deadline, f"{self.parent} is not as wanted: {self.read()}"
            time.sleep(0.02)


def _call(method: str, signature: str, *arguments: object) -> None:
    words = [*_MANAGER, method, signature, *map(str, arguments)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stderr}"
