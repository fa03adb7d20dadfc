"""Processes as /proc shows them."""

from __future__ import annotations

import os
import subprocess

from cri_shim.kernel.processes import all_pids, arguments, cgroups, children


def test_a_living_process() -> None:
    """It is listed, below the one that started it, with its arguments and the cgroups that it shares with us."""
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            assert process.pid in all_pids()
            assert process.pid in children(os.getpid())
            assert arguments(process.pid) == ["sleep", "600"]
            assert cgroups(process.pid) == cgroups(os.getpid())
        finally:
            process.kill()
    assert process.pid not in children(os.getpid())


def test_a_process_that_has_ended(tmp_path) -> None:
    """Nothing is known of it, and that is no error."""
    (tmp_path / "self").mkdir()
    assert all_pids(tmp_path) == []
    assert (arguments(7, tmp_path), children(7, tmp_path), cgroups(7, tmp_path)) == ([], [], "")


def test_every_thread_may_have_children(tmp_path) -> None:
    """The kernel lists them by the thread that started them."""
    for thread, started in (("7", "8 9 "), ("10", "11 ")):
        (tmp_path / "7" / "task" / thread).mkdir(parents=True)
        (tmp_path / "7" / "task" / thread / "children").write_text(started)
    assert sorted(children(7, tmp_path)) == [8, 9, 11]
