"""Limits into a spec, over a spec, and out of a spec."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError
from cri_shim.oci.options import SpecOptions
from cri_shim.oci.resources import (
    apply_resources,
    container_resources,
    container_user,
    oom_score_adj,
    task_resources,
    updated_spec,
)
from tests.unit.oci.facts import node

if TYPE_CHECKING:
    from cri_shim.oci.defaults import Spec

FULL = cri.LinuxContainerResources(
    cpu_period=100_000, cpu_quota=-1, cpu_shares=512, memory_limit_in_bytes=1 << 20, oom_score_adj=7,
    cpuset_cpus="0-1", cpuset_mems="0", unified={"memory.high": "9"}, memory_swap_limit_in_bytes=2 << 20,
    hugepage_limits=[cri.HugepageLimit(page_size="2MB", limit=4 << 20)],
)  # fmt: skip
HUGE = SpecOptions(disable_hugetlb_controller=False)


def test_all_limits_arrive_and_come_back():
    """Every field is written, and reading the spec for a status gives the request again."""
    spec: Spec = {"process": {"oomScoreAdj": 7}}
    apply_resources(spec, FULL, node(hugetlb=True), HUGE)
    assert spec["linux"]["resources"] == {
        "cpu": {"period": 100_000, "quota": -1, "shares": 512, "cpus": "0-1", "mems": "0"},
        "memory": {"limit": 1 << 20, "swap": 2 << 20},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}],
        "unified": {"memory.high": "9"},
    }
    assert container_resources(spec).linux == FULL


def test_nothing_asked_is_nothing_written():
    """Zero and empty mean unset, not zero."""
    spec: Spec = {"linux": {"resources": {"devices": []}}}
    apply_resources(spec, cri.LinuxContainerResources(), node(), SpecOptions())
    assert spec == {"linux": {"resources": {"devices": []}}}


@pytest.mark.parametrize(("swap", "expected"), [(True, {"limit": 5, "swap": 5}), (False, {"limit": 5})])
def test_swap_follows_the_limit_where_it_is_counted(swap, expected):
    """A container must not swap unless the request allows it; without swap accounting the file does not exist."""
    spec: Spec = {}
    apply_resources(spec, cri.LinuxContainerResources(memory_limit_in_bytes=5), node(swap=swap), SpecOptions())
    assert spec["linux"]["resources"]["memory"] == expected


def test_update_merges_and_leaves_the_old_spec_alone():
    """An update changes what it names, once per huge page size, in a copy."""
    old: Spec = {"linux": {}, "process": {"oomScoreAdj": 3}}
    apply_resources(old, FULL, node(hugetlb=True), HUGE)
    before = copy.deepcopy(old)
    request = cri.LinuxContainerResources(
        cpu_shares=2, oom_score_adj=900, unified={"cpu.weight": "3"}, hugepage_limits=FULL.hugepage_limits
    )
    new = updated_spec(old, request, node(hugetlb=True), HUGE)
    assert old == before
    assert new["linux"]["resources"]["cpu"] == {**before["linux"]["resources"]["cpu"], "shares": 2}
    assert new["linux"]["resources"]["unified"] == {"memory.high": "9", "cpu.weight": "3"}
    assert len(new["linux"]["resources"]["hugepageLimits"]) == 1
    assert new["process"]["oomScoreAdj"] == 900
    assert updated_spec(old, cri.LinuxContainerResources(cpu_shares=2), node(), HUGE)["process"]["oomScoreAdj"] == 3


def test_an_update_clamps_the_oom_score_too():
    """A node that may not lower the score does not try."""
    facts = node(may_lower_oom_score=False, oom_score_adj=-5)
    new = updated_spec({}, cri.LinuxContainerResources(oom_score_adj=-998), facts, HUGE)
    assert new["process"]["oomScoreAdj"] == -5


def test_huge_pages_of_a_running_container_go_by_the_names_of_cgroup_v2():
    """What the runtime passes over is given to it in a way that it heeds, or refused; without a change it is left."""
    facts = node(hugetlb=True, cgroup_v2=True)
    spec = updated_spec({}, FULL, facts, HUGE)
    resources = task_resources(spec, FULL, facts)
    assert resources["unified"] == {"memory.high": "9", "hugetlb.2MB.max": str(4 << 20)}
    assert "hugepageLimits" not in resources
    assert spec["linux"]["resources"]["unified"] == {"memory.high": "9"}
    with pytest.raises(FailedPreconditionError, match="cgroup v1"):
        task_resources(spec, FULL, node(hugetlb=True))
    other = cri.LinuxContainerResources(cpu_shares=2)
    assert task_resources(spec, other, node(hugetlb=True))["unified"] == {"memory.high": "9"}


def test_huge_pages_without_the_controller():
    """Disabled or tolerated they are left out, else the error names the option."""
    spec: Spec = {}
    apply_resources(spec, FULL, node(hugetlb=True), SpecOptions())
    apply_resources(spec, FULL, node(hugetlb=False), HUGE)
    assert "hugepageLimits" not in spec["linux"]["resources"]
    strict = SpecOptions(disable_hugetlb_controller=False, tolerate_missing_hugetlb_controller=False)
    with pytest.raises(FailedPreconditionError, match="tolerate_missing_hugetlb_controller"):
        apply_resources({}, FULL, node(hugetlb=False), strict)


@pytest.mark.parametrize(
    ("may_lower", "restrict", "expected"), [(True, False, -998), (True, True, -5), (False, False, -5)]
)
def test_oom_score_is_not_lowered_below_our_own_where_it_may_not(may_lower, restrict, expected):
    """The option or a missing capability clamps the score; a higher one passes always."""
    facts = node(may_lower_oom_score=may_lower, oom_score_adj=-5)
    options = SpecOptions(restrict_oom_score_adj=restrict)
    assert oom_score_adj(-998, facts, options) == expected
    assert oom_score_adj(900, facts, options) == 900


def test_status_of_an_empty_spec():
    """A spec without any of it gives empty messages, with the linux part present."""
    assert container_resources({}).HasField("linux")
    user = container_user({"process": {"user": {"uid": 1, "gid": 2, "additionalGids": [2, 3]}}}).linux
    assert (user.uid, user.gid, list(user.supplemental_groups)) == (1, 2, [2, 3])
    assert container_user({}).linux.uid == 0
