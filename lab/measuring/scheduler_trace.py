"""Trace which task the scheduler charges with how much CPU time, and which programs are executed (tracefs).

The kernel writes an event each time it charges a task, so the sum has every nanosecond, that of ended processes and of
their teardown included, and changes its name with each exec. Accounting at a process's exit (taskstats) lacks the
teardown, and clocks of processes can no longer be read when a short process has ended. The events stay in the kernel's
buffer until tracing stops, so that nothing reads them meanwhile. The trace is an instance of its own: others that trace
the machine are not disturbed.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TRACING: Final = Path("/sys/kernel/tracing")
_EVENTS: Final = ("sched_stat_runtime", "sched_process_fork", "sched_process_exec")
_CHARGED: Final = re.compile(r"sched_stat_runtime: comm=(.*) pid=(\d+) runtime=(\d+) \[ns\]")
_FORKED: Final = re.compile(r"sched_process_fork: comm=.* pid=(\d+) child_comm=.* child_pid=(\d+)")
_EXECUTED: Final = re.compile(r" (\d+\.\d+): sched_process_exec: filename=(.*) pid=(\d+) old_pid=\d+")
_LOST: Final = re.compile(r"(?:overrun|dropped events): (\d+)")


class TraceError(RuntimeError):
    """The kernel does not trace, or has lost events."""


class Charged(NamedTuple):
    """A task has used the CPU for some nanoseconds."""

    comm: str
    pid: int
    nanoseconds: int


class Forked(NamedTuple):
    """A task has made a task: a thread, or a process."""

    parent: int
    child: int


class Executed(NamedTuple):
    """A process executes another program from now on; ``seconds`` is CLOCK_MONOTONIC."""

    seconds: float
    program: str
    pid: int


Event = Charged | Forked | Executed


def parse(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events in the text of a trace."""
    for line in lines:
        if match := _CHARGED.search(line):
            yield Charged(match[1], int(match[2]), int(match[3]))
        elif match := _FORKED.search(line):
            yield Forked(int(match[1]), int(match[2]))
        elif match := _EXECUTED.search(line):
            yield Executed(float(match[1]), match[2], int(match[3]))


@dataclass(slots=True)
class SchedulerTrace:
    """A trace between ``with`` and the end of its block; ``events`` may be called after it, and once."""

    kib: int = 96 * 1024
    """The size of the buffer of each core."""
    instance: Path = field(init=False)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Choose a name that no other trace has."""
        self.instance = TRACING / "instances" / f"batch-cpu-{time.monotonic_ns()}"

    def __enter__(self) -> Self:
        """Begin. Raises :class:`TraceError` where the kernel or this user cannot."""
        try:
            self.instance.mkdir()
            self._set("tracing_on", "0")
            self._set("trace_clock", "mono")
            self._set("buffer_size_kb", str(self.kib))
            for event in _EVENTS:
                self._set(f"events/sched/{event}/enable", "1")
            self._set("tracing_on", "1")
        except OSError as error:
            self.remove()
            raise TraceError(f"cannot trace the scheduler (as root, with tracefs at {TRACING}): {error}") from error
        self.seconds = -time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; the events stay."""
        self._set("tracing_on", "0")
        self.seconds += time.monotonic()

    def events(self) -> Iterator[Event]:
        """Yield what happened, and free the buffer. Raises :class:`TraceError` if events were lost."""
        try:
            stats = [path.read_text() for path in self.instance.glob("per_cpu/cpu*/stats")]
            if lost := sum(int(number) for text in stats for number in _LOST.findall(text)):
                raise TraceError(f"{lost} events are lost: the buffer of {self.kib} KiB for each core is too small")
            with (self.instance / "trace").open(errors="replace") as lines:
                yield from parse(lines)
        finally:
            self.remove()

    def remove(self) -> None:
        """Remove the instance; nothing happens if there is none."""
        if self.instance.exists():
            self.instance.rmdir()

    def _set(self, name: str, value: str) -> None:
        (self.instance / name).write_text(value)
