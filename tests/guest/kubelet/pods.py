"""Run pods as a kubelet runs them: one of each QoS class, in a cgroup that the kubelet has made, with its limits."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab.pods import Pod
from tests.guest.kubelet.pod_cgroups import PERIOD_US, Limits, PodCgroup

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.pods import Container

MIB: Final = 1 << 20
POD_PIDS: Final = 500
GROUP: Final = {"memory.oom.group": "1"}
"""A kubelet asks for this on cgroup v2, unless it is configured to have single processes killed."""


def weight(shares: int) -> int:
    """Return the cpu.weight of CPU shares, as the kubelet and runc before 1.3 convert it."""
    return 1 + (shares - 2) * 9999 // 262142


@dataclass(frozen=True, slots=True)
class Class:
    """A QoS class: what the pod's cgroup is limited to, and what a container of it asks for."""

    name: str
    pod: Limits
    shares: int
    quota_us: int
    memory: int
    score: int

    def resources(self, **changes: Any) -> dict[str, Any]:
        """Return a container's resources, with what a kubelet always sends."""
        memory = changes.pop("memory", self.memory)
        return {
            "cpu_shares": self.shares,
            "cpu_period": PERIOD_US,
            "cpu_quota": self.quota_us,
            "memory_limit_in_bytes": memory,
            "memory_swap_limit_in_bytes": memory,
            "oom_score_adj": self.score,
            "hugepage_limits": [{"page_size": "2MB", "limit": 0}],
            "unified": GROUP,
            **changes,
        }


GUARANTEED: Final = Class("guaranteed", Limits(weight(512), 50_000, 96 * MIB, POD_PIDS), 512, 50_000, 96 * MIB, -997)
BURSTABLE: Final = Class("burstable", Limits(weight(256), 0, 128 * MIB, POD_PIDS), 256, 0, 128 * MIB, 900)
BEST_EFFORT: Final = Class("besteffort", Limits(weight(2), 0, 0, POD_PIDS), 2, 0, 0, 1000)
CLASSES: Final = (GUARANTEED, BURSTABLE, BEST_EFFORT)
NODE: Final = {"guaranteed": Limits(weight(2048), 0, 1536 * MIB), "burstable": Limits(20), "besteffort": Limits(1)}
"""The limits of the cgroups above the pods'; that of the guaranteed pods is the one of all pods."""


@dataclass(frozen=True, slots=True)
class KubeletPod:
    """A pod with the cgroup that the kubelet has made for it."""

    qos: Class
    cgroup: PodCgroup
    pod: Pod

    @classmethod
    async def run(cls, lab: Lab, qos: Class, *, limits: Limits | None = None, uid: str = "") -> KubeletPod:
        """Make the cgroup, and run the pod in it; ``limits`` are the pod's, if not those of its class."""
        uid = uid or str(uuid.uuid4())
        cgroup = PodCgroup.of_pod(qos.name, uid)
        cgroup.make(limits or qos.pod)
        logs = Path(lab.logs, uid)
        logs.mkdir(exist_ok=True)
        of_pod = {
            "cpu_shares": qos.shares,
            "cpu_period": PERIOD_US,
            "cpu_quota": qos.quota_us,
            "memory_limit_in_bytes": (limits or qos.pod).memory,
        }
        pod = await Pod.run(
            lab.client,
            lab.busybox,
            uid=uid,
            log_directory=logs,
            cgroup_parent=cgroup.parent,
            linux_more={"resources": of_pod, "overhead": {}},
        )
        return cls(qos, cgroup, pod)

    async def start(self, command: tuple[str, ...], name: str = "", **changes: Any) -> Container:
        """Start a container with the resources of the pod's class, some of them changed."""
        attempt = changes.pop("attempt", 0)
        resources = self.qos.resources(**changes)
        return await self.pod.start(name, command=command, attempt=attempt, resources=resources)

    async def remove(self) -> None:
        """Stop and remove the pod, and then its cgroup, which must be empty."""
        await self.pod.remove()
        self.cgroup.remove()
