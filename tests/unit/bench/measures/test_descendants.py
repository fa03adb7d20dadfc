"""The processes that daemons keep running."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from cri_shim.bench.measures.descendants import descendants_of

if TYPE_CHECKING:
    from pathlib import Path


def run(proc: Path, pid: int, **children_by_thread: str) -> None:
    """A process whose threads have started these children."""
    for thread, children in children_by_thread.items():
        folder = proc / str(pid) / "task" / thread.removeprefix("t")
        folder.mkdir(parents=True)
        (folder / "children").write_text(children)


def test_children_of_all_threads_and_theirs(tmp_path):
    """A program of Go starts processes from any thread."""
    run(tmp_path, 10, t10="11 ", t12="13 14 ")
    run(tmp_path, 11, t11="")
    run(tmp_path, 13, t13="15 ")
    assert descendants_of([10], proc=tmp_path) == [11, 13, 14, 15]


def test_daemons_and_shims_count_for_themselves(tmp_path):
    """dockerd starts a containerd, which is a daemon of its own; what is below a shim is a container."""
    run(tmp_path, 10, t10="20 30 40 ")
    run(tmp_path, 20, t20="21 ")
    run(tmp_path, 30, t30="31 ")
    assert descendants_of([10, 20], apart_from=[30], proc=tmp_path) == [21, 40]


def test_a_process_that_has_ended_has_none(tmp_path):
    """It may end at any time."""
    assert descendants_of([10], proc=tmp_path) == []


def test_a_living_process_is_found():
    """A child of a child of this one."""
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import sys; sys.stdin.read()'])"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as child:
        until = time.monotonic() + 20
        while not (descendants := descendants_of([child.pid])) and time.monotonic() < until:
            time.sleep(0.01)
        assert child.stdin is not None
        child.stdin.close()
    assert len(descendants) == 1
