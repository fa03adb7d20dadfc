"""Processes as /proc shows them."""

from __future__ import annotations

import math
import os
import subprocess

from cri_shim.kernel.processes import age, all_pids, arguments, cgroups, children

COMMAND = ["sh", "-c", "echo here; read -r line"]


def test_a_living_process() -> None:
    """It is listed, below the one that started it, with its arguments and the cgroups that it shares with us."""
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"here\n"  # before it runs its arguments may not be there
            assert process.pid in all_pids()
            assert process.pid in children(os.getpid())
            assert arguments(process.pid) == COMMAND
            assert cgroups(process.pid) == cgroups(os.getpid())
            assert 0 <= age(process.pid) < 600
        finally:
            process.kill()
    assert process.pid not in children(os.getpid())


def test_a_process_that_has_ended(tmp_path) -> None:
    """Nothing is known of it, and that is no error."""
    (tmp_path / "self").mkdir()
    assert all_pids(tmp_path) == []
    assert age(7, tmp_path) == math.inf
    assert (arguments(7, tmp_path), children(7, tmp_path), cgroups(7, tmp_path)) == ([], [], "")


def test_every_thread_may_have_children(tmp_path) -> None:
    """The kernel lists them by the thread that started them."""
    for thread, started in (("7", "8 9 "), ("10", "11 ")):
        (tmp_path / "7" / "task" / thread).mkdir(parents=True)
        (tmp_path / "7" / "task" / thread / "children").write_text(started)
    assert sorted(children(7, tmp_path)) == [8, 9, 11]
