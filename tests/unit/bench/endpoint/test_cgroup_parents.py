"""Cgroup parents in the forms that the two cgroup drivers take."""

from __future__ import annotations

import pytest

from cri_shim.bench.endpoint.cgroup_parents import for_driver, of_pod, of_side


@pytest.mark.parametrize(
    ("asked", "systemd", "parent", "pod"),
    [
        ("/cri-compare", False, "/cri-compare-7-a", "/cri-compare-7-a/podu-1"),
        ("/cri-compare", True, "/cri_compare_7_a.slice", "/cri_compare_7_a.slice/cri_compare_7_a-podu_1.slice"),
        ("/x/y", True, "/x.slice/x-y_7_a.slice", "/x.slice/x-y_7_a.slice/x-y_7_a-podu_1.slice"),
        ("x.slice", False, "/x.slice/x-7_a.slice", "/x.slice/x-7_a.slice/x-7_a-podu_1.slice"),
        (
            "/x.slice/x-y.slice",
            True,
            "/x.slice/x-y.slice/x-y-7_a.slice",
            "/x.slice/x-y.slice/x-y-7_a.slice/x-y-7_a-podu_1.slice",
        ),
    ],
)
def test_parents_have_the_drivers_form(asked, systemd, parent, pod):
    """A path stays one for cgroupfs and becomes slices for systemd; a slice stays one; each side has its own."""
    parents = for_driver(of_side(asked, "7-a"), systemd=systemd)
    assert parents == parent
    assert of_pod(parents, "u-1") == pod
