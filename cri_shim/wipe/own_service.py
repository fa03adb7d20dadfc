"""A daemon that serves no requests: all collaborators of the real one, which know our pods and no others."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from cri_shim.concurrency.supervisor import Supervisor
from cri_shim.daemon.wiring import wire
from cri_shim.errors import UnavailableError
from cri_shim.ledger.trace_policy import TracePolicy
from cri_shim.oci.node_facts import NodeFacts
from cri_shim.sync.monitor import Monitor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from containerd_client.api.containerd.types.types_pb2 import Envelope
    from cri_shim.config import Config
    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths
    from cri_shim.service import Service

_READY_SECONDS: Final = 60.0
_UNDO_SECONDS: Final = 5.0


class _ImagesOfOthers:
    """Reads no images: the daemon's own reader also labels those that other clients pulled or imported."""

    has_unread = False

    async def load_all(self) -> None:
        """Read nothing."""

    async def read_unread(self) -> None:
        """Read nothing."""

    async def on_event(self, envelope: Envelope) -> None:
        """Ignore the event."""


@asynccontextmanager
async def own_service(config: Config, paths: Paths, kernel: Kernel, own: Collection[str]) -> AsyncIterator[Service]:
    """Yield a service that has read the records whose ids are in ``own``, and follows containerd's events.

    Raises UnavailableError when containerd cannot be read.
    """
    supervisor = Supervisor()
    parts = wire(
        config,
        paths,
        supervisor,
        TracePolicy(),
        kernel=kernel,
        node=NodeFacts.read(),
        features={},
        belongs=lambda record: record.id in own,
    )
    service = parts.service
    monitor = Monitor(
        containerd=service.containerd,
        kernel=kernel,
        namespace=config.containerd.namespace,
        readiness=service.readiness,
        recovery=parts.recovery,
        images=_ImagesOfOthers(),
        exits=service.exits,
        sandboxes=service.sandboxes,
        containers=service.containers,
        supervisor=supervisor,
        on_first_open=service.puller.forget_leases,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(service.containerd.close)
        stack.push_async_callback(service.puller.close)
        parts.pump.start()
        stack.callback(parts.pump.stop)
        await service.network.start()
        stack.push_async_callback(service.network.stop)
        stack.push_async_callback(supervisor.stop)
        monitor.start()
        stack.push_async_callback(service.operations.drain, _UNDO_SECONDS, _UNDO_SECONDS)
        try:
            await asyncio.wait_for(service.readiness.wait_known(), _READY_SECONDS)
        except TimeoutError:
            raise UnavailableError(service.readiness.reason) from None
        service.readiness.require()
        yield service
