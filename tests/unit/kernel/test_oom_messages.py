"""What the kernel's log says of processes that were killed because memory ran out."""

from __future__ import annotations

import time

import pytest

from cri_shim.kernel.oom_messages import was_killed
from tests.unit.kernel.kernel_log import LONG_AGO, kernel_log, killed

A, B = "a" * 64, "b" * 64
NOISE = [(2000, "IPv6: ADDRCONF(NETDEV_CHANGE): veth0: link becomes ready"), (1500, "tail invoked oom-killer: order=0")]


def since() -> int:
    """A start five seconds ago."""
    return time.monotonic_ns() // 1000 - 5_000_000


def asked(id_, pid, *records, **how):
    with kernel_log(*records, **how) as path:
        return was_killed(id_, pid, since(), path)


def test_the_victim_and_its_neighbour():
    """The cgroup of the victim is named, and so is its process."""
    assert asked(A, 0, *NOISE, *killed(A, 7)) is True
    assert asked("x", 7, *NOISE, *killed(A, 7)) is True
    assert asked(B, 8, *NOISE, *killed(A, 7)) is False


def test_a_group():
    """All processes of a group are named, and its cgroup; a group of another container says nothing of this one."""
    records = killed(A, 7, group=(7, 9))
    assert asked("x", 9, *records) is True
    assert asked(A, 1, *records) is True
    assert asked(B, 1, *records) is False


def test_a_group_without_a_summary():
    """The kernel limits the summaries, not the lines of groups."""
    assert asked(A, 1, *killed(A, 7, summary=False, group=(7,))) is True


def test_a_kill_without_a_summary():
    """Its process is named. Of what has another process it is not known whether a child of it is meant."""
    records = [*NOISE, *killed(A, 7, summary=False)]
    assert asked("x", 7, *records) is True
    assert asked(B, 8, *records) is None


def test_a_log_that_begins_too_late():
    """What has been overwritten may have said it."""
    assert asked(B, 8, *killed(A, 7), since_boot=False) is None
    assert asked(A, 7, *killed(A, 7), since_boot=False) is True


def test_a_process_id_of_long_ago():
    """It has been given to another process since."""
    assert asked(B, 7, *killed(A, 7, ago=LONG_AGO), *NOISE) is False


def test_a_program_that_writes_into_the_log():
    """Its records have a facility, and do not count."""
    assert asked(A, 7, *killed(A, 7), priority=14) is False


@pytest.mark.parametrize("path", ["/no/such/log", "/proc/self"])
def test_a_log_that_cannot_be_read(path):
    """Nothing is known then."""
    assert was_killed(A, 7, since(), path) is None


def test_a_log_without_records():
    """That is none."""
    assert asked(A, 7) is None


def test_a_damaged_record(tmp_path):
    """A record without the header is passed over."""
    path = tmp_path / "log"
    path.write_text("not a record of a kernel\n")
    assert was_killed(A, 7, since(), str(path)) is None
