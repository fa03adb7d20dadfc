"""The views that send spans to a collector, which may be another one after the configuration has been read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.telemetry.containerd_spans import ContainerdSpans
from cri_shim.telemetry.span_export import SpanExport, span_export
from cri_shim.telemetry.span_forward import SpanForward

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from cri_shim.concurrency.supervisor import Supervisor
    from cri_shim.ledger.ledger import Ledger
    from cri_shim.telemetry.tracing import Tracing


class Senders(Struct, frozen=True):
    """What sends to one collector; both are None without a collector."""

    export: SpanExport | None = None
    """Sends the daemon's own spans."""
    forward: SpanForward | None = None
    """Sends those that containerd has sent to the daemon."""


def senders(tracing: Tracing, containerd: str) -> Senders:
    """Make what sends to the collector of ``tracing``; ``containerd`` is its socket.

    This imports OpenTelemetry, which takes a while. Raises :class:`~cri_shim.telemetry.tracing.TracingError` if it is
    not installed.
    """
    forward = SpanForward(tracing) if tracing.receive and tracing.endpoint else None
    return Senders(span_export(tracing, containerd), forward)


class TraceViews:
    """Sends to one collector at a time."""

    def __init__(self, ledger: Ledger, supervisor: Supervisor) -> None:
        self._ledger = ledger
        self._supervisor = supervisor
        self._senders = Senders()
        self._tasks: list[asyncio.Task[None]] = []
        self._receiver: ContainerdSpans | None = None

    def receive(self) -> Callable[[bytes, str], Awaitable[bytes]]:
        """Receive containerd's own spans from now on; return the function that takes an export of them.

        Raises :class:`~cri_shim.telemetry.tracing.TracingError` if OpenTelemetry is not installed.
        """
        self._receiver = ContainerdSpans(self._ledger)
        self._ledger.listen(self._receiver)
        return self._receiver.take

    def use(self, new: Senders) -> None:
        """Send to another collector from now on; what has ended before still goes to the one of before."""
        old, self._senders = self._senders, new
        if old.export is not None:
            self._ledger.catch_up()
            self._ledger.leave(old.export)
            self._supervisor.once("spans-end", old.export.close())
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        if new.export is not None:
            self._ledger.listen(new.export)
            self._tasks.append(self._supervisor.forever("spans", new.export.run))
        if self._receiver is not None:
            self._receiver.forward = None if new.forward is None else new.forward.put
        if new.forward is not None:
            self._tasks.append(self._supervisor.forever("span-forward", new.forward.run))

    async def close(self) -> None:
        """Send what has ended, and end the exporter."""
        self._ledger.catch_up()
        if self._senders.export is not None:
            await self._senders.export.close()
