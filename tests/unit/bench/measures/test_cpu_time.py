"""CPU seconds of other processes, finer than ticks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cri_shim.bench.measures.cpu_time import TICKS, children_seconds, own_seconds

# Works in threads that have ended by the time of "done", then waits.
WORKER = """
import sys, threading
work = lambda: sum(range(3_000_000))
threads = [threading.Thread(target=work) for _ in range(3)]
for each in threads: each.start()
for each in threads: each.join()
print("done", flush=True)
sys.stdin.read()
"""
NO_PROCESS = 2**22 - 1


@pytest.fixture
def worker():
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "done\n"
        yield process
        process.stdin.close()


def ticks(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def test_threads_that_have_ended_are_counted(worker):
    """As the kernel counts them in ticks, of which none can be missing."""
    assert own_seconds(worker.pid) == pytest.approx(ticks(worker.pid), abs=0.05)
    main = int(Path(f"/proc/{worker.pid}/task/{worker.pid}/schedstat").read_text().split()[0]) / 1e9
    assert own_seconds(worker.pid) > main + 0.03


def test_work_of_less_than_a_tick_is_seen():
    """Two readings in a row differ by the work of reading; in ticks nearly all would be the same."""
    assert len({own_seconds(os.getpid()) for _ in range(200)}) > 100


def test_a_process_that_is_gone_has_none():
    """No error, and no time."""
    assert own_seconds(NO_PROCESS) == children_seconds(NO_PROCESS) == 0


def test_ticks_stand_in_where_there_is_no_such_clock(worker, monkeypatch):
    """The same time, less finely."""

    def refuse(_clock: int) -> float:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr("time.clock_gettime", refuse)
    assert own_seconds(worker.pid) == ticks(worker.pid) > 0
