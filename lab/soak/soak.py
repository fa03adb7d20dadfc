"""Lead pods through their lives for some time, beside a kubelet's calls, while daemons are killed on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import grpc

from lab.processes import LabError, reason_of
from lab.soak.growth import Sample
from lab.soak.lives import LIVES, Node, new_uid, sweep

if TYPE_CHECKING:
    import random
    from collections.abc import Coroutine

RHYTHM = ("ListPodSandbox", "ListContainers", "ListContainerStats", "ListPodSandboxStats", "Status", "ImageFsInfo")
MOST_FAULTS = 20
SAMPLE_SECONDS = 5.0
SAMPLES_OF_A_REPORT = 6
LAST_START_SECONDS = 2.0


class Killable(Protocol):
    """A daemon that can be killed and started again."""

    def kill9(self) -> None:
        """Kill it."""

    def start(self) -> None:
        """Start it, and wait until it answers."""


@dataclass(frozen=True, slots=True)
class Options:
    """How long, how many pods at a time, and how often a daemon is killed (seconds; 0: never).

    ``quiet`` is how long the daemon is left alone before its file descriptors are counted.
    """

    seconds: float
    workers: int = 4
    kill: float = 0.0
    kill_containerd: float = 0.0
    seed: int = 1
    quiet: float = 5.0

    @property
    def kills(self) -> bool:
        """Return whether requests may fail because a daemon is away."""
        return bool(self.kill or self.kill_containerd)


@dataclass(slots=True)
class Soak:
    """One run on a node. ``faults`` are the texts of what should not have happened."""

    node: Node
    options: Options
    chance: random.Random
    begun: float = field(default_factory=time.monotonic)
    lives: Counter[str] = field(default_factory=Counter)
    broken_off: int = 0
    calls: int = 0
    kills: int = 0
    samples: list[Sample] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _spare_image: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def one_of_each(self) -> None:
        """Lead one pod through each life, so that everything has been used once."""
        for life in dict.fromkeys(LIVES):
            await life(self.node, new_uid())
        await self._sweep_again()

    async def run(self) -> None:
        """Let pods live until the time is over."""
        self.begun = time.monotonic()
        beside = [asyncio.create_task(task) for task in (self._rhythm(), self._watch(), *self._killers())]
        await asyncio.gather(*(self._worker() for _ in range(self.options.workers)))
        self._over.set()
        await asyncio.gather(*beside)
        await self._answering()
        await self._sweep_again()

    async def _sweep_again(self) -> None:
        """Remove pods whose start went on after it was given up, and ended after their sweep; so does a kubelet."""
        await asyncio.sleep(LAST_START_SECONDS)
        for uid in self.node.given_up:
            await sweep(self.node, uid)

    async def _worker(self) -> None:
        while time.monotonic() - self.begun < self.options.seconds and len(self.faults) < MOST_FAULTS:
            life, uid = self.chance.choice(LIVES), new_uid()
            # The life that removes the spare image must be alone with it.
            async with self._spare_image if life.__name__ == "pulled" else contextlib.nullcontext():
                try:
                    await life(self.node, uid)
                    self.lives[life.__name__] += 1
                except (grpc.aio.AioRpcError, AssertionError, OSError, LookupError) as error:
                    await self._break_off(life.__name__, uid, error)

    async def _break_off(self, name: str, uid: str, error: Exception) -> None:
        """Remove the pod of a life that failed; unless a daemon was killed, that is a fault."""
        if self.options.kills:
            self.broken_off += 1
        else:
            self.faults.append(f"{name}: {reason_of(error)}")
        while True:
            await self._answering()
            try:
                return await sweep(self.node, uid)
            except grpc.aio.AioRpcError as again:
                if not self.options.kills:
                    self.faults.append(f"{name}, removal: {reason_of(again)}")
                    return None
                # As a kubelet does: the removal is tried again until it succeeds.
                await asyncio.sleep(0.5)

    async def _answering(self) -> None:
        """Wait until the daemon answers."""
        while not await asyncio.to_thread(self.node.lab.bridge.answers):
            await asyncio.sleep(0.1)

    async def _rhythm(self) -> None:
        while await self._not_over(1):
            for method in RHYTHM:
                try:
                    await getattr(self.node.client, method)()
                    self.calls += 1
                except grpc.aio.AioRpcError as error:
                    if not self.options.kills:
                        self.faults.append(f"{method}: {reason_of(error)}")

    async def _watch(self) -> None:
        while await self._not_over(SAMPLE_SECONDS):
            # A daemon that is away at the moment has nothing to show.
            with contextlib.suppress(OSError, LabError):
                self.samples.append(Sample.take(self.node.lab.bridge.daemon, time.monotonic() - self.begun))
            if self.samples and len(self.samples) % SAMPLES_OF_A_REPORT == 0:
                self.report()

    def report(self) -> None:
        """Print where it stands."""
        now = self.samples[-1]
        sys.stdout.write(
            f"{now.second:6.0f} s: {self.lives.total()} lives, {self.broken_off} broken off, {self.kills} kills,"
            f" {self.calls} calls; PSS {now.pss_mib:.1f} MiB, {now.threads} threads, {now.descriptors} descriptors\n"
        )
        sys.stdout.flush()

    def _killers(self) -> list[Coroutine[None, None, None]]:
        lab, options = self.node.lab, self.options
        pairs = ((options.kill, lab.bridge), (options.kill_containerd, lab.containerd))
        return [self._kill_often(seconds, daemon) for seconds, daemon in pairs if seconds]

    async def _kill_often(self, seconds: float, daemon: Killable) -> None:
        while await self._not_over(seconds):
            await asyncio.to_thread(daemon.kill9)
            await asyncio.to_thread(daemon.start)
            self.kills += 1

    async def _not_over(self, seconds: float) -> bool:
        """Wait this long, or until all workers have finished; return whether they go on."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)
        return not self._over.is_set()
