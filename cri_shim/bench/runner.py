"""Run what is missing of a plan, round by round, and save each round as soon as it is finished.

A round is one run of every side, in an order that changes with each round. Before a run the machine must come to rest,
and its quiet is measured. This process's garbage is collected at that time and not during the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import grpc

from cri_shim.bench.clients.client import CallError
from cri_shim.bench.endpoint.node import Samples
from cri_shim.bench.endpoint.pod import remove_all
from cri_shim.bench.endpoint.population import Population
from cri_shim.bench.order import order_of_round
from cri_shim.bench.results import schema
from cri_shim.bench.results.result_file import save, step_of, with_round
from cri_shim.bench.scenarios.scenario import Staged, WrongWorkError
from cri_shim.bench.verdicts import noise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cri_shim.bench.endpoint.node import Node
    from cri_shim.bench.plan import Task
    from cri_shim.bench.progress import Progress
    from cri_shim.bench.scenarios import Scenario

# The time of a run besides its work, for the progress bar.
BETWEEN_SECONDS = 0.15


@dataclass(slots=True)
class Runner:
    """``run`` grows with each round; the file has the same content."""

    nodes: tuple[Node, ...]
    run: schema.Run
    file: Path
    progress: Progress
    warm_up: int = 1

    async def measure(self, tasks: list[Task]) -> schema.Run:
        """Do what is missing of the tasks and return the whole run; idle pods are removed at the end in any case."""
        idle = Population(self.nodes)
        try:
            for task in tasks:
                have = step_of(self.run, task.step)
                if have is None or len(have.rounds) < task.rounds:
                    await self._populate(idle, task.idle_pods)
                    await self._step(task, have)
        finally:
            await self._populate(idle, 0)
            self.progress.end()
        return self.run

    async def _populate(self, idle: Population, pods: int) -> None:
        if any(len(idle.pods.get(node.name, [])) != pods for node in self.nodes):
            self.progress.title(f"{pods} idle pods")
            await idle.resize(pods, lambda done, wanted: self.progress.show(f"{done} of {wanted}"))

    async def _step(self, task: Task, have: schema.Step | None) -> None:
        scenario = task.scenario
        self.progress.title(task.step.name)
        left_out = dict(have.left_out) if have else {}
        async with contextlib.AsyncExitStack() as stack:
            able = await self._make_ready(task, left_out, stack, resumed=have is not None)
            step = replace(task.step, left_out=left_out)
            for number in range(len(have.rounds) if have else 0, task.rounds):
                self.progress.show(f"round {number + 1} of {task.rounds}")
                finished = await _round(scenario, able, number)
                self.run = with_round(self.run, step, finished)
                await asyncio.to_thread(save, self.file, self.run)
                self.progress.advance((scenario.seconds + BETWEEN_SECONDS) * len(able))

    async def _make_ready(
        self, task: Task, left_out: dict[str, str], stack: contextlib.AsyncExitStack, *, resumed: bool
    ) -> list[Node]:
        """Prepare and warm up; return the nodes that take part.

        A side that cannot do the work is added to ``left_out``, and does not keep the others from being measured. The
        first side, with which the others are compared, cannot be left out, nor can one that already has rounds.
        """

        async def attempt(work: Callable[[Node], Awaitable[None]], node: Node) -> None:
            try:
                await work(node)
            except (CallError, WrongWorkError) as error:
                if resumed or node is self.nodes[0] or node in task.guests or _is_gone(error):
                    raise
                left_out[node.name] = str(error)
                self.progress.title(f"{node.name} takes no part in this: {error}")

        nodes = [node for node in (*self.nodes, *task.guests) if node.name not in left_out]
        for node in nodes:
            stack.push_async_callback(_remove_rest, task, node, left_out)
            stack.push_async_callback(task.scenario.clean, node)
            await attempt(task.scenario.prepare, node)
        for _ in range(self.warm_up):
            self.progress.show("warming up")
            for node in nodes:
                if node.name not in left_out:
                    await attempt(task.scenario.warm, node)
        return [node for node in nodes if node.name not in left_out]


async def _remove_rest(task: Task, node: Node, left_out: Mapping[str, str]) -> None:
    """Remove the pods that a failed attempt has left, unless there are idle pods beside them."""
    if node.name in left_out and not task.idle_pods:
        await remove_all(node)


async def _round(scenario: Scenario, nodes: Sequence[Node], number: int) -> schema.Round:
    started = time.time()
    by_name = {node.name: node for node in nodes}
    order = order_of_round(tuple(by_name), number)
    side_runs = {name: await _run_side(scenario, by_name[name]) for name in order}
    return schema.Round(number, round(started, 3), order, side_runs)


async def _run_side(scenario: Scenario, node: Node) -> schema.SideRun:
    async with _surroundings(scenario, node):
        return await _measure(scenario, node)


@contextlib.asynccontextmanager
async def _surroundings(scenario: Scenario, node: Node) -> AsyncIterator[None]:
    """Make what a run needs around it and does not count, and end it."""
    if not isinstance(scenario, Staged):
        yield
        return
    try:
        await scenario.before(node)
        yield
    finally:
        await scenario.after(node)


async def _measure(scenario: Scenario, node: Node) -> schema.SideRun:
    quiet = await asyncio.to_thread(noise.probe)
    shims = node.shims()
    samples = Samples()
    with _no_garbage_collection():
        before, began = node.clock(shims), time.perf_counter()
        await scenario.run(node, samples)
        seconds, after = time.perf_counter() - began, node.clock(shims)
    memory = node.memory()
    return schema.SideRun(
        seconds=round(seconds, 4),
        samples=samples.values,
        cpu=after.since(before),
        memory=memory.rss,
        pss=memory.pss,
        uss=memory.uss,
        bills=samples.bills(),
        probe=quiet,
        stolen=after.stolen_since(before),
    )


def _is_gone(error: Exception) -> bool:
    """Return whether the endpoint is gone altogether, which no scenario is to blame for."""
    return isinstance(error, CallError) and error.code is grpc.StatusCode.UNAVAILABLE


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def rounds_to_do(task: Task, run: schema.Run | None) -> int:
    """Return how many rounds of a task are missing from a run, which may be None."""
    done = [len(step.rounds) for step in run.steps if step.name == task.step.name] if run else []
    return max(0, task.rounds - sum(done))


def seconds_of_round(task: Task, sides: int) -> float:
    """Return about how long a round takes."""
    return (sides + len(task.guests)) * (task.scenario.seconds + BETWEEN_SECONDS)


def seconds_of_rounds(tasks: Iterable[Task], sides: int, run: schema.Run | None = None) -> float:
    """Return about how long the rounds take that a run lacks of a plan, for the progress bar."""
    return sum(rounds_to_do(task, run) * seconds_of_round(task, sides) for task in tasks)
