"""Named stretches of time that a request notes about itself while it runs.

This module is at the bottom of the layers, so that a thread pool or a lock can say how long it kept a request waiting
without knowing what a request is. The current timeline travels in a context variable, which tasks inherit. Without one,
nothing is noted and noting costs nothing.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from types import TracebackType

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


MOST_WAITS: Final = 1000
"""Waits of one name that a request notes one by one; a stream to a client that reads slowly can have any number of
them. Later ones extend the last."""


class Stretch(Struct, frozen=True):
    """A named stretch of time: a stage of the work, or a wait."""

    name: str
    started: float
    """Seconds of ``time.perf_counter``."""
    duration: float
    """Seconds."""
    about: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    """What the stretch worked on, as attributes for its span."""
    block: stage | None = None
    """The ``with`` block that was noted; hops made inside it refer to it as their parent (see :data:`inside`)."""


class Timeline(Struct, kw_only=True, eq=False):
    """The stages and waits of one request, and the CPU time spent on it."""

    ended: bool = False
    """Whether the request has been answered; what an operation does after that is not part of the request."""
    stages: list[Stretch] | None = None
    waits: list[Stretch] | None = None
    waiting: set[awaited] | None = None
    """Waits that are under way."""
    cpu: float = 0.0
    """Seconds of thread CPU time spent on it so far, on the event loop and in the named executors."""
    exposed_cpu: float = 0.0
    """The part of ``cpu`` that was spent while the request had nothing under way elsewhere (see ``beside``)."""
    beside: int = 0
    """Number of its hops, helpers and ``awaited`` waits that are under way; CPU time spent beside them is charged to
    them."""
    mark: float = -1.0
    """The ``time.thread_time`` up to which the running step is counted; negative while no step runs."""

    def end_waits(self, now: float) -> None:
        """Note the waits that outlive the request: those of an operation that goes on after its client hung up."""
        for wait in self.waiting or ():
            self.add_wait(Stretch(wait.name, wait.started, now - wait.started))
        self.waiting = None

    def add_wait(self, wait: Stretch) -> None:
        """Note a wait."""
        waits = self.waits or []
        if len(waits) >= MOST_WAITS:
            alike = [number for number, one in enumerate(waits) if one.name == wait.name]
            if len(alike) >= MOST_WAITS:
                last = waits[alike[-1]]
                longer = Stretch(wait.name, last.started, wait.started + wait.duration - last.started)
                self.waits = [*waits[: alike[-1]], longer, *waits[alike[-1] + 1 :]]
                return
        self.waits = [*waits, wait]

    def count_cpu(self) -> None:
        """Count the running step up to now.

        Called where a step begins, where it ends, and where ``beside`` changes.
        """
        if self.mark >= 0.0:
            now = time.thread_time()
            self.add_cpu(now - self.mark)
            self.mark = now

    def add_cpu(self, seconds: float) -> None:
        """Add CPU time of a thread."""
        self.cpu += seconds
        if not self.beside:
            self.exposed_cpu += seconds


current_request: ContextVar[Timeline | None] = ContextVar("cri_shim_timeline", default=None)
"""The timeline of the request that the running task works for."""


inside: ContextVar[stage | None] = ContextVar("cri_shim_stage", default=None)
"""The innermost stage in which the running task is."""


class stage:  # noqa: N801 - reads as the statement it is: with stage("cni.setup_pod_network"):
    """Note how long a ``with`` block took, under the name of what it does.

    The block may add attributes while it runs: ``with stage("cri.sandbox.run") as running:
    running.set_attributes(...)``.
    """

    __slots__ = ("_name", "_started", "_token", "about", "outer")

    def __init__(self, name: str, about: Mapping[str, str] = _NOTHING) -> None:
        self._name = name
        self.about = about
        self.outer: stage | None = None

    def set_attributes(self, about: Mapping[str, str]) -> None:
        """Add attributes about what the stage works on."""
        self.about = {**self.about, **about}

    def __enter__(self) -> Self:
        self.outer = inside.get()
        self._token: Token[stage | None] = inside.set(self)
        self._started = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        token = self._token
        # The token leads to the context, that to the request, and the request to its stages: a circle for each request.
        del self._token
        try:
            inside.reset(token)
        except ValueError:
            return  # The garbage collector ends what is suspended here, in the context of another request.
        _note_block(self, self._name, self._started)


class awaited:  # noqa: N801 - see above: with awaited("exit"):
    """Note how long a ``with`` block waited, under the name of what it waited for.

    :data:`OUTSIDE` says which of these waits are not for the daemon itself.
    """

    __slots__ = ("_timeline", "name", "started")

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self.started = time.perf_counter()
        self._timeline = current_request.get()
        if self._timeline is not None:
            self._timeline.count_cpu()
            self._timeline.beside += 1
            if not self._timeline.ended:
                self._timeline.waiting = {*(self._timeline.waiting or ()), self}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Not of the current request: the garbage collector ends what is suspended here in the context of another one.
        timeline = self._timeline
        if timeline is not None:
            timeline.count_cpu()
            timeline.beside -= 1
            if timeline.waiting is not None:
                timeline.waiting.discard(self)
            if not timeline.ended:
                timeline.add_wait(Stretch(self.name, self.started, time.perf_counter() - self.started))


OUTSIDE = frozenset({"exit", "output", "registry", "joined", "event", "client"})
"""Names of waits for something outside the daemon.

These are the end of a process, its output, a registry, an earlier request that does the same work, an event, and a
client that does not read. All other waits are for the daemon's own limits and locks: the request's own queue. They
stand for contention that any daemon in this place would have as well, so they are not part of the price of the hop."""


def note_stage(name: str, started: float, *, least: float = 0.0, about: Mapping[str, str] = _NOTHING) -> None:
    """Add a stage to the current request, if there is one: it began at ``started`` (perf_counter) and ends now.

    A stage shorter than ``least`` seconds is left out, because it is not worth a line.
    """
    timeline = current_request.get()
    if timeline is not None and not timeline.ended:
        duration = time.perf_counter() - started
        if duration >= least:
            block = None if (outer := inside.get()) is None else stage(name)
            if block is not None:
                block.outer = outer
            timeline.stages = [*(timeline.stages or ()), Stretch(name, started, duration, about, block)]


def _note_block(block: stage, name: str, started: float) -> None:
    timeline = current_request.get()
    if timeline is not None and not timeline.ended:
        duration = time.perf_counter() - started
        timeline.stages = [*(timeline.stages or ()), Stretch(name, started, duration, block.about, block)]


def note_cpu(seconds: float) -> None:
    """Add CPU time that another thread spent on the current request, if there is one."""
    timeline = current_request.get()
    if timeline is not None and not timeline.ended:
        timeline.add_cpu(seconds)


def note_wait(name: str, started: float, *, ended: float | None = None, least: float = 0.0) -> None:
    """Add a wait to the current request, if there is one: it began at ``started`` (perf_counter).

    It ended at ``ended`` (perf_counter), or ends now. A wait shorter than ``least`` seconds is left out.
    """
    timeline = current_request.get()
    if timeline is not None and not timeline.ended:
        duration = (time.perf_counter() if ended is None else ended) - started
        if duration >= least:
            timeline.add_wait(Stretch(name, started, duration))
