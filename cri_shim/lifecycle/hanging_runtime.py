"""Ending an OCI runtime that hangs, so that its shim answers again.

The runc shim holds the lock of a container while it runs ``runc start``, and waits for the end of its output besides: a
runtime that hangs, or a child of one that keeps its output open, makes the shim deaf to Kill and Delete alike. What
the shim has started and what still runs in the shim's own cgroup are such programs; containers have their own.
"""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from containerd_client import DeadlineExceeded
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.processes import PROC, arguments, cgroups, children
from cri_shim.store.stray_shims import find_shims

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cri_shim.service import Service

_RUNC_SHIMS = "io.containerd.runc."

log = structlog.get_logger(__name__)


@asynccontextmanager
async def hanging_ended(service: Service, sandbox_id: str, runtime_handler: str | None = None) -> AsyncIterator[None]:
    """End what hangs when the call inside has taken as long as it may; else its shim is deaf to the undo."""
    try:
        yield
    except DeadlineExceeded:
        await end_hanging_runtimes(service, sandbox_id, runtime_handler)
        raise


async def end_hanging_runtimes(service: Service, sandbox_id: str, runtime_handler: str | None = None) -> None:
    """Kill what the pod's shim runs beside its containers. Other shims than runc's may need theirs, and are spared.

    ``runtime_handler`` is the pod's; None: as its record in memory says.
    """
    if runtime_handler is None:
        sandbox = service.sandboxes.find(sandbox_id)
        runtime_handler = "" if sandbox is None else sandbox.runtime_handler
    name = runtime_handler or service.config.containerd.default_runtime_name
    handler = service.config.containerd.runtimes.get(name)
    if handler is not None and handler.runtime_type.startswith(_RUNC_SHIMS):
        await run(FS, end_programs, service.config.containerd.namespace, sandbox_id)


def end_programs(namespace: str, sandbox_id: str, proc: Path = PROC) -> None:
    """Kill the descendants of the shim of ``sandbox_id`` that are in the shim's own cgroups. Blocks."""
    for shim in find_shims(namespace, {sandbox_id}, proc):
        own = cgroups(shim, proc)
        for pid in _descendants(proc, shim):
            if own and cgroups(pid, proc) == own:
                log.warning("runtime.hanging_ended", sandbox_id=sandbox_id, pid=pid, arguments=arguments(pid, proc))
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _descendants(proc: Path, pid: int) -> list[int]:
    below = children(pid, proc)
    return [*below, *(each for child in below for each in _descendants(proc, child))]
