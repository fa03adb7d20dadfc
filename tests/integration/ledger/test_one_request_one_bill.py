"""The bill of a real request: its parts add up, and everybody who tells it tells the same."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cri_shim.ledger.intervals import union_length
from lab.bridge import program
from lab.pod_configs import pod_config
from tests.integration.ledger.conftest import bill, billed

CLOSE = 0.01  # of the wall time


async def run_and_remove(lab, name, metadata=()):
    """A pod's RunPodSandbox: its bill and the rest of its trailing metadata; the pod is removed again."""
    config = pod_config(name)
    response, trailer = await billed(lab, "RunPodSandbox", metadata, config=config)
    await lab.client.StopPodSandbox(pod_sandbox_id=response.pod_sandbox_id)
    await lab.client.RemovePodSandbox(pod_sandbox_id=response.pod_sandbox_id)
    return bill(trailer), trailer


def metrics(web):
    """Every sample of a scrape."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(web.get("/metrics").decode())
        for sample in family.samples
    }


async def test_the_parts_of_real_requests_add_up(lab, web):
    """For every request of a pod's life hops ∪ helpers ∪ own time is the wall time, within 1 %."""
    bill, _ = await run_and_remove(lab, "adds-up")
    assert bill["hop_count"] > 3
    assert bill["helper_count"] > 0
    requests = web.json("/api/requests?limit=2000")["requests"]
    assert {"RunPodSandbox", "StopPodSandbox", "RemovePodSandbox"} <= {one["method"] for one in requests}
    for one in requests:
        record = web.json(f"/api/requests/{one['id']}")
        wall = record["bill"]["wall_ms"]
        busy = union_length(
            (part["start_ms"], part["start_ms"] + part["duration_ms"]) for part in [*record["hops"], *record["helpers"]]
        )
        assert busy + record["bill"]["own_ms"] == pytest.approx(wall, rel=CLOSE, abs=0.01)


async def test_metadata_page_log_and_metrics_say_the_same(lab, web):
    """One pod start: the trailing metadata, the JSON, the log line and the metrics have the same figures."""
    before = metrics(web)
    bill, _ = await run_and_remove(lab, "same")
    record = web.json(f"/api/requests/{int(bill['id'])}")
    names = (
        *("wall", "transport", "work", "work_cpu", "work_wait", "queue", "world", "front", "price"),
        *("hops", "hops_sum", "helpers", "helpers_sum", "own", "daemon_sum", "transport_sum"),
    )
    for name in names:
        assert record["bill"][f"{name}_ms"] == pytest.approx(bill[name] / 1000, abs=0.002), name
    assert record["hop_count"] == bill["hop_count"] == len(record["hops"])
    assert record["bill"]["split"] == bill["split"] == "estimate"
    after = metrics(web)
    key = (("method", "RunPodSandbox"),)
    total = ("cri_shim_request_duration_seconds_sum", ("api", "v1"), ("code", "OK"), *key)
    assert after[total] - before.get(total, 0) == pytest.approx(bill["wall"] / 1e6, abs=2e-6)
    for part in ("hops", "helpers", "own", "transport", "work", "world", "price"):
        sample = ("cri_shim_request_part_seconds_total", *key, ("part", part))
        assert after[sample] - before.get(sample, 0) == pytest.approx(bill[part] / 1e6, abs=2e-6), part
    line = next(line for line in lab.bridge.log.splitlines() if f"request={int(bill['id'])} " in line)
    assert "level=info" in line
    fields = dict(re.findall(r"(\w+)=(\S+)", line))
    assert float(fields["ms"]) == pytest.approx(bill["wall"] / 1000, abs=0.011)
    for name in ("transport", "work", "queue", "world", "front", "price", "hops", "helpers", "own"):
        assert float(fields[f"{name}_ms"]) == pytest.approx(bill[name] / 1000, abs=0.011), name
    error = bill["front_error"] + bill["transport_error"]
    assert float(fields["price_error_ms"]) == pytest.approx(error / 1000, abs=0.011)
    assert record["bill"]["price_error_ms"] == pytest.approx(error / 1000, abs=0.002)
    for name in ("split", "front_known"):
        assert fields[name] == record["bill"][name] == bill[name]
    assert {wait["part"] for wait in record["waits"]} <= {"queue", "world"}


