"""Memory of processes by three measures."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys

import pytest

from cri_shim.bench.measures.memory import read_memory
from cri_shim.bench.results.schema import Process

MYSELF = Process("myself", os.getpid())


def test_the_measures_are_ordered():
    """No page counts for more in PSS than in RSS, none in USS that others have, and the machine has given away more."""
    memory = read_memory([MYSELF], [])
    assert 1 < memory.uss["myself"] <= memory.pss["myself"] <= memory.rss["myself"] < memory.rss["machine"]


TOUCH = """
import mmap, sys
shared = mmap.mmap(int(sys.argv[1]), 32 << 20)
touched = sum(shared[at] for at in range(0, 32 << 20, mmap.PAGESIZE))
print(touched, flush=True)
sys.stdin.read()
"""


def test_pages_that_two_processes_have_are_shared_out():
    """Half of them for each in PSS, all of them in RSS, none in USS."""
    descriptor = os.memfd_create("shared")
    os.ftruncate(descriptor, 32 << 20)
    with mmap.mmap(descriptor, 32 << 20) as shared:
        shared.write(b"x" * (32 << 20))
        alone = read_memory([MYSELF], [])
        with subprocess.Popen(
            [sys.executable, "-c", TOUCH, str(descriptor)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[descriptor],
        ) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            other.stdout.readline()
            together = read_memory([MYSELF], [])
            other.stdin.close()
    os.close(descriptor)
    assert together.rss["myself"] == pytest.approx(alone.rss["myself"], abs=8)
    assert together.pss["myself"] == pytest.approx(alone.pss["myself"] - 16, abs=8)
    assert together.uss["myself"] == pytest.approx(alone.uss["myself"] - 32, abs=8)


def test_shims_are_added_up():
    """Of those that are still there."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()
        one = read_memory([], [children[0].pid])
        both = read_memory([], [*(child.pid for child in children), 2**22 - 1])
        assert both.uss["shims"] > 1.5 * one.uss["shims"] > 1
        assert both.pss["shims"] >= both.uss["shims"]
    finally:
        for child in children:
            child.communicate()


def test_what_cannot_be_read_is_not_there():
    """A process that cannot be looked at is not one that holds nothing."""
    memory = read_memory([Process("gone", 2**22 - 1)], [])
    assert "gone" not in memory.pss
    assert "gone" not in memory.rss


def test_what_daemons_keep_running_is_added_up():
    """There is a line for helpers where there are any, and none where there are not."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        one = read_memory([], [], [child.pid])
        two = read_memory([], [], [child.pid, os.getpid(), 2**22 - 1])
        child.communicate()
    assert 1 < one.pss["helpers"] < two.pss["helpers"]
    assert two.uss["helpers"] <= two.pss["helpers"] <= two.rss["helpers"]
    assert "helpers" not in read_memory([], []).pss
