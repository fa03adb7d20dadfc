"""A node that the unit tests of spec building pretend to be on."""

from __future__ import annotations

from msgspec.structs import replace

from cri_shim.oci.capabilities import NAMES
from cri_shim.oci.node_facts import NodeFacts

NODE = NodeFacts(
    cgroup_v2=False,
    controllers=frozenset({"cpu", "memory", "pids"}),
    hugetlb=False,
    swap=True,
    capabilities=NAMES,
    may_lower_oom_score=True,
    oom_score_adj=0,
    seccomp=True,
    apparmor=False,
    selinux=False,
    in_user_namespace=False,
    kernel=(6, 1),
    machine="x86_64",
    hostname="node",
    hugepage_sizes=("2MB",),
)


def node(**changes) -> NodeFacts:
    return replace(NODE, **changes)
