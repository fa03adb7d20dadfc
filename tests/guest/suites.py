"""What runs in the guest, in this order: each suite is one run of pytest with its own node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suite:
    """One run of pytest. ``claim`` says what it shows; ``environment`` is for tests/lab."""

    name: str
    claim: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


SYSTEMD = (("LAB_CGROUP_DRIVER", "systemd"),)
CGROUPS = (
    "tests/conformance/test_resources.py",
    "tests/conformance/test_resources_v2.py",
    "tests/conformance/test_pressure_v2.py",
    "tests/conformance/test_stats.py",
)

SUITES = (
    Suite(
        "cgroupfs",
        "limits, statistics and want of memory on cgroup v2, with the cgroupfs driver",
        (*CGROUPS, "--cri-kind=bridge"),
    ),
    Suite(
        "systemd",
        "the same with the systemd driver",
        (*CGROUPS, "--cri-kind=bridge"),
        SYSTEMD,
    ),
    Suite(
        "units",
        "the shipped units under a real systemd: readiness, watchdog, restarts, stop",
        ("tests/guest/test_installed.py",),
        (*SYSTEMD, ("LAB_OWNS_MACHINE", "1")),
    ),
)
