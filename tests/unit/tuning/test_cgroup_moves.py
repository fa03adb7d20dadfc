"""Getting the kernel ready for moves into cgroups: as often as needed, and never in anybody's way."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from cri_shim.kernel import LinuxKernel
from cri_shim.kernel.cgroups import Hierarchies
from cri_shim.kernel.executors import FS
from cri_shim.kernel.protocol import is_cgroup2
from cri_shim.tuning.cgroup_moves import STAYS_READY, CgroupMoves, rejoin_cgroup


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _threads_are_done() -> None:
    for running in [FS.submit(lambda: None) for _ in range(FS._max_workers)]:
        running.result(5)


def test_one_move_is_enough_for_all_that_come_soon():
    """A hundred containers at once need not have a hundred; the next in a while has one of its own."""
    done: list[float] = []
    clock = Clock()
    moves = CgroupMoves(lambda: done.append(clock.now), clock)
    for _ in range(3):
        moves.prepare()
    _threads_are_done()
    assert done == [0.0]
    clock.now = STAYS_READY * 0.9
    moves.prepare()
    _threads_are_done()
    assert done == [0.0]
    clock.now = STAYS_READY
    moves.prepare()
    _threads_are_done()
    assert done == [0.0, STAYS_READY]


def test_no_caller_waits_for_it():
    """It takes the kernel some milliseconds, which are to pass beside the caller's work."""
    go, began = threading.Event(), threading.Event()

    def move() -> None:
        began.set()
        go.wait(5)

    CgroupMoves(move).prepare()
    assert began.wait(5)  # in a thread: the call has come back
    go.set()


def test_where_it_may_not_it_is_tried_once():
    """In a container whose cgroups are read-only, say; the runtime waits then, as it does without us."""
    tried: list[float] = []
    clock = Clock()

    def move() -> None:
        tried.append(clock.now)
        raise PermissionError(1, "Operation not permitted", "/sys/fs/cgroup/cgroup.procs")

    moves = CgroupMoves(move, clock)
    for now in (0.0, 1.0, 2.0):
        clock.now = now
        moves.prepare()
        _threads_are_done()
    assert tried == [0.0]


def test_a_process_without_a_cgroup_that_it_sees(tmp_path):
    """Its cgroup namespace may begin above what is mounted."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text("0::/outside\n")
    with pytest.raises(FileNotFoundError, match="cgroup of this process"):
        rejoin_cgroup(Hierarchies({"": ("/sys/fs/cgroup", "/inside")}, proc=str(tmp_path)))


@pytest.mark.skipif(os.geteuid() != 0, reason="cgroups of this process are root's")
def test_it_stays_where_it_is():
    """The kernel takes the move, and afterwards everything is as before."""
    before = Path("/proc/self/cgroup").read_text()
    rejoin_cgroup(Hierarchies.read(unified=is_cgroup2(LinuxKernel())))
    assert Path("/proc/self/cgroup").read_text() == before