async def test_a_client_that_asks_gets_each_hop(lab):
    """With the key in the request's metadata the hops come along, in order of their start."""
    bill, trailer = await run_and_remove(lab, "hops", (("cri-shim-hops", "1"),))
    entries = re.findall(r"(\S+)@(\d+)\+(\d+)(?: |$)", trailer["cri-shim-hops"])
    assert len(entries) == bill["hop_count"] + bill["helper_count"]
    starts = [int(entry[1]) for entry in entries]
    assert starts == sorted(starts)
    spent = union_length((int(entry[1]), int(entry[1]) + int(entry[2])) for entry in entries)
    assert spent + bill["own"] == pytest.approx(bill["wall"], rel=CLOSE)


async def test_a_failed_request_has_a_bill_too(lab, web):
    """Not found: the error carries the bill, and the ledger knows the code."""
    error, trailer = await billed(lab, "PodSandboxStatus", pod_sandbox_id="f" * 64)
    assert error.code() is grpc.StatusCode.NOT_FOUND
    record = web.json(f"/api/requests/{int(bill(trailer)['id'])}")
    assert (record["code"], record["method"]) == ("NOT_FOUND", "PodSandboxStatus")
    assert "is not known" in record["error"]


async def test_the_terminal_shows_what_the_page_shows(lab, web):
    """Table, waterfall and explanation of the running daemon."""
    bill, _ = await run_and_remove(lab, "terminal")

    async def cri_shim(*arguments):
        command = [*program(), *arguments, "--config", str(lab.bridge.config_file)]
        environment = {**os.environ, "COLUMNS": "200", "PYTHONIOENCODING": "utf-8"}
        ran = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, env=environment, timeout=60, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    table = await cri_shim("hops")
    assert re.search(r"^RunPodSandbox +\d+ +0 ", table, re.MULTILINE)
    shown = await cri_shim("hops", "show", str(int(bill["id"])))
    assert "Tasks/Create" in shown
    assert "bridge ADD" in shown
    assert re.search(
        r"^wall .* = transport .* \+ own work .* \+ own queue .* \+ waiting for the world ", shown, re.MULTILINE
    )
    assert re.search(r"^the hop cost [\d.]+ ms .*own work [\d.]+ \(measured\)$", shown, re.MULTILINE)
    assert "█" in shown
    assert "RunPodSandbox" in await cri_shim("hops", "slowest")
    explained = await cri_shim("explain", "RunPodSandbox")
    assert "start the pod's shim" in explained
    assert "on a bridge of the node" in " ".join(explained.split())


async def test_live_events_follow_a_request_from_start_to_end(lab, web):
    """A watcher gets the request, each hop and helper, and the bill; other requests do not pay for it."""

    ready = threading.Event()

    def watch():
        seen = []
        deadline = time.monotonic() + 60
        with urllib.request.urlopen(f"http://{web.address}/api/live", timeout=60) as response:
            ready.set()
            for raw in response:
                line = raw.decode().rstrip()
                if line.startswith("event: "):
                    seen.append(line.removeprefix("event: "))
                if "event: end" in line:
                    data = next(response).decode()
                    if '"RunPodSandbox"' in data or time.monotonic() > deadline:
                        return seen
        return seen

    watching = asyncio.create_task(asyncio.to_thread(watch))
    await asyncio.to_thread(ready.wait, 30)
    await run_and_remove(lab, "live")
    seen = await asyncio.wait_for(watching, 60)
    assert seen.count("hop") >= 6
    assert seen.count("helper") >= 2
    assert "start" in seen


def test_a_page_of_another_origin_gets_nothing(web):
    """A Host that is a name (DNS rebinding) is refused; addresses and localhost are fine."""
    with pytest.raises(urllib.error.HTTPError, match="403"):
        web.get("/api/methods", Host="evil.example:80")
    assert web.get("/api/methods", Host="localhost:1")
