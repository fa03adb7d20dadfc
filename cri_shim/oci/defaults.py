"""Make the spec that all others start from, before a CRI request is applied.

It equals what containerd's own ``oci`` package makes for a Linux container (namespaces, mounts, capabilities, a device
rule that denies all), so that a pod started by this daemon and one started by the plugin differ only in what the
request asks for. Source: containerd ``oci/spec.go`` and ``oci/mounts.go``.
"""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

Spec: TypeAlias = dict[str, Any]
"""An OCI runtime spec, or a part of one, in the form that becomes JSON."""

OCI_VERSION = "1.0.2"
ROOTFS = "rootfs"
"""The directory on which the shim mounts the snapshot, relative to the bundle."""

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
    """Return one entry of the spec's ``mounts``."""
    return {"destination": destination, "type": type_, "source": source, "options": list(options)}


def default_mounts() -> list[Spec]:
    """Return the mounts of every container: the kernel's file systems and a small ``/dev``."""
    return [
        mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),  # noqa: S108 - in the container
        mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    ]


def capability_sets(names: tuple[str, ...], ambient: tuple[str, ...] = ()) -> Spec:
    """Return ``process.capabilities`` with ``names`` in every set except the inheritable and the ambient one.

    With a filled inheritable set, an unprivileged user could gain capabilities by a program with file capabilities
    (CVE-2022-24769), so only the ``ambient`` ones, which were requested by name, are in all five sets.
    """
    held = list(dict.fromkeys((*names, *ambient)))
    sets = {"bounding": held, "effective": list(held), "permitted": list(held)}
    return {**sets, "inheritable": list(ambient), "ambient": list(ambient)} if ambient else sets


def base_spec(given: Spec | None, cgroups_path: str) -> Spec:
    """Return a spec to build on: a copy of ``given`` (a runtime handler's ``base_runtime_spec``), or the default one.

    A given spec keeps its rlimits, seccomp and AppArmor settings, because an administrator wrote them. The default spec
    has none of the three. The result always has ``process``, ``root``, ``mounts`` and ``linux.resources``.
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
    """Return a new namespace of each kind that a pod has (user and cgroup namespaces are decided elsewhere)."""
    return [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")]
