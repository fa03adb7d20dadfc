"""The whole matrix, in two processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.rpc import RPCS, Kind
from tests.unit.crash_matrix.cell import NEVER_REACHED, Cut

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = 2

NOT_IN_IT = {
    "UpdateRuntimeConfig": "calls nothing of containerd's",
    "Exec": "hands out a URL; tests/unit/rpc/test_streaming_sessions.py tests what stands behind it",
    "Attach": "hands out a URL, too",
    "PortForward": "hands out a URL, too",
}
"""RPCs that are not only read, and why the matrix has no case for them."""


_MEMORY = Path("/dev/shm")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory in memory where there is one, because the cells make and remove tens of thousands of files."""
    in_memory = os.access(_MEMORY, os.W_OK)
    with tempfile.TemporaryDirectory(dir=_MEMORY if in_memory else None) as directory:
        yield Path(directory)


@pytest.mark.timeout(900)  # a minute on a quiet machine; all cells are this one test
async def test_every_rpc_cut_at_every_hop(place: Path, matrix_summary: list[str]) -> None:
    """For every fault at every hop, the client gets an allowed answer, retries work, and nothing is left behind."""
    begun = time.monotonic()
    outputs = await asyncio.gather(*(_worker(place / str(share), share) for share in range(WORKERS)))
    lines = [json.loads(line) for output in outputs for line in output.splitlines()]
    results = [line for line in lines if "cut" in line]
    counts = [(line["case"], line["hops"]) for line in lines if "hops" in line]
    # A pull does several things at once, so that the workers may count one hop more or less.
    hops = {case: min(count for name, count in counts if name == case) for case, _ in counts}
    bugs = [bug for line in lines for bug in line.get("bugs", ())]
    wrong = [line for line in results if line["problem"]]
    rpcs = {name.partition("/")[0] for name in hops}
    matrix_summary.append(
        f"crash matrix: {len(rpcs)} RPCs, {sum(hops.values())} hops, {len(results)} cells: "
        f"{len(results) - len(wrong)} right in {time.monotonic() - begun:.0f} s"
    )
    assert not wrong, "\n".join(_shown(line) for line in wrong)
    assert not bugs, "\n".join(bugs)
    if "ONLY" not in os.environ:
        _require_the_whole(hops, results)


def _require_the_whole(hops: dict[str, int], results: list[dict[str, Any]]) -> None:
    """Fail if an RPC, a hop or a kind of cut is missing, or if many cuts struck nothing."""
    rpcs = {name.partition("/")[0] for name in hops}
    assert rpcs | NOT_IN_IT.keys() == {name for name, rpc in RPCS.items() if rpc.kind is not Kind.READ}
    wanted = {(name, hop, cut.value) for name, count in hops.items() for hop in range(1, count + 1) for cut in Cut}
    assert wanted <= {(line["case"], line["hop"], line["cut"]) for line in results}
    unreached = [line for line in results if line["method"] == NEVER_REACHED]
    assert len(unreached) * 20 < len(results), "\n".join(_shown(line) for line in unreached)


async def _worker(directory: Path, share: int) -> str:
    """Run one share of the matrix; return what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.unit.crash_matrix.worker",
        str(directory),
        str(share),
        str(WORKERS),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    assert process.returncode == 0, errors.decode()
    return output.decode()


def _shown(line: dict[str, Any]) -> str:
    return f"{line['case']}:{line['hop']}:{line['cut']} ({line['method']}), told {line['answer']!r}: {line['problem']}"
