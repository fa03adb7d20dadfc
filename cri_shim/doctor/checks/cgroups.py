"""The cgroups of the node: their version, the controllers that pods need, and the driver that makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.files import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.config import Config
    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place
    from cri_shim.oci.node_facts import NodeFacts

VERSION_1 = Code(
    "cgroup-v1", "note", "the node uses cgroup v1, which kubelets from 1.35 on refuse", "the node uses cgroup v2"
)
CONTROLLER = Code(
    "cgroup-controller-missing",
    "error",
    "a controller that limits of pods need is missing",
    "the controllers that pods need are there",
)
DELEGATION = Code(
    "cgroup-controller-not-delegated",
    "error",
    "a controller cannot be delegated to the cgroups of pods",
    "the controllers can be delegated to the cgroups of pods",
)
NO_SYSTEMD = Code(
    "cgroup-driver-without-systemd",
    "error",
    "systemd is to make cgroups, and is not the node's service manager",
    "the configured cgroup driver is available",
)
TWO_MANAGERS = Code(
    "cgroup-two-managers",
    "warning",
    "systemd and cri-shim both make cgroups in one hierarchy",
    "one program makes cgroups",
)
MIXED = Code(
    "cgroup-drivers-mixed",
    "warning",
    "runtime handlers make cgroups differently",
    "all runtime handlers make cgroups in the same way",
)
CODES: Final = (VERSION_1, CONTROLLER, DELEGATION, NO_SYSTEMD, TWO_MANAGERS, MIXED)

_NEEDED: Final = ("cpu", "memory", "pids")
_NEEDED_V1: Final = (*_NEEDED, "cpuacct", "cpuset", "devices", "freezer")
_NEEDED_V2: Final = (*_NEEDED, "cpuset")


class CgroupRoot(Struct, frozen=True):
    """The root of cgroup v2: what it delegates, and whether it is the node's own root, which alone may hold processes.

    Both mean nothing on v1.
    """

    handed_on: frozenset[str] = frozenset()
    is_whole: bool = True
    has_processes: bool = False


def read_root(place: Place) -> CgroupRoot:
    """Read the root of cgroup v2. Blocks."""
    root = place.root / "sys/fs/cgroup"
    return CgroupRoot(
        frozenset((text_of(root / "cgroup.subtree_control") or "").split()),
        # Only a cgroup that is not the root has this file (cgroups(7)): in a container, the root is such a cgroup.
        text_of(root / "cgroup.type") is None,
        bool((text_of(root / "cgroup.procs") or "").strip()),
    )


def judge_controllers(node: NodeFacts, root: CgroupRoot) -> Iterator[Outcome]:
    """Report cgroup v1, missing controllers, and a root that cannot delegate them."""
    if not node.cgroup_v2:
        yield VERSION_1.report(
            "the node uses cgroup v1: kubelets from 1.35 on refuse it unless failCgroupV1 is false",
            "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line, or set failCgroupV1: false",
        )
        if missing := [name for name in _NEEDED_V1 if name not in node.controllers]:
            yield CONTROLLER.report(
                f"not mounted below /sys/fs/cgroup: {', '.join(missing)}",
                *(
                    f"$ mkdir -p /sys/fs/cgroup/{name}; mount -t cgroup -o {name} {name} /sys/fs/cgroup/{name}"
                    for name in missing
                ),
                "a controller that /proc/cgroups shows as disabled needs a kernel command line without "
                "cgroup_disable=, and with cgroup_enable=memory",
            )
        return
    if missing := [name for name in _NEEDED_V2 if name not in node.controllers]:
        yield CONTROLLER.report(
            f"not in /sys/fs/cgroup/cgroup.controllers: {', '.join(missing)}",
            "boot with cgroup_no_v1=all, and without cgroup_disable=, on the kernel's command line; in a container, "
            "give it a cgroup with these controllers (Delegate=yes)",
        )
    held_back = [name for name in _NEEDED_V2 if name in node.controllers and name not in root.handed_on]
    if held_back and not root.is_whole and root.has_processes:
        yield DELEGATION.report(
            f"/sys/fs/cgroup has processes of its own, so it cannot delegate {', '.join(held_back)}",
            "$ mkdir -p /sys/fs/cgroup/init; xargs -n1 -a /sys/fs/cgroup/cgroup.procs sh -c "
            "'echo $0 > /sys/fs/cgroup/init/cgroup.procs'",
            f"$ echo '{' '.join('+' + name for name in held_back)}' > /sys/fs/cgroup/cgroup.subtree_control",
        )


def judge_drivers(node: NodeFacts, config: Config, place: Place) -> Iterator[Outcome]:
    """Report handlers whose cgroup driver does not fit the node, or differs from the others'."""
    by_systemd = {name: handler.options.systemd_cgroup for name, handler in config.containerd.runtimes.items()}
    table = "[containerd.runtimes.{}.options]"
    restart = place.service("restart", "cri-shim")
    if any(by_systemd.values()) and not place.systemd:
        name = next(name for name, systemd in by_systemd.items() if systemd)
        yield NO_SYSTEMD.report(
            f"handler {name} has systemd make cgroups, and systemd does not run here",
            f"set in the configuration, under {table.format(name)}:",
            "SystemdCgroup = false",
            restart,
        )
    if len(set(by_systemd.values())) > 1:
        names = ", ".join(name for name, systemd in by_systemd.items() if systemd)
        yield MIXED.report(
            f"only the handlers {names} have systemd make cgroups: a kubelet has one cgroup driver for all",
            "set SystemdCgroup to the same value for all handlers in the configuration",
            restart,
        )
    elif node.cgroup_v2 and place.systemd and not any(by_systemd.values()):
        name = config.containerd.default_runtime_name
        yield TWO_MANAGERS.report(
            "the node has cgroup v2 and systemd, and cri-shim makes cgroups by itself: systemd may remove them",
            f"set in the configuration, under {table.format(name)}, and cgroupDriver: systemd for the kubelet:",
            "SystemdCgroup = true",
            restart,
        )
