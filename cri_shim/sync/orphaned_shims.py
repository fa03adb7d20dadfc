"""End the shims that containerd has forgotten.

When the connection breaks in the middle of Tasks.Create because the daemon was killed, containerd 1.6 abandons the call
and may leave the shim it had just started: a process without a task, which no call to containerd can end. So after a
crash, and only then, the removal of a pod searches the processes for its shims.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from cri_shim.kernel.processes import PROC, all_pids, arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS = 2.0
"""How long a shim gets to end by itself after its last task was deleted."""

_POLL_EVERY = 0.05
_DELETE_SECONDS = 10.0
_SHIM_SOCKETS = Path("/run/containerd/s")

log = structlog.get_logger(__name__)


def end_orphaned_shims(address: str, namespace: str, ids: set[str]) -> None:
    """End the shims started for ``ids`` that do not end by themselves, and undo what they made. Blocks.

    ``address`` is containerd's socket in the form that its shims got; it is part of the names of their own sockets.
    """
    _end_processes(namespace, ids)
    for id_ in ids:
        socket_path = (
            f"{address.removeprefix('unix://')}/{namespace}/{id_}"  # containerd runtime/v2/shim, ``SocketAddress``
        )
        (_SHIM_SOCKETS / hashlib.sha256(socket_path.encode()).hexdigest()).unlink(missing_ok=True)


def _end_processes(namespace: str, ids: set[str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while orphaned := find_shims(namespace, ids):
        if time.monotonic() > deadline:
            for pid, started_with in orphaned.items():
                log.warning("shim.stray_ended", pid=pid, arguments=started_with)
                _end(pid, started_with)
            return
        time.sleep(_POLL_EVERY)


def find_shims(namespace: str, ids: set[str], proc: Path = PROC) -> dict[int, list[str]]:
    """Return the shims of ``namespace`` started for one of ``ids``: pid → arguments."""
    return {pid: started_with for pid, started_with, options in shims_in(namespace, proc) if options.get("-id") in ids}


def shims_in(namespace: str, proc: Path = PROC) -> Iterator[tuple[int, list[str], dict[str, str]]]:
    """Yield the shims of ``namespace``, of any containerd: pid, arguments, and the arguments as options. Blocks."""
    for pid in all_pids(proc):
        started_with = arguments(pid, proc)
        if started_with and Path(started_with[0]).name.startswith("containerd-shim-"):
            options = dict(itertools.pairwise(started_with[1:]))
            if options.get("-namespace") == namespace:
                yield pid, started_with, options


def _end(pid: int, started_with: list[str]) -> None:
    """Let the shim's own program undo what the shim made (runc container, mounts), then kill the shim."""
    try:
        # A shim's working directory is its bundle, where ``delete`` finds what to undo.
        bundle = Path(f"/proc/{pid}/cwd").readlink()
        program = Path(f"/proc/{pid}/exe").readlink()
        subprocess.run(
            [str(program), *started_with[1:], "delete"],
            cwd=bundle,
            capture_output=True,
            timeout=_DELETE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("shim.stray_not_undone", pid=pid, error=str(error))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
