"""The spec that everything starts from, before a CRI request says anything.

It has the shape that containerd's own ``oci`` package gives a Linux container (namespaces, mounts, capabilities, a
device rule that denies all), so that a pod started through this daemon and one started by the plugin differ only in
what the request asks. Source: containerd ``oci/spec.go`` and ``oci/mounts.go``.
"""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

Spec: TypeAlias = dict[str, Any]
"""An OCI runtime spec (or a part of one) as it goes into JSON."""

OCI_VERSION = "1.0.2"
ROOTFS = "rootfs"
"""Where the shim mounts the snapshot, relative to the bundle."""

DEFAULT_CAPABILITIES: tuple[str, ...] = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)

DEFAULT_MASKED_PATHS: tuple[str, ...] = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
    "/proc/scsi",
)

DEFAULT_READONLY_PATHS: tuple[str, ...] = (
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
)

DENY_ALL_DEVICES: Spec = {"allow": False, "access": "rwm"}
ALLOW_ALL_DEVICES: Spec = {"allow": True, "access": "rwm"}


def mount(destination: str, type_: str, source: str, *options: str) -> Spec:
    """Write one entry of the spec's ``mounts``."""
    return {"destination": destination, "type": type_, "source": source, "options": list(options)}


def default_mounts() -> list[Spec]:
    """Give the mounts every container has: the kernel's file systems and a small ``/dev``."""
    return [
        mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),  # noqa: S108 - in the container
        mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    ]


def capability_sets(names: tuple[str, ...], ambient: tuple[str, ...] = ()) -> Spec:
    """Give ``process.capabilities`` with ``names`` in every set but the inheritable and the ambient one.

    A filled inheritable set would let a program with file capabilities of an unprivileged user gain them
    (CVE-2022-24769), so only ``ambient`` ones, which somebody asked for by name, are in all five.
    """
    held = list(dict.fromkeys((*names, *ambient)))
    sets = {"bounding": held, "effective": list(held), "permitted": list(held)}
    return {**sets, "inheritable": list(ambient), "ambient": list(ambient)} if ambient else sets


def base_spec(given: Spec | None, cgroups_path: str) -> Spec:
    """Give a spec to build on: a copy of ``given`` (a runtime handler's ``base_runtime_spec``), or the default one.

    A given spec keeps its rlimits, seccomp and AppArmor settings: an administrator wrote them. The default has none
    of the three. The result always has ``process``, ``root``, ``mounts`` and ``linux.resources`` to write into.
    """
    if given is not None:
        spec = copy.deepcopy(given)
        spec.setdefault("ociVersion", OCI_VERSION)
        process = spec.setdefault("process", {})
        process.setdefault("cwd", "/")
        process.setdefault("user", {"uid": 0, "gid": 0})
        process.setdefault("capabilities", capability_sets(DEFAULT_CAPABILITIES))
        spec["root"] = {**spec.get("root", {}), "path": ROOTFS}
        spec["mounts"] = [m for m in spec.get("mounts") or default_mounts() if m.get("destination") != "/run"]
        linux = spec.setdefault("linux", {})
        linux.setdefault("namespaces", default_namespaces())
        linux.setdefault("resources", {}).setdefault("devices", [dict(DENY_ALL_DEVICES)])
        linux["cgroupsPath"] = cgroups_path
        return spec
    return {
        "ociVersion": OCI_VERSION,
        "root": {"path": ROOTFS},
        "process": {
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
            "capabilities": capability_sets(DEFAULT_CAPABILITIES),
        },
        "mounts": default_mounts(),
        "linux": {
            "cgroupsPath": cgroups_path,
            "resources": {"devices": [dict(DENY_ALL_DEVICES)]},
            "namespaces": default_namespaces(),
            "maskedPaths": list(DEFAULT_MASKED_PATHS),
            "readonlyPaths": list(DEFAULT_READONLY_PATHS),
        },
    }


def default_namespaces() -> list[Spec]:
    """Give a new namespace of each kind that a pod has (the user and cgroup ones are decided elsewhere)."""
    return [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")]
