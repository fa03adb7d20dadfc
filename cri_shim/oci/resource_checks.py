"""Check the limits of a container against what the kernel accepts on any node.

Numbers that the kernel rejects only on this node (a missing CPU, less memory than is in use) are left to the OCI
runtime. Sources: the kernel's ``sched_group_set_shares`` and ``tg_set_cfs_bandwidth``, proc(5) for the OOM score,
cpuset(7) for lists; CRI ``LinuxContainerResources``, where 0 and empty mean "unchanged".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.path_checks import check_value
from untrusted import escaped

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri

PERIODS: Final = range(1_000, 1_000_001)
"""Microseconds."""
SHORTEST_QUOTA: Final = 1_000
"""Microseconds."""
SHARES: Final = range(2, 262_145)
OOM_SCORES: Final = range(-1000, 1001)

_LIST = re.compile(r"\s*\d{1,9}(-\d{1,9}(:\d{1,9}/\d{1,9})?)?\s*", re.ASCII)
_PAGE_SIZE = re.compile(r"[1-9]\d{0,8}[KMGTP]?i?B", re.ASCII)
_UNIFIED = re.compile(r"[a-z0-9_]{1,64}(\.[A-Za-z0-9_-]{1,64}){1,8}", re.ASCII)


def check_resources(resources: cri.LinuxContainerResources) -> None:
    """Check limits; raises InvalidArgumentError that names a field with a value that no container can have."""
    _check_range("cpu_period", resources.cpu_period, PERIODS, "microseconds")
    _check_range("cpu_shares", resources.cpu_shares, SHARES, "shares")
    _check_range("oom_score_adj", resources.oom_score_adj, OOM_SCORES, "")
    if 0 < resources.cpu_quota < SHORTEST_QUOTA:
        raise InvalidArgumentError(
            f"cpu_quota is {resources.cpu_quota}; it must be at least {SHORTEST_QUOTA} microseconds, or -1 for no limit"
        )
    _check_memory(resources)
    for name in ("cpuset_cpus", "cpuset_mems"):
        _check_list(name, getattr(resources, name))
    for limit in resources.hugepage_limits:
        if not _PAGE_SIZE.fullmatch(limit.page_size):
            raise InvalidArgumentError(
                f"hugepage_limits has page_size '{escaped(limit.page_size)}'; a size looks like 2MB or 1GB"
            )
    for key, value in resources.unified.items():
        if not _UNIFIED.fullmatch(key):
            raise InvalidArgumentError(
                f"unified has the key '{escaped(key)}', which cannot be a file of a cgroup; "
                "a key looks like memory.high"
            )
        check_value(f"the value of {key} in unified", value)


def _check_range(name: str, value: int, allowed: range, unit: str) -> None:
    if value and value not in allowed:
        raise InvalidArgumentError(
            f"{name} is {value}; it must be between {allowed.start} and {allowed.stop - 1} {unit}".rstrip()
        )


def _check_memory(resources: cri.LinuxContainerResources) -> None:
    memory, both = resources.memory_limit_in_bytes, resources.memory_swap_limit_in_bytes
    for name, value in (("memory_limit_in_bytes", memory), ("memory_swap_limit_in_bytes", both)):
        if value < -1:
            raise InvalidArgumentError(f"{name} is {value}; it must be a number of bytes, or -1 for no limit")
    if 0 < both < memory:
        raise InvalidArgumentError(
            f"memory_swap_limit_in_bytes is {both}, less than memory_limit_in_bytes, which is {memory}; "
            "it is the limit of memory and swap together"
        )


def _check_list(name: str, value: str) -> None:
    if not value:
        return
    check_value(name, value)
    for part in value.split(","):
        if not _LIST.fullmatch(part) or _runs_backwards(part):
            raise InvalidArgumentError(f"{name} is '{escaped(value)}', which is not a list of numbers such as 0-2,7")


def _runs_backwards(part: str) -> bool:
    first, dash, rest = part.strip().partition("-")
    return bool(dash) and int(rest.partition(":")[0]) < int(first)
