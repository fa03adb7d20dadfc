"""What runs in the guest, in this order: each suite is one run of pytest with its own node, or one measurement.

Those without ``always`` run only when they are named: ``make test-guest SUITES=conformance``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.without import TRICKS

RESULTS = Path("/run/results")
"""Where suites leave their results in the guest."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One run of pytest, or of a ``module`` that measures. ``claim`` says what it shows; ``environment`` is for lab.

    ``packages`` says that it needs the Debian packages, which take minutes to build; ``kubelet``, that it needs the one
    that GUEST_KUBELET names; ``selinux``, that the guest's kernel must enforce SELinux.
    """

    name: str
    claim: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    always: bool = True
    module: str = ""
    packages: bool = False
    kubelet: bool = False
    selinux: bool = False


SYSTEMD = (("LAB_CGROUP_DRIVER", "systemd"),)
CGROUPS = (
    "tests/conformance/test_resources.py",
    "tests/conformance/test_resources_v2.py",
    "tests/conformance/test_pressure_v2.py",
)
KUBELET_LIKE = ("tests/guest/kubelet/test_pods.py", "tests/guest/kubelet/test_out_of_memory.py", "-s")
OWNED = ("LAB_OWNS_MACHINE", "1")
# The statistics that could find another cgroup than they should; emulated, the whole file takes more than a minute.
OF_CGROUPS = tuple(
    f"tests/conformance/test_stats.py::test_{name}"
    for name in (
        "cpu_of_a_container",
        "memory_of_a_container",
        "cpu_and_memory_of_a_pod",
        "processes_of_a_pod",
        "metrics_of_a_pod",
    )
)


def comparison(name: str, claim: str, *more: str, environment: tuple[tuple[str, str], ...] = ()) -> Suite:
    """A comparison with containerd's own plugin, small enough for an emulated machine; its result is NAME.json."""
    return Suite(
        name,
        f"this daemon and containerd's plugin, {claim}; emulated, so that only the ratios count",
        (
            *("--pinned", "--scenario", "life,exec,batch", "--pods", "6", "--rounds", "6", *more),
            *("--output", str(RESULTS / f"{name}.json"), "--html", str(RESULTS / f"{name}.html")),
        ),
        environment,
        always=False,
        module="lab.compare",
    )


SUITES = (
    Suite(
        "cgroupfs",
        "limits, statistics and want of memory on cgroup v2, with the cgroupfs driver; AppArmor",
        (*CGROUPS, "tests/conformance/test_stats.py", "tests/conformance/test_apparmor.py", "--cri-kind=bridge"),
    ),
    Suite(
        "systemd",
        "limits, statistics, want of memory and the life of containers with the systemd driver",
        (*CGROUPS, *OF_CGROUPS, "tests/conformance/test_container_life.py", "--cri-kind=bridge"),
        SYSTEMD,
    ),
    Suite(
        "integration",
        "specs under runc, the readers of statistics, namespaces and mounts",
        (
            "tests/integration/oci",
            "tests/integration/stats",
            "tests/integration/kernel/test_namespaces.py",
            "tests/integration/kernel/test_readonly_mounts.py",
            "tests/integration/daemon/test_handler_settings.py::test_limits_of_huge_pages",
            "tests/integration/daemon/test_crun.py",
            "tests/integration/containerd_client/test_tasks.py",
        ),
    ),
    Suite(
        "kubelet-like",
        "what a kubelet does on cgroup v2: QoS classes, its rhythm, resize, swap, OOM, restarts; cgroupfs driver",
        KUBELET_LIKE,
        (OWNED,),
        always=False,
    ),
    Suite(
        "kubelet-like-systemd",
        "the same with slices of the systemd driver",
        KUBELET_LIKE,
        (*SYSTEMD, OWNED),
        always=False,
    ),
    Suite(
        "kubelet",
        "static pods of a real kubelet with systemd slices: QoS classes, OOM, restarts of every daemon",
        ("tests/guest/kubelet/test_real_kubelet.py",),
        (*SYSTEMD, OWNED),
        always=False,
        kubelet=True,
    ),
    Suite(
        "selinux",
        "labels of pods and containers where the kernel enforces SELinux",
        ("tests/conformance/test_selinux.py", "tests/guest/test_enforcing.py", "--cri-kind=bridge", "-s"),
        (OWNED,),
        always=False,
        selinux=True,
    ),
    Suite(
        "install",
        "the commands of docs/install.md, from the Debian package to a pod and back to nothing",
        ("tests/guest/test_install.py", "-s"),
        (*SYSTEMD, OWNED),
        always=False,
        packages=True,
    ),
    Suite(
        "units",
        "the shipped units under a real systemd: readiness, watchdog, reload, restarts, stop; the set-up and its undo",
        ("tests/guest/test_installed.py", "tests/guest/test_setup.py"),
        (*SYSTEMD, OWNED),
    ),
    Suite(
        "package",
        "the Debian package under running pods: install, set-up, upgrade, downgrade, remove, purge",
        ("tests/guest/test_package.py",),
        (*SYSTEMD, OWNED),
        always=False,
        packages=True,
    ),
    Suite("conformance", "all of it, cgroupfs driver", ("tests/conformance", "--cri-kind=bridge"), always=False),
    Suite(
        "conformance-systemd",
        "all of it, systemd driver",
        ("tests/conformance", "--cri-kind=bridge"),
        SYSTEMD,
        always=False,
    ),
    Suite(
        "tricks",
        "what each trick of the daemon saves on cgroup v2; emulated, so that only the ratios count",
        (
            *("--calls", "0", "--standing", "2", "--turns", "8", "--lists", "20", "--batches", "2", "--batch", "6"),
            *(word for trick in TRICKS for word in ("--without", trick)),
        ),
        always=False,
        module="lab.versions_bench",
    ),
    Suite(
        "cgroup-lock",
        "how long a move into a cgroup takes on cgroup v2, after a quiet moment and soon after another one",
        ("--output", str(RESULTS / "cgroup-lock.json")),
        always=False,
        module="lab.measuring.cgroup_lock",
    ),
    comparison("comparison", "on cgroup v2 with the cgroupfs driver"),
    comparison("comparison-systemd", "on cgroup v2 with the systemd driver", environment=SYSTEMD),
    comparison("comparison-crun", "on cgroup v2 with crun", "--oci", "crun"),
)


def chosen(names: list[str]) -> list[Suite]:
    """The suites of these names, or those that always run."""
    return [suite for suite in SUITES if (suite.name in names if names else suite.always)]
