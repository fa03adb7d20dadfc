"""Choose who makes the pods' cgroups on a node: systemd, or the OCI runtime itself (cgroupfs).

Kubelet and runtime have to agree. Kubelets from 1.31 on ask the runtime; earlier ones go by their own ``cgroupDriver``,
which is cgroupfs unless it is set. Kubernetes advises systemd wherever systemd manages a cgroup v2 hierarchy, because a
second manager of the same tree disturbs the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from cri_shim.doctor.facts.kubelet_settings import KubeletSettings


class CgroupDriver(Struct, frozen=True):
    """The choice, and why it was made."""

    systemd: bool = False
    why: str = ""
    unknown_reason: str = ""
    """Why it is not known what the kubelet uses."""


def choose_driver(kubelet: KubeletSettings, *, systemd: bool, unified: bool) -> CgroupDriver:
    """Return the driver for a node; ``systemd`` and ``unified`` say whether it runs systemd and only cgroup v2."""
    setting = kubelet.cgroup_driver
    if setting.unknown_reason:
        return CgroupDriver(unknown_reason=setting.unknown_reason)
    if setting.value:
        return CgroupDriver(setting.value == "systemd", f"as in {setting.where}")
    if kubelet.present:
        return CgroupDriver()
    return CgroupDriver(True, "systemd manages cgroup v2 here") if systemd and unified else CgroupDriver()
