"""The readers on the cgroups of this machine's kernel, with processes of our own and without any runtime.

A hybrid node has the unified hierarchy beside those of version 1, without most controllers: CPU time, pressure and
processes can be read there all the same.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import time
from pathlib import Path

import pytest

from cri_shim.kernel import LinuxKernel
from cri_shim.stats.reader import Reader, Subject

pytestmark = pytest.mark.root
BURN = ("taskset", "-c", "0", "sh", "-c", "while :; do :; done")


def mount_points(kind):
    """Where hierarchies of a kind are mounted, with their options."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == kind:
            yield Path(before.split()[4]), after.split()[2].split(",")


@contextlib.contextmanager
def cgroups(id_, parents):
    """A cgroup of that name below each parent, removed with its processes."""
    made = [parent / id_ for parent in parents]
    processes = [subprocess.Popen(BURN) for _ in range(2)]
    try:
        for directory in made:
            directory.mkdir()
            for process in processes:
                (directory / "cgroup.procs").write_text(str(process.pid))
                os.sched_setaffinity(process.pid, {0})  # cgroup v2 gives it all CPUs of the cgroup
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for directory in made:
            for _ in range(50):
                with contextlib.suppress(OSError):
                    directory.rmdir()
                    break
                time.sleep(0.02)


def hierarchies(*, unified):
    """The mount points that count for a version, one for each hierarchy."""
    if unified:
        return [path for path, _ in mount_points("cgroup2")][:1]
    wanted = {"cpu", "cpuacct", "memory", "pids", "blkio"}
    return [path for path, options in mount_points("cgroup") if wanted.intersection(options)]


@pytest.mark.parametrize("unified", [False, True], ids=["v1", "v2"])
def test_two_busy_processes(unified):
    """Their CPU time grows, they are counted, and under version 2 they wait for the one CPU that they share."""
    parents = hierarchies(unified=unified)
    if not parents or not os.access(parents[0], os.W_OK):
        pytest.skip("no such hierarchy here")
    id_ = f"stats-test-{secrets.token_hex(28)}"
    reader = Reader(LinuxKernel(), unified=unified)
    with cgroups(id_, parents) as processes:
        subject = Subject(id_, processes[0].pid, network=True)
        (first,) = reader.usages([(subject, None)], count=True)
        time.sleep(1.5)
        (second,) = reader.usages([(subject, first.own)], count=True)
        ((details, opened),) = reader.details([(subject, first.own)])
        assert first.own is not None
        assert first.own.path.endswith(id_)
        assert first.usage is not None
        assert second.usage is not None
        assert first.usage.cpu_ns is not None
        assert second.usage.cpu_ns is not None
        assert 0.02e9 < second.usage.cpu_ns - first.usage.cpu_ns < 2.5e9
        assert second.processes == 2
        assert opened is not None
        assert opened.descriptors >= 6
        assert details is not None
        assert details.cpu_user_ns is not None
        if unified:
            assert second.usage.cpu_pressure is not None
            assert second.usage.cpu_pressure.some.total_ns > 0.1e9
        else:
            assert second.usage.memory is not None
            assert details.threads == 2
            assert details.cpu_shares == 1024
    (gone,) = reader.usages([(subject, first.own)], count=True)
    assert gone.usage is None
    assert gone.own is None
