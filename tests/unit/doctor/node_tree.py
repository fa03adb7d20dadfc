"""Directory trees that look like a node, and short forms of outcomes, for the tests of the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.config import parse
from cri_shim.doctor.facts.code import Finding
from cri_shim.doctor.facts.place import Place
from cri_shim.oci.node_facts import NodeFacts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cri_shim.config import Config
    from cri_shim.doctor.facts.code import Outcome

ALL_CAPABILITIES = 0x1FFFFFFFFFF


def plant(root: Path, files: dict[str, str]) -> Place:
    """Write the files below ``root``, and return the node that they make."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Place(root=root)


def config_of(text: str = "") -> Config:
    """Return the configuration of a TOML text."""
    return parse(text)


def reported(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """Return the severity of each code that is reported; each has a remedy."""
    return {finding.code: finding.severity for finding in findings(outcomes)}


def findings(outcomes: Iterable[Outcome]) -> list[Finding]:
    """Return what is reported; each finding has a remedy."""
    reported_ones = [outcome for outcome in outcomes if isinstance(outcome, Finding)]
    assert all(finding.remedy for finding in reported_ones)
    return reported_ones


def healthy_node(**changes: object) -> NodeFacts:
    """Return the facts about a node that has everything, with changes."""
    values: dict[str, object] = {
        "cgroup_v2": True,
        "controllers": frozenset({"cpu", "cpuset", "memory", "pids", "io", "hugetlb"}),
        "hugetlb": True,
        "swap": True,
        "capabilities": (),
        "may_lower_oom_score": True,
        "oom_score_adj": 0,
        "seccomp": True,
        "apparmor": True,
        "selinux": False,
        "in_user_namespace": False,
        "kernel": (6, 12),
        "machine": "x86_64",
        "hostname": "node",
        "hugepage_sizes": (),
        "user_namespaces": True,
    }
    return NodeFacts(**(values | changes))  # type: ignore[arg-type]
