"""Run what is missing of a plan, round by round, and keep each round as soon as it is finished.

A round is a turn of every side, in an order that changes with each round. Before a turn the machine must settle, and
how quiet it is gets measured; collection of this process's garbage happens then and not within the turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cri_shim.bench import noise, schema
from cri_shim.bench.node import Samples
from cri_shim.bench.order import order_of_round
from cri_shim.bench.population import Population
from cri_shim.bench.result_file import save, step_of, with_round

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from cri_shim.bench.node import Node
    from cri_shim.bench.plan import Task
    from cri_shim.bench.progress import Progress
    from cri_shim.bench.scenarios import Scenario

# What a turn takes beside its work; for the progress bar.
BETWEEN_SECONDS = 0.15


@dataclass(slots=True)
class Runner:
    """``run`` grows with each round and is what the file has."""

    nodes: tuple[Node, ...]
    run: schema.Run
    file: Path
    progress: Progress
    warm_up: int = 1

    async def measure(self, tasks: list[Task]) -> schema.Run:
        """Do what is missing of the tasks; the whole run. Idle pods are removed at the end, whatever happens."""
        idle = Population(self.nodes)
        try:
            for task in tasks:
                have = step_of(self.run, task.step)
                first = len(have.rounds) if have else 0
                if first < task.rounds:
                    await self._populate(idle, task.step.pods)
                    await self._step(task, first)
        finally:
            await self._populate(idle, 0)
            self.progress.end()
        return self.run

    async def _populate(self, idle: Population, pods: int) -> None:
        if any(len(idle.pods.get(node.name, [])) != pods for node in self.nodes):
            self.progress.title(f"{pods} idle pods")
            await idle.become(pods, lambda done, wanted: self.progress.tell(f"{done} of {wanted}"))

    async def _step(self, task: Task, first: int) -> None:
        scenario, nodes = task.scenario, (*self.nodes, *task.guests)
        self.progress.title(task.step.name)
        async with contextlib.AsyncExitStack() as stack:
            for node in nodes:
                stack.push_async_callback(scenario.clean, node)
                await scenario.prepare(node)
            for _ in range(self.warm_up):
                self.progress.tell("warming up")
                for node in nodes:
                    await scenario.warm(node)
            for number in range(first, task.rounds):
                self.progress.tell(f"round {number + 1} of {task.rounds}")
                finished = await _round(scenario, nodes, number)
                self.run = with_round(self.run, task.step, finished)
                await asyncio.to_thread(save, self.file, self.run)
                self.progress.advance((scenario.seconds + BETWEEN_SECONDS) * len(nodes))


async def _round(scenario: Scenario, nodes: Sequence[Node], number: int) -> schema.Round:
    started = time.time()
    by_name = {node.name: node for node in nodes}
    order = order_of_round(tuple(by_name), number)
    turns = {name: await _turn(scenario, by_name[name]) for name in order}
    return schema.Round(number, round(started, 3), order, turns)


async def _turn(scenario: Scenario, node: Node) -> schema.Turn:
    quiet = await asyncio.to_thread(noise.probe)
    shims = node.shims()
    samples = Samples()
    with _no_garbage_collection():
        before, began = node.clock(shims), time.perf_counter()
        await scenario.turn(node, samples)
        seconds, after = time.perf_counter() - began, node.clock(shims)
    memory = node.memory()
    return schema.Turn(
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


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def rounds_to_do(task: Task, run: schema.Run | None) -> int:
    """How many rounds of a task a run, if there is one, does not have."""
    done = [len(step.rounds) for step in run.steps if step.name == task.step.name] if run else []
    return max(0, task.rounds - sum(done))


def seconds_of_round(task: Task, sides: int) -> float:
    """About how long a round takes."""
    return (sides + len(task.guests)) * (task.scenario.seconds + BETWEEN_SECONDS)


def seconds_of_rounds(tasks: Iterable[Task], sides: int, run: schema.Run | None = None) -> float:
    """About how long the rounds take that a run does not have of a plan, for the progress bar."""
    return sum(rounds_to_do(task, run) * seconds_of_round(task, sides) for task in tasks)
