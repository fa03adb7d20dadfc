"""Compare estimates of transport with containerd's spans, on a real node under a mixed load: a file and a table.

    CONTAINERD_BINARIES=… python -m lab.measuring.calibration_run --output NUMBERS.json --markdown TABLE.md

Run it as root, on a machine that does nothing else, with a containerd that exports spans (2.1: ``python -m
lab.debian containerd 2.1`` prints the folder). The estimate of a hop is what was charged when it ended,
before its span came. Beside it stands the estimate for the same hop from null calls alone, without anything learned
from spans.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import sys
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import to_builtins

import cri_shim
from cri_shim.bench.measures.machine import read_machine
from cri_shim.bench.verdicts.noise import probe
from cri_shim.ledger.transport.gap_curve import GAPS
from lab.lab import Lab
from lab.measuring.calibration_load import WITH_HOPS, MixedLoad
from lab.registry import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIVES: Final = 510
BY_METHOD: Final = 0.20
"""How far the medians of a method may differ, as a share."""
IN_TOTAL: Final = 0.10
"""How far the sums of all may differ, as a share."""


@asynccontextmanager
async def node_with_spans() -> AsyncIterator[Lab]:
    """Run a node whose containerd sends the bridge a span of every hop."""
    address = f"127.0.0.1:{free_port()}"
    settings: dict[str, Any] = {"http": {"address": address}, "tracing": {"containerd_spans": "ask"}}
    async with Lab("bridge", settings=settings, spans_to=f"http://{address}") as lab:
        yield lab


def calibration(lab: Lab) -> dict[str, Any]:
    """Return what the daemon knows about transport. Blocks: call it in a thread."""
    address = (lab.bridge.state / "http-address").read_text().strip()
    with urllib.request.urlopen(f"http://{address}/api/calibration", timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


async def until_measured(lab: Lab, seconds: float = 60.0) -> None:
    """Wait for the first round of null calls."""
    async with asyncio.timeout(seconds):
        while len((await asyncio.to_thread(calibration, lab))["curve"]) < len(GAPS):
            await asyncio.sleep(0.2)


async def until_compared(lab: Lab, lives: int, seconds: float = 60.0) -> dict[str, Any]:
    """Wait until spans of (nearly) all requests have arrived; return what is known then."""
    last: dict[str, Any] = {}
    async with asyncio.timeout(seconds):
        while True:
            answer = await asyncio.to_thread(calibration, lab)
            compared = {one["method"]: one["pairs"] for one in answer["agreement"]["requests"]["methods"]}
            if all(compared.get(method, 0) >= lives * 0.95 for method in WITH_HOPS) and answer["agreement"] == last:
                return answer
            last = answer["agreement"]
            await asyncio.sleep(1)


async def measure(lives: int) -> dict[str, Any]:
    """Run the load; return the document to keep."""
    noise = probe()
    async with node_with_spans() as lab:
        load = MixedLoad(lab)
        await load.prepare()
        await until_measured(lab)
        phases = await load.run(lives)
        answer = await until_compared(lab, sum(count for count, _ in phases.values()))
        version = ".".join(map(str, lab.containerd.version))
    machine = to_builtins(read_machine())
    del machine["boot_id"]
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "cri_shim": cri_shim.__version__,
        "containerd": version,
        "machine": machine,
        "noise_before": to_builtins(noise),
        "noise_after": to_builtins(probe()),
        "phases": [
            {"name": name, "lives": count, "seconds": round(seconds, 1)} for name, (count, seconds) in phases.items()
        ],
        **answer,
    }


def verdict(document: dict[str, Any]) -> list[str]:
    """Return in sentences what differs by more than it may; nothing if all agrees."""
    compared = document["agreement"]["requests"]
    said = [
        f"{one['method']}: the median of estimates is {one['ratio']:.2f} of that of spans"
        for one in compared["methods"]
        if not 1 - BY_METHOD <= one["ratio"] <= 1 + BY_METHOD
    ]
    if not 1 - IN_TOTAL <= compared["total"]["sum_ratio"] <= 1 + IN_TOTAL:
        said.append(f"all requests together: estimates are {compared['total']['sum_ratio']:.2f} of spans")
    return said


def markdown(document: dict[str, Any]) -> str:
    """Return the table for a page."""
    compared = document["agreement"]["requests"]
    total = compared["total"]
    heads = ("RPC", "requests", "estimate ms", "spans ms", "estimate / spans", "10 to 90 %", "null calls alone / spans")
    rows = [f"| {' | '.join((*heads, '10 to 90 %'))} |", "|---" * 8 + "|"]
    rows += [
        f"| {one['method']} | {one['pairs']} | {one['estimate_ms']:.2f} | {one['spans_ms']:.2f} | {one['ratio']:.2f} "
        f"| {one['ratio_p10']:.2f} to {one['ratio_p90']:.2f} | {one['null_calls_ratio']:.2f} "
        f"| {one['null_calls_ratio_p10']:.2f} to {one['null_calls_ratio_p90']:.2f} |"
        for one in compared["methods"]
    ]
    rows.append(
        f"| all together, sums | {total['pairs']} | | | **{total['sum_ratio']:.2f}** | "
        f"| **{total['null_calls_sum_ratio']:.2f}** | |"
    )
    machine = document["machine"]
    return (
        "\n".join(rows)
        + f"\n\nMedians of transport of whole requests. {document['date']}, containerd {document['containerd']}, "
        f"{machine['cores']} cores, {machine['kernel']}; {sum(phase['lives'] for phase in document['phases'])} pods: "
        + ", ".join(f"{phase['lives']} {phase['name']}" for phase in document["phases"])
        + f". {document['null_calls']} null calls were made.\n"
    )


def main() -> int:
    """Run the command; 1 when estimate and spans do not agree."""
    parser = argparse.ArgumentParser(prog="python -m lab.measuring.calibration_run", description=__doc__)
    parser.add_argument("--output", type=Path, help="file for the data, as JSON")
    parser.add_argument("--markdown", type=Path, help="file for the table (default: print it)")
    parser.add_argument("--lives", type=int, default=LIVES, help=f"pods, with 13 calls each (default: {LIVES})")
    options = parser.parse_args()
    document = asyncio.run(measure(options.lives))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(markdown(document), encoding="utf-8")
    else:
        print(markdown(document))
    said = verdict(document)
    print("\n".join(said) or "estimate and spans agree", file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
