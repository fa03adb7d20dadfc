"""What a kubelet's requests on a quiet node cost: how it is added up."""

from __future__ import annotations

import os

from lab.measuring.idle_calls import NOTHING, calls_a_minute, cpu_seconds, table, with_tables
from lab.measuring.runtimes_page import DOCS, PAGE


def test_the_calls_of_a_minute_are_a_kubelets():
    """As they were counted with 105 containers: 630 of them read the status of one."""
    calls = calls_a_minute(105)
    assert calls["ContainerStatus"] == 630
    assert (calls["ListContainers"], calls["ListPodSandbox"]) == (72, 66)
    assert (calls["ListContainers of what runs"], calls["ListPodSandbox of what runs"]) == (30, 30)
    assert (calls["Status"], calls["ListContainerStats"], calls["ImageFsInfo"], calls["Version"]) == (12, 6, 6, 6)


def test_a_minute_is_the_median_call_times_the_calls():
    """And sixty seconds of what the daemons do by themselves are part of it."""
    rounds = {
        "plugin": [{NOTHING: 0.001, "Version": seconds} for seconds in (0.5, 0.002, 0.001)],
        "bridge": [{NOTHING: 0.002, "Version": 0.004}],
    }
    assert table(rounds, {"Version": 6}).splitlines()[2:] == [
        "| nothing |  |  | 60 ms |  | 120 ms |",
        "| Version | 6 | 2.00 ms | 12 ms | 4.00 ms | 24 ms |",
        "| all | |  | 72 ms |  | 144 ms |",
    ]


def test_the_cpu_time_of_all_threads_counts():
    """It is that of this process here, and grows while it works."""
    before = cpu_seconds([os.getpid()])
    sum(number * number for number in range(300_000))
    assert cpu_seconds([os.getpid()]) > before > 0


def test_the_page_has_the_tables_of_its_results():
    """``python -m lab.measuring.idle_calls --page`` would change nothing."""
    page = PAGE.read_text(encoding="utf-8")
    assert "<!-- idle calls idle-calls: begin -->" in page
    assert with_tables(page, DOCS / "data") == page
