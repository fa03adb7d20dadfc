"""Time that is put somewhere on purpose appears there, and nowhere else."""

from __future__ import annotations

import asyncio
import signal
import stat
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.ledger.bill_text import KEY, parse_bill
from cri_shim.ledger.unfinished import UNFINISHED
from lab.faults.slow_socket import SlowSocket
from lab.lab import Lab
from lab.pod_configs import container_config, pod_config, sh
from lab.registry import free_port
from tests.integration.tracing.conftest import call, get, need_containerd, need_spans

if TYPE_CHECKING:
    from pathlib import Path

LATE = 0.020
PODS = 5
ATTEMPTS = 3
"""Comparisons: other work on the machine may spoil one, and a fault of the ledger spoils all."""
SLOW = 0.6

SLOW_BRIDGE = """#!/bin/sh
sleep "$(cat {seconds})"
exec /usr/lib/cni/bridge
"""


async def bills(lab: Lab, split: str, pods: int = PODS) -> list[dict[str, Any]]:
    """Run and remove pods, one after the other; their records, once their hops are split as wanted."""
    result = []
    for _ in range(pods):
        made, trailer = await call(lab, "RunPodSandbox", config=pod_config(cgroup_parent=lab.cgroup_parent))
        path = f"/api/requests/{int(parse_bill(trailer[KEY])['id'])}"
        async with asyncio.timeout(40):
            while (record := await asyncio.to_thread(get, lab, path))["bill"]["split"] != split:
                await asyncio.sleep(0.1)
        result.append(record)
        await lab.client.StopPodSandbox(pod_sandbox_id=made.pod_sandbox_id)
        await lab.client.RemovePodSandbox(pod_sandbox_id=made.pod_sandbox_id)
    return result


def of_bill(records: list[dict[str, Any]], name: str) -> float:
    """The least of one figure of the bill, in ms: a busy machine makes some pods slower, and none quicker."""
    return float(min(record["bill"][name] for record in records))


