"""Show the progress of runs of many minutes: how far, what now, how long still. Off a terminal: one line a step."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from typing import TextIO

_WIDTH = 24
_FULL, _EMPTY = "━", "─"


@dataclass(slots=True)
class Progress:
    """``total`` and ``done`` are in seconds of expected work, not in elapsed seconds."""

    out: TextIO
    total: float
    done: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _title: str = ""
    _shown: int = 0

    def title(self, text: str) -> None:
        """Print what comes next."""
        self._title = text
        if not self.out.isatty():
            self.out.write(f"{text}\n")
            self.out.flush()

    def show(self, detail: str) -> None:
        """Print how far it is."""
        if not self.out.isatty():
            return
        line = f"{bar(self.done, self.total)} {self.left()} {self._title}: {detail}"
        line = line[: shutil.get_terminal_size().columns - 1]
        self.out.write(f"\r{line}{' ' * max(0, self._shown - len(line))}")
        self.out.flush()
        self._shown = len(line)

    def advance(self, expected_seconds: float) -> None:
        """Count some work as done."""
        self.done += expected_seconds

    def left(self) -> str:
        """Return how long it still takes, extrapolated from the time so far."""
        passed = time.monotonic() - self._began
        if not self.done:
            return "--:--"
        seconds = round(passed / self.done * max(0.0, self.total - self.done))
        return f"{seconds // 60:02}:{seconds % 60:02}"

    def end(self) -> None:
        """End the line."""
        if self._shown:
            self.out.write("\n")
            self.out.flush()
            self._shown = 0


def bar(done: float, total: float) -> str:
    """Return a bar that shows which share is done."""
    share = min(1.0, done / total) if total else 1.0
    full = round(share * _WIDTH)
    return f"{_FULL * full}{_EMPTY * (_WIDTH - full)} {share:4.0%}"
