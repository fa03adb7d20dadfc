"""The part of the configuration that building a spec uses, for one runtime handler.

The names are those of containerd's CRI plugin, see ``docs/cri/config.md`` there.
"""

from __future__ import annotations

from msgspec import Struct


class Rlimit(Struct, frozen=True):
    """A resource limit of the process: ``name`` as in ``RLIMIT_NOFILE``."""

    name: str
    soft: int
    hard: int


class SpecOptions(Struct, frozen=True):
    """The settings of the administrator; the defaults are those of the plugin of containerd 2.x.

    ``namespace`` is containerd's: the cgroup of a pod without a parent is below a directory of that name.
    ``recursive_read_only_mounts`` says that the handler's runtime has the feature, not that it is requested.
    ``rlimits`` are set on every container; without any, runc passes on those of containerd.
    """

    namespace: str = "k8s.io"
    systemd_cgroup: bool = False
    restrict_oom_score_adj: bool = False
    disable_proc_mount: bool = False
    enable_unprivileged_ports: bool = True
    enable_unprivileged_icmp: bool = True
    unset_seccomp_profile: str = ""
    disable_apparmor: bool = False
    tolerate_missing_hugetlb_controller: bool = True
    disable_hugetlb_controller: bool = True
    device_ownership_from_security_context: bool = False
    cgroup_writable: bool = False
    recursive_read_only_mounts: bool = False
    rlimits: tuple[Rlimit, ...] = ()
