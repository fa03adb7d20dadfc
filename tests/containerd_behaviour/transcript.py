"""Write down what containerd answers and publishes, with what differs from run to run replaced by a word.

A transcript is one line for each step: what was asked, then the answer, or the code and the words of the error; events
are lines of their own. Process ids, times, paths and numbers of snapshots are replaced, so that two daemons that behave
alike write the same transcript.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Self, TypeVar

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from containerd_client import ContainerdError
from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.services.images.v1 import images_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from pathlib import Path

    from containerd_client import Containerd
    from containerd_client.api.containerd.types import types_pb2

T = TypeVar("T")

MARK = "/transcript/mark"
UNSURE = frozenset({"/tasks/delete"})
"""Left out: a shim ends itself right after this event, and on a busy machine takes it along, as seen with 2.1.9."""
SECONDS = 15.0
"""How long an event may take that a step causes; a busy machine starts a process slowly."""


class Transcript:
    """``async with Transcript(client) as transcript:``; ``lines`` is what was written."""

    def __init__(self, client: Containerd, version: tuple[int, int], scratch: Path) -> None:
        self.client = client
        self.version = version
        self.scratch = scratch
        """A directory for what a scenario needs on disk."""
        self.lines: list[str] = []
        self._events: asyncio.Queue[types_pb2.Envelope] = asyncio.Queue()
        self._following: asyncio.Task[None] | None = None
        self._marks = 0
        self._snapshots: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        opened = asyncio.Event()

        async def on_open() -> None:
            opened.set()

        async def follow() -> None:
            subscription = self.client.events.subscribe(f"namespace=={self.client.namespace}", on_open=on_open)
            async with aclosing(subscription) as events:
                async for envelope in events:
                    self._events.put_nowait(envelope)

        self._following = asyncio.create_task(follow())
        async with asyncio.timeout(SECONDS):
            await opened.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})

    async def step(self, what: str, call: Awaitable[T]) -> T | None:
        """Make a call and write down its answer; returns it, or None after an error."""
        try:
            answer = await call
        except ContainerdError as error:
            self.lines.append(f"{what}: {error.code} {self._plain(error.detail)}")
            return None
        self.lines.append(f"{what}: {self._shown(answer)}".rstrip())
        return answer

    async def events(self, *awaited: str) -> None:
        """Write down the events so far; ``awaited`` are topics that have yet to come, once for each time named."""
        missing = list(awaited)
        self._marks += 1
        mark = f"{MARK}/{self._marks}"
        published = False
        while True:
            if not missing and not published:
                await self.client.events.publish(mark, Any(type_url="google.protobuf.Empty"))
                published = True
            envelope = await self._next(missing)
            if envelope.topic == mark:
                return
            if envelope.topic in UNSURE:
                continue
            if envelope.topic in missing:
                missing.remove(envelope.topic)
            self.lines.append(f"  {envelope.topic} {envelope.event.type_url} {self._shown(_unpacked(envelope.event))}")

    async def ends(self, *ids: str) -> None:
        """Write down the exits of these processes, which 1.6 reports in any order; sorted, with nothing between."""
        endings: dict[str, str] = {}
        while set(endings) != set(ids):
            envelope = await self._next([f"the end of {id_}" for id_ in ids if id_ not in endings])
            if envelope.topic in UNSURE:
                continue
            message = _unpacked(envelope.event)
            endings[getattr(message, "id", "")] = f"  {envelope.topic} {self._shown(message)}"
        self.lines += [endings[id_] for id_ in ids]

    async def _next(self, missing: list[str]) -> types_pb2.Envelope:
        try:
            async with asyncio.timeout(SECONDS):
                return await self._events.get()
        except TimeoutError:
            raise AssertionError(
                f"no event for {SECONDS:g} s, missing {missing}, after:\n{joined(self.lines)}"
            ) from None

    def note(self, what: str) -> None:
        """Write a line of the scenario's own."""
        self.lines.append(what)

    def _shown(self, value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, Timestamp):
            return "TIME" if value.seconds > 0 else "NEVER"
        if isinstance(value, Message):
            fields = [f"{field.name}={self._field(field.name, one)}" for field, one in value.ListFields()]
            return f"({' '.join(fields)})"
        if isinstance(value, bytes):
            return f"{len(value)} bytes" if len(value) > 64 else repr(value)
        if isinstance(value, str):
            return f"'{self._plain(value)}'"
        if isinstance(value, (bool, int)):
            return str(value)
        return self._sequence(value)

    def _field(self, name: str, value: object) -> str:
        if name == "pid" and isinstance(value, int):
            return "PID"
        if hasattr(value, "items"):
            return f"[{', '.join(f'{key}={self._shown(one)}' for key, one in sorted(value.items()))}]"
        return self._shown(value)

    def _sequence(self, value: object) -> str:
        if hasattr(value, "__len__") and hasattr(value, "__getitem__"):
            return f"[{', '.join(self._shown(value[number]) for number in range(len(value)))}]"
        return str(value)

    def _plain(self, text: str) -> str:
        text = text.replace(str(self.scratch), "SCRATCH").replace(self.client.namespace, "NAMESPACE")
        text = re.sub(r"/[^\s:]*?/(?=io\.containerd\.)", "/", text)
        text = re.sub(r"(?<=/snapshots/)\d+", self._snapshot, text)
        text = re.sub(r"(?<=NAMESPACE/)\d+(?=/)", "N", text)
        return re.sub(r"locked for \S+ \(since [^)]*\)", "locked for TIME", text)

    def _snapshot(self, match: re.Match[str]) -> str:
        """Number snapshots in the order in which they appear."""
        return self._snapshots.setdefault(match[0], f"#{len(self._snapshots) + 1}")


def _unpacked(event: Any) -> Message:
    name = event.type_url.rpartition(".")[2]
    kind = getattr(events_pb2, name, None) or getattr(images_pb2, name, None)
    return event if kind is None else kind.FromString(event.value)


def joined(lines: Iterable[str]) -> str:
    """Return a transcript as its file has it."""
    return "".join(f"{line}\n" for line in lines)
