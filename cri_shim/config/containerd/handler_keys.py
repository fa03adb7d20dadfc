"""The keys of one runtime handler in containerd's configuration (``…containerd.runtimes.NAME``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cri_shim.config.containerd.rule import left, taken

if TYPE_CHECKING:
    from cri_shim.config.containerd.rule import Rule

SHIM_V1: Final = ("io.containerd.runtime.v1.linux", "io.containerd.runc.v1")
"""Shims that containerd 2.0 removed; the first has its options beside ``runtime_type``."""
RUNC_V2: Final = "io.containerd.runc.v2"

_HERE: Final = ("containerd", "runtimes", "*")
_OPTIONS: Final = (*_HERE, "options")
_NETWORKS: Final = "pods of every handler get the networks of [cni]"
_SANDBOXER: Final = (
    "pods are made with a pause process, or none ([sandbox] infra); sandboxes of the shim are unknown here"
)

HANDLER: Final[dict[str, Rule]] = {
    "runtime_type": taken(
        "string", *_HERE, "runtime_type", convert=lambda value: RUNC_V2 if value in {"", *SHIM_V1} else value
    ),
    "runtime_path": taken("string", *_HERE, "runtime_path"),
    "runtime_engine": taken("string", *_OPTIONS, "BinaryName"),
    "runtime_root": taken("string", *_OPTIONS, "Root"),
    "pod_annotations": taken("strings", *_HERE, "pod_annotations"),
    "container_annotations": taken("strings", *_HERE, "container_annotations"),
    "privileged_without_host_devices": taken("bool", *_HERE, "privileged_without_host_devices"),
    "privileged_without_host_devices_all_devices_allowed": taken(
        "bool", *_HERE, "privileged_without_host_devices_all_devices_allowed"
    ),
    "base_runtime_spec": taken("string", *_HERE, "base_runtime_spec"),
    "snapshotter": taken("string", *_HERE, "snapshotter"),
    "cgroup_writable": taken("bool", *_HERE, "cgroup_writable"),
    "cni_conf_dir": left("string", _NETWORKS),
    "cni_max_conf_num": left("int", _NETWORKS),
    "sandbox_mode": left("string", _SANDBOXER, "podsandbox"),
    "sandboxer": left("string", _SANDBOXER, "podsandbox"),
    "io_type": left("string", "containers write into named pipes; streams of the shim are unknown here", "fifo"),
}
OPTIONS: Final[dict[str, Rule]] = {
    "SystemdCgroup": taken("bool", *_OPTIONS, "SystemdCgroup"),
    "BinaryName": taken("string", *_OPTIONS, "BinaryName"),
    "Root": taken("string", *_OPTIONS, "Root"),
    "ShimCgroup": taken("string", *_OPTIONS, "ShimCgroup"),
    "IoUid": taken("int", *_OPTIONS, "IoUid"),
    "IoGid": taken("int", *_OPTIONS, "IoGid"),
    "NoNewKeyring": taken("bool", *_OPTIONS, "NoNewKeyring"),
    "CriuImagePath": taken("string", *_OPTIONS, "CriuImagePath"),
    "CriuWorkPath": taken("string", *_OPTIONS, "CriuWorkPath"),
    "NoPivotRoot": left("bool", "runc always pivots the root; a node on a RAM disk needs containerd's plugin"),
    "CriuPath": left("string", "criu is looked up on PATH"),
}
