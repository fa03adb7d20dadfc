"""Measure log throughput: containers that write as fast as they can, and clients that call meanwhile.

A container waits at a FIFO until it is opened, then prints a file of lines and an end mark. The clock runs from the
moment at which all are released until the last line of each is in its log file. Between runs the log is rotated as a
kubelet does it: renamed, then ReopenContainerLog. Docker rotates its logs itself, and runtimes before Kubernetes 1.10
do not rotate at all; their logs grow, and a run begins where the one before it ended.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.clients.client import CallError
from cri_shim.bench.endpoint.log_tail import UnknownFormatError, ends_with, whole_lines
from cri_shim.bench.endpoint.node import Samples, is_unimplemented, next_name
from cri_shim.bench.endpoint.pod import Pod
from cri_shim.bench.endpoint.pod_configs import log_file
from cri_shim.bench.results.schema import Metric
from cri_shim.bench.scenarios.meanwhile import METRIC, meanwhile
from cri_shim.bench.scenarios.scenario import WrongWorkError

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.bench.endpoint.node import Node

_LINE = b"%012d a line of a log as programs write them, neither very short nor very long, as such lines are\n"
_END = b"--- that was all ---"
_LOOP = f"while read -r go </bench/go; do cat /bench/lines; echo '{_END.decode()}'; done"
_POLL = 0.002
_WAIT = 300.0
_MIB = 1 << 20


@dataclass(slots=True)
class _Writer:
    pod: Pod
    go: Path
    log: Path
    begin: int = 0
    """Where the records of the next run begin in the log."""


class Logs:
    """A number of containers write a number of MiB each, at the same time."""

    title = "Log throughput"
    metrics = (Metric("all lines logged", "until all lines are in the log files", main=True), METRIC)
    rounds = 6

    def __init__(self, writers: int, mebibytes: int) -> None:
        """Choose how many containers, and how much each of them writes."""
        self.writers = writers
        self.mebibytes = mebibytes
        self.seconds = 0.5 + writers * mebibytes / 80
        line = len(_LINE % 0)
        self._lines = mebibytes * _MIB // line
        self._running: dict[str, list[_Writer]] = {}
        self._rotations = itertools.count(1)
        who = "One container prints" if writers == 1 else f"{writers} containers print at the same time"
        self.about = (
            f"{who} {mebibytes} MiB{' each' if writers > 1 else ''} in lines of {line} bytes as fast as they can. The "
            "time is that until every line is in its log file, where they are counted; ListPodSandbox is asked for "
            "every 10 ms meanwhile."
        )

    @property
    def options(self) -> dict[str, float | str]:
        """Return how many containers, and how much each writes."""
        return {"writers": self.writers, "mebibytes": self.mebibytes}

    async def prepare(self, node: Node) -> None:
        """Run the containers, which wait at their FIFOs."""
        running = self._running[node.name] = []
        for number in range(self.writers):
            folder = node.place.logs.parent / f"write-{number}-of-{self.writers}"
            await asyncio.to_thread(self._lay_out, folder)
            pod = Pod.of(node, next_name("writer"), ("sh", "-c", _LOOP))
            pod.container.mounts.append(cri.Mount(host_path=str(folder), container_path="/bench", readonly=True))
            await pod.start(Samples())
            running.append(_Writer(pod, folder / "go", log_file(pod.config, pod.container)))

    def _lay_out(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lines").open("wb") as lines:
            for first in range(0, self._lines, 10_000):
                lines.write(b"".join(_LINE % number for number in range(first, min(first + 10_000, self._lines))))
        if not (folder / "go").exists():
            os.mkfifo(folder / "go")

    async def warm(self, node: Node) -> None:
        """Run it once."""
        await self.run(node, Samples())

    async def run(self, node: Node, samples: Samples) -> None:
        """Release them, wait for the last line, count all lines, rotate."""
        writers = self._running[node.name]
        doors = [await asyncio.to_thread(_open_when_awaited, writer.go) for writer in writers]
        async with meanwhile(node, samples):
            began = time.perf_counter()
            for door in doors:
                os.write(door, b"go\n")
                os.close(door)
            for writer in writers:
                while not _ended(writer):
                    if time.perf_counter() - began > _WAIT:
                        raise WrongWorkError(f"{writer.log} has no end after {_WAIT:.0f} s on {node.name}")
                    await asyncio.sleep(_POLL)
            samples.add("all lines logged", (time.perf_counter() - began) * 1000)
        for writer in writers:
            lines = await asyncio.to_thread(whole_lines, writer.log, writer.begin)
            if lines != self._lines + 1:
                raise WrongWorkError(
                    f"{node.name} logged {lines} lines of {self._lines + 1} that were printed ({writer.log})"
                )
            await self._rotate(node, writer)

    async def _rotate(self, node: Node, writer: _Writer) -> None:
        if writer.log.is_symlink():  # the runtime owns the file
            writer.begin = writer.log.stat().st_size
            return
        old = writer.log.with_name(f"{writer.log.name}.{next(self._rotations)}")
        writer.log.rename(old)
        request = cri.ReopenContainerLogRequest(container_id=writer.pod.container_id)
        try:
            await node.client.ask("ReopenContainerLog", request, cri.ReopenContainerLogResponse)
        except CallError as error:
            if not is_unimplemented(error):
                raise
            old.rename(writer.log)
            writer.begin = writer.log.stat().st_size
            return
        old.unlink()

    async def clean(self, node: Node) -> None:
        """Remove the pods and what they printed."""
        for writer in self._running.pop(node.name, []):
            await writer.pod.end(Samples())
            await asyncio.to_thread(shutil.rmtree, writer.go.parent, ignore_errors=True)


def _open_when_awaited(fifo: Path) -> int:
    """Open the FIFO for writing as soon as the container waits at it."""
    until = time.monotonic() + _WAIT
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:  # ENXIO: nothing reads it yet
            if time.monotonic() > until:
                raise WrongWorkError(f"nothing opened {fifo} within {_WAIT:.0f} s") from error
            time.sleep(_POLL)


def _ended(writer: _Writer) -> bool:
    try:
        return ends_with(writer.log, _END, writer.begin)
    except UnknownFormatError as error:
        raise WrongWorkError(f"{writer.log}: {error}") from error
