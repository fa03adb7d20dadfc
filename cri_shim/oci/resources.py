"""Convert limits from CRI to the runtime spec, for a new or an updated spec, and back for a status.

The spec uses the terms of cgroup v1, which runc translates on a node with v2. Source: CRI ``LinuxContainerResources``
(0 or empty means "unchanged"); containerd ``WithResources``.
"""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Final

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError

if TYPE_CHECKING:
    from cri_shim.oci.defaults import Spec
    from cri_shim.oci.node_facts import NodeFacts
    from cri_shim.oci.options import SpecOptions

_SHARED: Final = 256
"""Different limits and different users that are kept to be shared; a node has a handful of each."""

SANDBOX_CPU_SHARES = 2
"""The minimum of a cgroup, because the pause process never needs the CPU."""

SANDBOX_OOM_SCORE_ADJ = -998
"""Killed almost last, because without its pause process the pod is lost."""


def apply_resources(spec: Spec, request: cri.LinuxContainerResources, facts: NodeFacts, options: SpecOptions) -> None:
    """Write the limits of ``request`` into ``spec``; unset limits stay unchanged.

    A memory limit without a swap limit forbids swapping (both limits are equal), if the node counts swap. Raises
    FailedPreconditionError for huge page limits on a node without the controller, unless that is tolerated.
    """
    resources = spec.setdefault("linux", {}).setdefault("resources", {})
    cpu: dict[str, int | str] = {
        "period": request.cpu_period,
        "quota": request.cpu_quota,
        "shares": request.cpu_shares,
        "cpus": request.cpuset_cpus,
        "mems": request.cpuset_mems,
    }
    _update(resources, "cpu", cpu)
    swap = request.memory_swap_limit_in_bytes
    if not swap and facts.swap:
        swap = request.memory_limit_in_bytes
    _update(resources, "memory", {"limit": request.memory_limit_in_bytes, "swap": swap})
    if request.hugepage_limits and not options.disable_hugetlb_controller:
        _apply_hugepages(resources, request, facts, options)
    if request.unified:
        resources["unified"] = {**resources.get("unified", {}), **request.unified}


def updated_spec(spec: Spec, request: cri.LinuxContainerResources, facts: NodeFacts, options: SpecOptions) -> Spec:
    """Return a copy of ``spec`` with the limits of an UpdateContainerResources, including the OOM score."""
    result = copy.deepcopy(spec)
    apply_resources(result, request, facts, options)
    if request.oom_score_adj:
        process = result.setdefault("process", {})
        process["oomScoreAdj"] = oom_score_adj(request.oom_score_adj, facts, options)
    return result


def task_resources(spec: Spec, request: cri.LinuxContainerResources, facts: NodeFacts) -> Spec:
    """Return the resources for updating a running container; ``spec`` is the updated spec.

    ``runc update`` ignores limits of huge pages. On cgroup v2 they are passed by the names of the kernel's files
    instead. On v1 this is not possible: raises FailedPreconditionError for a ``request`` with such limits, unless the
    configuration ignores them.
    """
    resources: Spec = dict((spec.get("linux") or {}).get("resources") or {})
    limits = resources.pop("hugepageLimits", None)
    if not limits or not request.hugepage_limits:
        return resources
    if not facts.cgroup_v2:
        raise FailedPreconditionError(
            "huge page limits of a running container cannot be changed on cgroup v1; set them before it is started"
        )
    named = {f"hugetlb.{item['pageSize']}.max": str(item.get("limit", 0)) for item in limits if item.get("pageSize")}
    resources["unified"] = {**(resources.get("unified") or {}), **named}
    return resources


def oom_score_adj(wanted: int, facts: NodeFacts, options: SpecOptions) -> int:
    """Return the OOM score that can be set: not below this daemon's own if it may not set a lower one.

    Lowering a score requires CAP_SYS_RESOURCE, and runc dies without explanation if it fails, so a missing capability
    has the same effect as the option ``restrict_oom_score_adj``.
    """
    if options.restrict_oom_score_adj or not facts.may_lower_oom_score:
        return max(wanted, facts.oom_score_adj)
    return wanted


def container_resources(spec: Spec) -> cri.ContainerResources:
    """Return the limits in a spec, for ContainerStatus."""
    result = cri.ContainerResources()
    out = result.linux
    out.SetInParent()
    out.oom_score_adj = (spec.get("process") or {}).get("oomScoreAdj") or 0
    resources = (spec.get("linux") or {}).get("resources") or {}
    cpu = resources.get("cpu") or {}
    out.cpu_period = cpu.get("period") or 0
    out.cpu_quota = cpu.get("quota") or 0
    out.cpu_shares = cpu.get("shares") or 0
    out.cpuset_cpus = cpu.get("cpus") or ""
    out.cpuset_mems = cpu.get("mems") or ""
    memory = resources.get("memory") or {}
    out.memory_limit_in_bytes = memory.get("limit") or 0
    out.memory_swap_limit_in_bytes = memory.get("swap") or 0
    for limit in resources.get("hugepageLimits") or ():
        out.hugepage_limits.add(page_size=limit.get("pageSize", ""), limit=limit.get("limit", 0))
    out.unified.update(resources.get("unified") or {})
    return shared_resources(result)


def shared_resources(resources: cri.ContainerResources) -> cri.ContainerResources:
    """Return one message for all containers with the same limits, such as those of a Deployment; it must not change.

    A message of a few bytes takes a kilobyte of memory.
    """
    return _same_resources(resources.SerializeToString(deterministic=True))


@functools.lru_cache(maxsize=_SHARED)
def _same_resources(message: bytes) -> cri.ContainerResources:
    return cri.ContainerResources.FromString(message)


@functools.lru_cache(maxsize=_SHARED)
def _same_user(message: bytes) -> cri.ContainerUser:
    return cri.ContainerUser.FromString(message)


def container_user(spec: Spec) -> cri.ContainerUser:
    """Return the user in a spec, for ContainerStatus."""
    user = (spec.get("process") or {}).get("user") or {}
    result = cri.ContainerUser(
        linux=cri.LinuxContainerUser(
            uid=user.get("uid") or 0,
            gid=user.get("gid") or 0,
            supplemental_groups=user.get("additionalGids") or (),
        )
    )
    return _same_user(result.SerializeToString(deterministic=True))


def _update(resources: Spec, group: str, values: dict[str, int | str]) -> None:
    given = {name: value for name, value in values.items() if value}
    if given:
        resources[group] = {**(resources.get(group) or {}), **given}


def _apply_hugepages(
    resources: Spec, request: cri.LinuxContainerResources, facts: NodeFacts, options: SpecOptions
) -> None:
    if not facts.hugetlb:
        if options.tolerate_missing_hugetlb_controller:
            return
        raise FailedPreconditionError(
            "huge page limits are requested, but this node has no hugetlb cgroup controller; "
            "set tolerate_missing_hugetlb_controller = true to ignore them"
        )
    limits = {entry.get("pageSize", ""): entry for entry in resources.get("hugepageLimits") or ()}
    for item in request.hugepage_limits:
        limits[item.page_size] = {"pageSize": item.page_size, "limit": item.limit}
    resources["hugepageLimits"] = list(limits.values())
