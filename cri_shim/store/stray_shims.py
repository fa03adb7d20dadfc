"""Shims that containerd has forgotten.

When the connection breaks in the middle of Tasks.Create — the daemon was killed — containerd 1.6 gives up the call and
may leave the shim it had just started: a process without a task, which no call of containerd's can end. So after a
crash, and only then, the shims of a pod that is being removed are looked for among the processes.
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

import structlog

PATIENCE_SECONDS = 2.0
"""A shim whose last task was deleted ends by itself; it is given this long."""

_LOOK_EVERY = 0.05
_DELETE_SECONDS = 10.0
_SHIM_SOCKETS = Path("/run/containerd/s")

log = structlog.get_logger(__name__)


def end_stray_shims(address: str, namespace: str, ids: set[str]) -> None:
    """End the shims started for ``ids`` that do not end by themselves, and what they had made. Blocks.

    ``address`` is containerd's socket, as its shims were told it; it is part of their own sockets' names.
    """
    _end_processes(namespace, ids)
    for id_ in ids:
        told = f"{address.removeprefix('unix://')}/{namespace}/{id_}"  # containerd runtime/v2/shim, ``SocketAddress``
        (_SHIM_SOCKETS / hashlib.sha256(told.encode()).hexdigest()).unlink(missing_ok=True)


def _end_processes(namespace: str, ids: set[str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while strays := find_shims(namespace, ids):
        if time.monotonic() > deadline:
            for pid, arguments in strays.items():
                log.warning("shim.stray_ended", pid=pid, arguments=arguments)
                _end(pid, arguments)
            return
        time.sleep(_LOOK_EVERY)


def find_shims(namespace: str, ids: set[str], proc: Path = Path("/proc")) -> dict[int, list[str]]:
    """The shims of ``namespace`` started for one of ``ids``: pid → arguments."""
    found = {}
    for entry in proc.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        except OSError:
            continue
        if arguments and Path(arguments[0]).name.startswith("containerd-shim-"):
            options = dict(itertools.pairwise(arguments[1:]))
            if options.get("-namespace") == namespace and options.get("-id") in ids:
                found[int(entry.name)] = arguments
    return found


def _end(pid: int, arguments: list[str]) -> None:
    """Have the shim's own program undo what it made (runc container, mounts), then end it."""
    try:
        # A shim works in its bundle; ``delete`` finds there what to undo.
        bundle = Path(f"/proc/{pid}/cwd").readlink()
        program = Path(f"/proc/{pid}/exe").readlink()
        subprocess.run(
            [str(program), *arguments[1:], "delete"],
            cwd=bundle,
            capture_output=True,
            timeout=_DELETE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("shim.stray_not_undone", pid=pid, error=str(error))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
