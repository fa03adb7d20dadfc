"""Prepare the scenario `floor`, or skip it with a reason, because the rest of a comparison does not need it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.bench.clients.client import Client
from cri_shim.bench.endpoint.node import Node
from cri_shim.bench.endpoint.pod_configs import Place
from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.survey import survey
from cri_shim.bench.results.schema import CallingClient
from cri_shim.bench.scenarios.floor import NAME, Floor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.clients.caller import Answer
    from cri_shim.bench.floor.survey import FloorPrograms
    from cri_shim.bench.plan import Task


class NoEndpoint:
    """The stand-in for a connection of the script, which has no daemon to connect to."""

    pid = None
    about = CallingClient("no client")

    async def call(self, path: str, request: bytes, deadline: float) -> Answer:  # noqa: ARG002 - nothing is called
        """Raise RuntimeError, because the script never calls anything."""
        raise RuntimeError(f"{path} was called on the floor, which has no endpoint")

    async def close(self) -> None:
        """Do nothing."""


def floor_node(cgroup_parent: str) -> Node:
    """Return the node that stands for the script among the sides; it has neither processes nor a socket."""
    return Node(NAME, Client("", NoEndpoint()), Place("", Path(), cgroup_parent))


async def with_floor(
    tasks: Sequence[Task], nodes: Sequence[Node], guest: Node, directory: Path, programs: FloorPrograms
) -> tuple[list[Task], str]:
    """Return the tasks with the floor's prepared, or without it and with the reason.

    ``guest`` is the node that stands for the script.
    """
    ready, reason = [], ""
    for task in tasks:
        if not isinstance(task.scenario, Floor):
            ready.append(task)
            continue
        scenario = task.scenario
        try:
            survey_result = await survey(nodes, programs, directory / "layers", guest.place.cgroup_parent)
            scenario.use(survey_result, directory)
            await scenario.try_out()
        except FloorError as error:
            reason = f"the scenario `floor` is left out: {error}"
        else:
            step = replace(task.step, options=scenario.options, about=scenario.about)
            ready.append(replace(task, step=step, guests=(guest,)))
    return ready, reason
