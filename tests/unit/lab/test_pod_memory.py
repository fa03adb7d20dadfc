"""The lines that tell what a pod takes."""

from __future__ import annotations

import os

from lab.measuring.pod_memory import line, memory


def test_memory_of_this_process():
    """All three measures, in MiB; what no file backs is a part of what is only ours."""
    now = memory(os.getpid())
    assert 1 < now["own"] <= now["USS"] + 1
    assert now["USS"] <= now["PSS"] + 1


def test_a_line_says_what_each_pod_took():
    """Only from one step to the next."""
    before, now = {"PSS": 50.0, "USS": 45.0, "own": 40.0}, {"PSS": 60.0, "USS": 55.0, "own": 50.0}
    assert line("105 pods", now, before, 100) == (
        "105 pods: PSS 60.0 MiB  USS 55.0 MiB  own 50.0 MiB  (102 KiB own for each pod)"
    )
    assert line("image pulled", before) == "image pulled: PSS 50.0 MiB  USS 45.0 MiB  own 40.0 MiB"
