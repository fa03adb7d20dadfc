"""containerd 2 with its plugin, whose own spans say what it does inside of itself."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from lab.otlp_collector import OtlpCollector, Span
from lab.pod_starts.form import REQUESTS, Step
from lab.pod_starts.observed import wall_clock_ahead
from lab.pod_starts.sides import TO_SHIM, Plugin

if TYPE_CHECKING:
    from contextlib import ExitStack

    from lab.pod_starts.observed import Observed

_EXPORTED: Final = 1.5
"""Seconds until the spans of a start have been exported for certain."""


@dataclass(slots=True)
class TracedPlugin(Plugin):
    """The plugin of containerd 2."""

    name: ClassVar[str] = "plugin-2.1"
    title: ClassVar[str] = "CRI plugin of containerd 2.1"
    not_observed: ClassVar[tuple[dict[str, str], ...]] = (TO_SHIM,)
    collector: OtlpCollector = field(default_factory=OtlpCollector)
    _spans: dict[str, list[Span]] = field(default_factory=dict)

    def serve(self, stack: ExitStack) -> str:
        """Start the collector, and containerd with its plugin."""
        stack.enter_context(self.collector)
        self.spans_to = self.collector.url
        return Plugin.serve(self, stack)

    def after_each(self, observed: Observed) -> None:
        """Wait until the spans have come, and take those of this start."""
        time.sleep(_EXPORTED)
        first, last = (moment + wall_clock_ahead() for moment in (observed.zero, observed.until))
        self._spans[observed.pod] = [
            span
            for span in self.collector.spans()
            if first <= span.started * 1e9 and (span.started + span.seconds) * 1e9 <= last
        ]

    def steps(self, observed: Observed) -> list[Step]:
        """Return requests, programs, and the spans below the requests' own."""
        ahead = wall_clock_ahead()
        within = [
            Step(
                "containerd",
                "containerd",
                span.name,
                (span.started * 1e9 - ahead - observed.zero) / 1e6,
                span.seconds * 1e3,
                "span",
            )
            for span in self._spans[observed.pod]
            if not span.name.endswith(REQUESTS)
        ]
        return observed.steps("containerd") + [step for step in within if step.start_ms >= 0]
