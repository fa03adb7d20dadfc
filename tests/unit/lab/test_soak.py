"""A soak notices memory, threads and file descriptors that grow with the work."""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from lab.soak.__main__ import main
from lab.soak.growth import FEW, MOST_MIB, Sample, grown, kept

if TYPE_CHECKING:
    from lab.processes import Daemon

IDLE = Sample(0, 7, 40.0, 10, 50)


def series(*memory: float, pid: int = 7) -> list[Sample]:
    """Samples of one process with these MiB."""
    return [Sample(5 * number, pid, mib, 10, 50) for number, mib in enumerate(memory)]


def test_memory_that_only_fills_caches_at_first_is_no_growth():
    """The first third does not count."""
    assert grown(series(30, 35, 40, 41, 41, 42, 42, 41, 42)) == []


def test_memory_that_grows_with_the_work_is_growth():
    """A few MiB more in the last third than in the second."""
    (line,) = grown(series(40, 41, 42, 43, 44, 45, 45 + MOST_MIB, 46 + MOST_MIB, 47 + MOST_MIB))
    assert line == f"MiB of memory (PSS): 44.0 in the second third of the time, {46 + MOST_MIB:.1f} in the last"


def test_one_large_answer_is_no_growth():
    """The median of a third leaves a single high sample out."""
    assert grown(series(40, 40, 40, 40, 40, 40, 40, 90, 40)) == []


def test_a_daemon_that_was_started_again_begins_anew():
    """Samples of its predecessor say nothing about it, and too few of its own say nothing either."""
    assert grown(series(1, 1, 1, 1, 1, 1) + series(*[50] * FEW, pid=8)) == []
    assert grown(series(1, 1, 1, 1, 1, 1) + series(50, 60, 70, pid=8)) == []


def test_threads_that_grow_with_the_work_are_growth():
    """A pool that starts a few more is not."""
    steady = [replace(sample, threads=10 + number // 3) for number, sample in enumerate(series(*[40] * 9))]
    assert grown(steady) == []
    leaking = [replace(sample, threads=10 + 4 * number) for number, sample in enumerate(series(*[40] * 9))]
    assert grown(leaking) == ["threads: 26.0 in the second third of the time, 38.0 in the last"]


def test_file_descriptors_that_stay_are_named():
    """Fewer than before are fine."""
    assert kept(IDLE, replace(IDLE, descriptors=40)) == []
    assert kept(IDLE, replace(IDLE, descriptors=51)) == ["file descriptors: 50 before, 51 after"]


def test_a_sample_is_of_the_process():
    """This process has a thread, some files and some memory."""
    sample = Sample.take(cast("Daemon", SimpleNamespace(pid=os.getpid())), 3.0)
    assert (sample.second, sample.pid) == (3.0, os.getpid())
    assert sample.threads >= 1
    assert sample.descriptors >= 3
    assert sample.pss_mib > 1


def test_help_says_what_it_does(capsys: pytest.CaptureFixture[str]):
    """The options have a sentence each."""
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--kill-containerd S" in capsys.readouterr().out
