"""Time each step of a pod, by name; steps may run at the same time, in different threads."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Stages:
    """The milliseconds of each stage by name, in the order in which the stages began."""

    ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Time a step; a repeated name adds up."""
        before = self.ms.setdefault(name, 0.0)
        began = time.perf_counter()
        try:
            yield
        finally:
            self.ms[name] = before + (time.perf_counter() - began) * 1000
