"""Keep a number of idle pods on each side, the surroundings in which a node's periodic calls are measured."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cri_shim.bench.endpoint.node import Samples, next_name
from cri_shim.bench.endpoint.pod import Pod

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.bench.endpoint.node import Node

_AT_ONCE = 4


@dataclass(slots=True)
class Population:
    """The idle pods of every side."""

    nodes: tuple[Node, ...]
    pods: dict[str, list[Pod]] = field(default_factory=dict)

    async def resize(self, wanted: int, notify: Callable[[int, int], None]) -> None:
        """Start or remove pods until each side has ``wanted``; ``notify`` gets the count and the total at every pod."""
        places = asyncio.Semaphore(_AT_ONCE)
        missing = sum(abs(wanted - len(self.pods.get(node.name, []))) for node in self.nodes)
        done = 0

        async def one(pod: Pod, *, grow: bool) -> None:
            nonlocal done
            async with places:
                await (pod.start(Samples()) if grow else pod.end(Samples()))
            done += 1
            notify(done, missing)

        work = []
        for node in self.nodes:
            mine = self.pods.setdefault(node.name, [])
            while len(mine) > wanted:
                work.append(one(mine.pop(), grow=False))
            while len(mine) < wanted:
                mine.append(Pod.of(node, next_name("idle")))
                work.append(one(mine[-1], grow=True))
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
