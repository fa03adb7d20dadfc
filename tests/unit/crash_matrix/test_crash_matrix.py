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

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = 2


_MEMORY = Path("/dev/shm")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory in memory where there is one, because the cells make and remove tens of thousands of files."""
    in_memory = os.access(_MEMORY, os.W_OK)
    with tempfile.TemporaryDirectory(dir=_MEMORY if in_memory else None) as directory:
        yield Path(directory)


async def test_every_rpc_cut_at_every_hop(place: Path, matrix_summary: list[str]) -> None:
    """For every fault at every hop, the client gets an allowed answer, retries work, and nothing is left behind."""
    begun = time.monotonic()
    outputs = await asyncio.gather(*(_worker(place / str(share), share) for share in range(WORKERS)))
    lines = [json.loads(line) for output in outputs for line in output.splitlines()]
    results = [line for line in lines if "cut" in line]
    hops = {line["case"]: line["hops"] for line in lines if "hops" in line}
    bugs = [bug for line in lines for bug in line.get("bugs", ())]
    wrong = [line for line in results if line["problem"]]
    rpcs = {name.partition("/")[0] for name in hops}
    matrix_summary.append(
        f"crash matrix: {len(rpcs)} RPCs, {sum(hops.values())} hops, {len(results)} cells: "
        f"{len(results) - len(wrong)} right in {time.monotonic() - begun:.0f} s"
    )
    assert not wrong, "\n".join(_shown(line) for line in wrong)
    assert not bugs, "\n".join(bugs)
    assert results


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
