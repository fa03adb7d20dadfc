"""A share of the matrix in a process of its own: ``python -m tests.unit.crash_matrix.worker DIRECTORY SHARE OF``.

Each result is a line of JSON on standard output, the last line lists what the log calls a fault of this program.
``ONLY`` in the environment picks cells for a look at one of them, by the beginning of ``RPC:hop:cut``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec
import structlog

from tests.unit.crash_matrix.cases import CASES
from tests.unit.crash_matrix.cell import Cut, count_hops, prepare, remove_everything, run_cell
from tests.unit.crash_matrix.clock import JumpingLoop, jumping_clock
from tests.unit.crash_matrix.world import make_world

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.unit.crash_matrix.cases import Case
    from tests.unit.crash_matrix.world import World

MakeWorld: TypeAlias = "Callable[[Path], AbstractAsyncContextManager[World]]"

_numbers = itertools.count()
_BUGS = frozenset({"rpc.bug", "background.failed", "log.request_failed"})


def put_criu_on_path(directory: Path) -> None:
    """Have a criu that tells its version; the fake containerd needs none to write a checkpoint."""
    directory.mkdir(parents=True)
    program = directory / "criu"
    program.write_text("#!/bin/sh\necho Version: 4.0\n")
    program.chmod(0o755)
    os.environ["PATH"] = f"{directory}:{os.environ['PATH']}"


async def main(directory: Path, share: int, of: int) -> None:
    """Run the cells of this share."""
    bugs: list[str] = []
    structlog.configure(processors=[_collector(bugs)])
    put_criu_on_path(directory / "bin")
    by_world: dict[tuple[str, bool], list[Case]] = {}
    for case in CASES:
        by_world.setdefault((case.infra, case.direct), []).append(case)
    with jumping_clock(cast("JumpingLoop", asyncio.get_running_loop())):
        for (infra, direct), cases in by_world.items():
            await _of_world(directory, partial(make_world, infra=infra, direct=direct), cases, share, of)
    print(json.dumps({"bugs": bugs}), flush=True)


def _collector(bugs: list[str]) -> Any:
    def collect(_logger: object, _method: str, event: Any) -> Any:
        if event.get("event") in _BUGS:
            bugs.append(repr({key: str(value) for key, value in event.items()}))
        raise structlog.DropEvent

    return collect


async def _of_world(directory: Path, make: MakeWorld, cases: list[Case], share: int, of: int) -> None:
    cells: list[tuple[Case, int, Cut]] = []
    async with make(_new_directory(directory)) as world:
        for case in cases:
            await count_hops(world, case)  # what a service does once is not counted
            hops = await count_hops(world, case)
            cells += [(case, hop, cut) for hop in range(1, hops + 1) for cut in Cut if _ours(case, hop, cut, share, of)]
            print(json.dumps({"case": case.name, "hops": hops}), flush=True)
    await _work(directory, make, cells)


def _new_directory(directory: Path) -> Path:
    """Return the path of the next world."""
    return directory / str(next(_numbers))


def _ours(case: Case, hop: int, cut: Cut, share: int, of: int) -> bool:
    name = f"{case.name}:{hop}:{cut.value}"
    return name.startswith(os.environ.get("ONLY", "")) and zlib.crc32(name.encode()) % of == share


async def _work(directory: Path, make: MakeWorld, cells: list[tuple[Case, int, Cut]]) -> None:
    """Take cells until there are none; after one that is not right the world is thrown away."""
    while cells:
        async with make(_new_directory(directory)) as world:
            while cells and await _of_case(world, cells):
                pass


async def _of_case(world: World, cells: list[tuple[Case, int, Cut]]) -> bool:
    """Take the cells of the next case that can use what is prepared once; return whether all of them are right."""
    case = cells[0][0]
    prepared = await prepare(world, case)
    while True:
        _, hop, cut = cells.pop(0)
        result = await run_cell(world, case, cut, hop, prepared)
        is_last = not (case.changes_nothing and cells and cells[0][0] is case)
        if is_last and case.changes_nothing and not result.problem:
            left = await remove_everything(world, prepared.empty)
            result.problem = left and f"after everything was removed: {left}"
        print(msgspec.json.encode(result).decode(), flush=True)
        if result.problem or is_last:
            return not result.problem


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
