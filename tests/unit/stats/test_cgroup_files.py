"""Both cgroup versions, read from files as real nodes have them (kernels 6.1 and 5.10, containerd, one container)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import pytest

from cri_shim.kernel.cgroups import UNIFIED, Cgroup
from cri_shim.stats import cgroup_v1, cgroup_v2, processes
from cri_shim.stats.values import DeviceIo, HugePages, Memory, Stall, Swap

T = TypeVar("T")
HERE = Path(__file__).parent / "fixtures"
ID = "4f1c2a9b7d3e5f60718293a4b5c6d7e8f9012345678901234567890123456789"
V1 = Cgroup(
    f"/kubepods/pod1/{ID}",
    {
        name: str(HERE / "v1" / name / "kubepods/pod1" / ID)
        for name in ("cpu", "cpuacct", "memory", "pids", "blkio", "hugetlb")
    },
)
V2_PATH = f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"
V2 = Cgroup(V2_PATH, {UNIFIED: f"{HERE}/v2{V2_PATH}"})


def known(value: T | None) -> T:
    """The value, which must be there."""
    assert value is not None
    return value


def test_usage_of_version_1():
    """CPU in ns, the working set without inactive files, what the limit leaves of swap; no pressure."""
    usage = known(cgroup_v1.usage(V1))
    assert usage.cpu_ns == 7_123_456_789
    assert usage.memory == Memory(
        usage=36204544,
        working_set=36204544 - 15863808,
        limit=67108864,
        rss=8650752,
        cache=27033600,
        mapped_file=12570624,
        page_faults=10956,
        major_page_faults=165,
    )
    assert usage.swap == Swap(usage=4096, available=134217728 - 67108864 - 4096)
    assert usage.cpu_pressure is usage.memory_pressure is usage.io_pressure is None


def test_usage_of_version_2():
    """The same container under version 2, with pressure; swap without a limit has nothing "available"."""
    usage = known(cgroup_v2.usage(V2))
    assert usage.cpu_ns == 7_123_456_000
    assert usage.memory == Memory(
        usage=37511168,
        working_set=37511168 - 15880192,
        limit=67108864,
        rss=8794112,
        cache=27045888,
        mapped_file=12570624,
        page_faults=10956,
        major_page_faults=165,
    )
    assert usage.swap == Swap(usage=4096, available=None)
    assert known(usage.cpu_pressure).some == Stall(1.5, 0.75, 0.25, 1_234_567_000)
    assert known(known(usage.memory_pressure).full).total_ns == 4_000_000
    assert known(usage.io_pressure).some.avg300 == 0.34


@pytest.mark.parametrize(("version", "cgroup"), [(cgroup_v1, V1), (cgroup_v2, V2)], ids=["v1", "v2"])
def test_details(version, cgroup):
    """What metrics tell is the same under both versions, as far as both kernels keep it."""
    details = version.details(cgroup, ["2MB"])
    assert details.cpu_user_ns == 5_120_000_000
    assert (details.periods, details.throttled_periods) == (812, 33)
    assert details.throttled_ns // 1000 == 4_012_345
    assert (details.cpu_period_us, details.cpu_quota_us) == (100_000, 30_000)
    assert details.cpu_shares == pytest.approx(512, abs=27)
    assert (details.memory_failures, details.memory_highest, details.oom_kills) == (7, 41205760, 2)
    assert details.threads == 5
    assert details.threads_limit == (0 if cgroup is V1 else 4194)
    assert details.memory_reservation == (0 if cgroup is V1 else 33554432)
    assert details.swap_limit == (134217728 if cgroup is V1 else 0)
    assert details.memory_kernel == (520192 if cgroup is V1 else 1671168)
    assert details.io == (DeviceIo(254, 0, "Read", 1757184, 43), DeviceIo(254, 0, "Write", 4096, 1))
    assert details.huge_pages == (HugePages("2MB", 4194304, 8388608 if cgroup is V1 else None),)


@pytest.mark.parametrize(("version", "cgroup"), [(cgroup_v1, V1), (cgroup_v2, V2)], ids=["v1", "v2"])
def test_processes(version, cgroup):
    """Processes are counted, also those of an init system that made cgroups of its own below (v2)."""
    assert processes.count(version.process_directory(cgroup)) == 3


@pytest.mark.parametrize(("version", "cgroup"), [(cgroup_v1, V1), (cgroup_v2, V2)], ids=["v1", "v2"])
def test_a_cgroup_that_has_gone(version, cgroup):
    """Nothing is raised, and nothing is said to be 0."""
    gone = Cgroup("/gone", {name: f"{path}/gone" for name, path in cgroup.directories.items()})
    assert version.usage(gone) is None
    assert version.cpu_time(gone) is None
    assert version.details(gone, ["2MB"]).threads is None
    assert processes.count(version.process_directory(gone)) is None
    assert processes.opened(version.process_directory(gone), 4001) is None


def test_version_1_with_less_than_all_controllers():
    """A node without blkio, pids and swap accounting still tells CPU and memory."""
    some = {name: path for name, path in V1.directories.items() if name in {"cpuacct", "memory"}}
    usage = known(cgroup_v1.usage(Cgroup(V1.path, some)))
    assert usage.cpu_ns == 7_123_456_789
    assert known(usage.memory).usage == 36204544
    assert cgroup_v1.details(Cgroup(V1.path, some)).threads is None


def test_interfaces_by_process():
    """The network of a pod is read by a process in it; one that has ended has none."""
    eth0, net1 = processes.network(4001, str(HERE / "proc"))
    assert (eth0.name, eth0.rx_bytes, eth0.rx_errors, eth0.rx_dropped) == ("eth0", 1048976, 1, 2)
    assert (eth0.tx_bytes, eth0.tx_errors, eth0.tx_dropped) == (73218, 3, 4)
    assert (net1.name, net1.rx_bytes) == ("net1", 12345678901)
    assert processes.network(4002, str(HERE / "proc")) == ()


def test_descriptors_and_limits(tmp_path):
    """Descriptors and sockets of all processes are added up; a process that has ended counts as none."""
    (tmp_path / "7/fd").mkdir(parents=True)
    for name, target in (("0", "/dev/null"), ("1", "socket:[123]"), ("2", "pipe:[5]")):
        (tmp_path / "7/fd" / name).symlink_to(target)
    (tmp_path / "7/limits").write_bytes((HERE / "proc/4001/limits").read_bytes())
    (tmp_path / "cgroup.procs").write_text("7\n8\n")
    values = known(processes.opened(str(tmp_path), 7, str(tmp_path)))
    assert (values.count, values.descriptors, values.sockets, values.open_files_limit) == (2, 3, 1, 1024)


@pytest.mark.usefixtures("emptied_by_rm")
def test_cgroups_nested_deeper_than_the_stack(tmp_path):
    """A container may nest its own, and must not spoil the list of all metrics; what is no process is passed over."""
    (tmp_path / "c").mkdir()
    directory = os.open(tmp_path, os.O_RDONLY)
    (tmp_path / "cgroup.procs").touch()
    for level in range(1500):
        os.mkdir("d", dir_fd=directory)
        below = os.open("d", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
        procs = os.open("cgroup.procs", os.O_WRONLY | os.O_CREAT, dir_fd=directory)
        os.write(procs, b"7\n8\nx\n" if level == 1499 else b"")
        os.close(procs)
    os.close(directory)
    assert processes.count(str(tmp_path)) == 2
    assert known(processes.opened(str(tmp_path), 7, str(tmp_path / "c"))).count == 2


def test_a_cgroup_of_version_1_without_a_limit(tmp_path):
    """memory.stat says that there is none, so the file of the cgroup's own limit is not read."""
    memory = tmp_path / "memory"
    memory.mkdir()
    stat = Path(V1.directories["memory"], "memory.stat").read_text()
    (memory / "memory.usage_in_bytes").write_text("36204544\n")
    (memory / "memory.limit_in_bytes").write_text("67108864\n")
    cgroup = Cgroup("/x", {"memory": str(memory)})
    for hierarchical, limit in ((9223372036854771712, None), (67108864, 67108864)):
        text = stat.replace("hierarchical_memory_limit 67108864", f"hierarchical_memory_limit {hierarchical}")
        (memory / "memory.stat").write_text(text)
        assert known(known(cgroup_v1.usage(cgroup)).memory).limit == limit
