"""Faults by name: what is to go wrong at which call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto

ANY_UNARY = "*"
"""As a fault's method: any call that is answered with one message."""


class FaultKind(Enum):
    """What happens at a call instead of, before or after its work."""

    UNAVAILABLE = auto()
    """The call is not done and answers UNAVAILABLE."""
    UNKNOWN = auto()
    """The call is not done and answers UNKNOWN, as most failures of shims and runtimes do."""
    ANSWER_LOST = auto()
    """The call is done; the connection breaks before the answer, which the client sees as UNAVAILABLE."""
    HANG = auto()
    """The call is not done and not answered until it is released; a client that hangs up ends it."""
    LATE = auto()
    """The call is done; its answer comes ``seconds`` later."""
    GONE = auto()
    """The daemon dies at this call, which is not done: all connections break and the socket refuses."""


@dataclass
class Fault:
    """One fault. It strikes at calls number ``nth`` to ``nth + times - 1`` of its method, counted from its making."""

    method: str
    kind: FaultKind
    nth: int = 1
    times: int | None = 1
    """None: at every call from the ``nth`` on."""
    seconds: float = 0.0
    """Of LATE."""
    text: str = ""
    """The error text of UNKNOWN and UNAVAILABLE, if it matters."""
    moment: asyncio.Event | None = None
    """The call waits until this is set, and then the fault strikes."""
    seen: int = 0
    """How many calls of the method have come since."""
    struck: int = 0
    """How many of them it has struck."""

    def strikes(self, method: str, *, unary: bool) -> bool:
        """Count a call and say whether the fault is for it."""
        if self.method != method and not (self.method == ANY_UNARY and unary):
            return False
        self.seen += 1
        due = self.seen >= self.nth and (self.times is None or self.seen < self.nth + self.times)
        self.struck += due
        return due


@dataclass
class Faults:
    """The faults of one fake, in the order in which they were added; the first that strikes wins."""

    planned: list[Fault] = field(default_factory=list)
    _held: list[asyncio.Event] = field(default_factory=list)

    def add(
        self,
        method: str,
        kind: FaultKind,
        *,
        nth: int = 1,
        times: int | None = 1,
        seconds: float = 0.0,
        text: str = "",
        moment: asyncio.Event | None = None,
    ) -> Fault:
        """Plan a fault for the ``nth`` call of ``method`` from now on (``Tasks/Create``, or ``*`` for any unary)."""
        fault = Fault(method, kind, nth, times, seconds, text, moment)
        self.planned.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults and let hanging calls go on."""
        self.planned.clear()
        self.release()

    def release(self) -> None:
        """Let the calls that hang go on; they are done and answered then."""
        held, self._held = self._held, []
        for event in held:
            event.set()

    def strike(self, method: str, *, unary: bool) -> Fault | None:
        """Count a call in all faults, and return the one that strikes."""
        due = [fault for fault in self.planned if fault.strikes(method, unary=unary)]
        return due[0] if due else None

    @property
    def hanging(self) -> int:
        """How many calls hang now."""
        return len(self._held)

    async def hang(self) -> None:
        """Wait until released."""
        event = asyncio.Event()
        self._held.append(event)
        try:
            await event.wait()
        finally:
            if event in self._held:
                self._held.remove(event)
