"""Limits are reported when little of them is left."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from cri_shim.doctor.checks import limits
from cri_shim.doctor.checks.limits import (
    Use,
    judge_inotify,
    judge_open_files,
    judge_pids,
    read_inotify,
    read_open_files,
    read_pids,
)
from cri_shim.doctor.facts.place import Place
from tests.unit.doctor.node_tree import findings, plant, reported

PLACE = Place()


@pytest.mark.parametrize(("soft", "code"), [("1048576", {}), ("unlimited", {}), ("1024", {"nofile-low": "warning"})])
def test_open_files(tmp_path, soft, code):
    text = f"Limit            Soft Limit  Hard Limit  Units\nMax open files   {soft}  1048576  files\n"
    place = plant(tmp_path, {"proc/5/limits": text})
    assert reported(judge_open_files(read_open_files(5, place), 5, place)) == code


def test_a_daemon_that_does_not_run_has_no_limit():
    (outcome,) = judge_open_files(None, 0, PLACE)
    assert (outcome.code, reported([outcome])) == ("nofile-low", {})
    assert hasattr(outcome, "reason")


def test_pids(tmp_path):
    files = {
        "proc/loadavg": "0.1 0.1 0.1 2/900 1234\n",
        "proc/sys/kernel/pid_max": "4194304\n",
        "proc/sys/kernel/threads-max": "192536\n",
        "proc/9/cgroup": "0::/system.slice/containerd.service\n",
        "sys/fs/cgroup/system.slice/containerd.service/pids.max": "max\n",
        "sys/fs/cgroup/system.slice/containerd.service/pids.current": "900\n",
    }
    place = plant(tmp_path, files)
    assert reported(judge_pids(read_pids(place, {"containerd": 9}))) == {}
    plant(tmp_path, {"proc/sys/kernel/pid_max": "1000\n"})
    outcomes = list(judge_pids(read_pids(place, {"containerd": 9})))
    assert reported(outcomes) == {"pids-nearly-used": "warning"}
    assert findings(outcomes)[0].remedy == ("$ sysctl -w kernel.pid_max=4000",)


@pytest.mark.parametrize("line", ["0::/system.slice/containerd.service\n", "8:pids:/system.slice/containerd.service\n"])
def test_tasks_of_containerds_unit(tmp_path, line):
    directory = f"sys/fs/cgroup/{'pids/' if 'pids' in line else ''}system.slice/containerd.service"
    files = {"proc/9/cgroup": line, f"{directory}/pids.max": "1000\n", f"{directory}/pids.current": "800\n"}
    outcomes = list(judge_pids(read_pids(plant(tmp_path, files), {"containerd": 9})))
    assert findings(outcomes)[0].remedy == ("$ systemctl set-property containerd TasksMax=infinity",)


def test_inotify_is_counted():
    """Root's instances and watches are counted from the descriptors of its processes."""
    before = read_inotify(PLACE)
    libc = ctypes.CDLL(None)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    try:
        libc.inotify_add_watch(descriptor, b"/", 0x100)
        numbers = [entry for entry in Path("/proc/self/fd").iterdir() if limits._is_inotify(entry)]
        assert str(descriptor) in {entry.name for entry in numbers}
        assert limits._watches(Path(f"/proc/self/fdinfo/{descriptor}")) == 1
        uses = read_inotify(PLACE)
    finally:
        os.close(descriptor)
    assert [use.limit for use in uses] == [use.limit for use in before]
    if os.geteuid() == 0:
        assert all(use.used for use in uses)


def test_inotify_that_is_nearly_used():
    remedy = "$ sysctl -w fs.inotify.max_user_instances=512"
    assert reported(judge_inotify([Use("instances", 10, 128, remedy), Use("watches", 10, None, "")])) == {}
    outcomes = list(judge_inotify([Use("instances", 110, 128, remedy), Use("watches", 10, 65536, "")]))
    assert reported(outcomes) == {"inotify-nearly-used": "warning"}
    assert findings(outcomes)[0].remedy == (remedy,)


def test_inotify_that_only_root_sees():
    assert [use.used for use in read_inotify(Place(uid=1000))] == [None, None]
    outcomes = list(judge_inotify([Use("instances", None, 128, ""), Use("watches", None, 65536, "")]))
    assert [outcome.code for outcome in outcomes] == ["inotify-nearly-used"]
    assert reported(outcomes) == {}