def of_hops(records: list[dict[str, Any]], name: str) -> float:
    """Over all hops that have ended, the figure that a quarter of them stays below, in ms."""
    figures = sorted(hop[name] for record in records for hop in record["hops"] if hop["code"] != UNFINISHED)
    return float(figures[len(figures) // 4])


async def measured(lab: Lab, slow: SlowSocket, seconds: float, split: str) -> list[dict[str, Any]]:
    """The records of pods made by a daemon that has known only this delay."""
    slow.seconds = seconds
    await asyncio.to_thread(lab.bridge.restart)
    async with asyncio.timeout(30):
        while (await asyncio.to_thread(get, lab, "/api/node"))["null_hop_ms"] is None:
            await asyncio.sleep(0.1)
    await asyncio.sleep(1)  # the few null calls of the start
    await bills(lab, split, 1)
    return await bills(lab, split)


@pytest.mark.parametrize("split", ["estimate", "spans"])
async def test_a_delay_before_containerd_is_transport(split: str) -> None:
    """20 ms more before every call are 20 ms more of transport for every hop; containerd's share and helpers stay."""
    need_containerd()
    port = free_port()
    settings: dict[str, Any] = {"http": {"address": f"127.0.0.1:{port}"}}
    if split == "spans":
        settings["tracing"] = {"containerd_spans": "ask"}
    spans_to = f"http://127.0.0.1:{port}" if split == "spans" else ""
    lab = Lab("bridge", settings=settings, spans_to=spans_to)
    path = lab.directory / "slow.sock"
    settings["containerd"] = {"address": str(path)}
    async with SlowSocket(path, str(lab.directory / "containerd" / "c.sock")) as slow, lab:
        if split == "spans":
            need_spans(lab)
        for _ in range(ATTEMPTS):
            before = await measured(lab, slow, 0.0, split)
            after = await measured(lab, slow, LATE, split)
            if not (wrong := unlike_transport(before, after)):
                break
            print(f"{split}: {wrong}")
    assert not wrong


def unlike_transport(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """What does not look as if each hop had been delayed on its way, and nothing else."""
    more = of_hops(after, "transport_ms") - of_hops(before, "transport_ms")
    hops = min(sum(hop["code"] != UNFINISHED for hop in record["hops"]) for record in after)
    all_hops = of_bill(after, "transport_sum_ms") - of_bill(before, "transport_sum_ms")
    # By hop: what containerd does for a pod takes so long that its own ups and downs hide a delay.
    daemon = of_hops(after, "daemon_ms") - of_hops(before, "daemon_ms")
    others = {name: of_bill(after, name) - of_bill(before, name) for name in ("helpers_ms", "own_ms")}
    late = LATE * 1000
    right = {
        f"transport of a hop: {more:.2f} ms more": late * 0.9 <= more <= late * 1.6,
        f"transport of {hops} hops: {all_hops:.2f} ms more": all_hops >= hops * late * 0.8,
        f"containerd's share of a hop: {daemon:.2f} ms more": daemon < late / 2,
        f"the rest: {others} more": all(value < hops * late for value in others.values()),
    }
    return [what for what, holds in right.items() if not holds]


async def test_a_slow_plugin_is_helper_time(tmp_path: Path) -> None:
    """A CNI plugin that takes longer makes helpers longer by as much, and neither transport nor own time."""
    need_containerd()
    seconds = tmp_path / "seconds"
    seconds.write_text("0")
    plugin = tmp_path / "bin" / "bridge"
    plugin.parent.mkdir()
    plugin.write_text(SLOW_BRIDGE.format(seconds=seconds))
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    async with Lab(
        "bridge", settings={"cni": {"bin_dir": "", "bin_dirs": [str(plugin.parent), "/usr/lib/cni"]}}
    ) as lab:
        await asyncio.sleep(1)  # for the first null calls
        for _ in range(ATTEMPTS):
            seconds.write_text("0")
            before = await bills(lab, "estimate", 3)
            seconds.write_text(str(SLOW))
            after = await bills(lab, "estimate", 3)
            helpers = of_bill(after, "helpers_ms") - of_bill(before, "helpers_ms")
            others = [of_bill(after, name) - of_bill(before, name) for name in ("own_ms", "transport_ms", "price_ms")]
            if helpers == pytest.approx(SLOW * 1000, rel=0.3) and max(others) < SLOW * 1000 / 3:
                break
    assert helpers == pytest.approx(SLOW * 1000, rel=0.3)
    assert max(others) < SLOW * 1000 / 3
    slow = max(after[0]["helpers"], key=lambda helper: helper["duration_ms"])
    assert (slow["name"], slow["command"]) == ("bridge", "ADD")
    assert slow["duration_ms"] >= SLOW * 1000


async def test_a_loop_that_stands_still_is_own_time_and_lag() -> None:
    """While the daemon is stopped (SIGSTOP) neither hop nor helper runs: its own time grows, and its loop is late."""
    need_containerd()
    still = 3.0  # the lag is sampled once a second, so up to a second of this goes by before a sample is late
    # The signal is a hop then, after which the stop is known to wait.
    async with Lab("bridge", settings={"containerd": {"direct_signals": False}}) as lab:
        config = pod_config(cgroup_parent=lab.cgroup_parent)
        pod = (await lab.client.RunPodSandbox(config=config)).pod_sandbox_id
        ends_late = container_config(
            lab.busybox, "c", command=sh("trap 'sleep 0.5; exit 0' TERM; while :; do sleep 3600 & wait $!; done")
        )
        container = (
            await lab.client.CreateContainer(pod_sandbox_id=pod, config=ends_late, sandbox_config=config)
        ).container_id
        await lab.client.StartContainer(container_id=container)
        lag_before = (await asyncio.to_thread(get, lab, "/api/node"))["loop_lag_ms"]
        stopping = asyncio.create_task(call(lab, "StopContainer", container_id=container, timeout=60))
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(signal_was_sent, lab):
                await asyncio.sleep(0.02)
        lab.bridge.daemon.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(still)
        finally:
            lab.bridge.daemon.signal(signal.SIGCONT)
        _, trailer = await stopping
        bill = parse_bill(trailer[KEY])
        lag = (await asyncio.to_thread(get, lab, "/api/node"))["loop_lag_ms"]
    assert float(bill["own"]) >= still * 0.9e6
    assert float(bill["wall"]) - float(bill["own"]) < still * 0.5e6
    assert lag >= still * 600
    assert lag_before < lag


def signal_was_sent(lab: Lab) -> bool:
    """Whether the newest StopContainer has made its hop, and so waits for the exit, which no hop does."""
    newest = get(lab, "/api/requests?method=StopContainer&limit=1")["requests"]
    if not newest:
        return False
    hops = get(lab, f"/api/requests/{newest[0]['id']}")["hops"]
    return any(hop["method"].endswith("Kill") and hop["code"] == "OK" for hop in hops)
