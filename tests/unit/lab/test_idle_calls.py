"""What a kubelet's requests on a quiet node cost: how it is added up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from lab.measuring import idle_calls
from lab.measuring.idle_calls import NOTHING, calls_a_minute, cpu_seconds, table, with_tables
from lab.measuring.runtimes_page import DOCS, PAGE

if TYPE_CHECKING:
    from lab.cri_client import CriClient


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


def test_requests_with_pauses_are_beside_the_sum():
    """They are the same requests, measured again."""
    rounds = {"plugin": [{NOTHING: 0.0, "Version": 0.001, "Version, with pauses": 0.003}]}
    assert table(rounds, {"Version": 6}).splitlines()[-2:] == [
        "| all | |  | 6 ms |",
        "| Version, with pauses | | 3.00 ms | |",
    ]


async def test_each_status_is_read_at_once_and_with_pauses(monkeypatch):
    """A list of what runs has its filter, and each container's status is read twice."""
    monkeypatch.setattr(idle_calls, "PERIOD", 0.01)
    asked = []

    class Client:
        def __getattr__(self, rpc: str):
            async def call(**fields: object) -> None:
                asked.append((rpc, fields))

            return call

    spent = await idle_calls.one_round(cast("CriClient", Client()), [os.getpid()], ["a", "b"])
    assert [fields["container_id"] for rpc, fields in asked if rpc == "ContainerStatus"] == ["a", "b"] * 2
    assert {bool(fields) for rpc, fields in asked if rpc == "ListContainers"} == {True, False}
    assert set(spent) == {*calls_a_minute(2), NOTHING, "ContainerStatus, with pauses"}


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
