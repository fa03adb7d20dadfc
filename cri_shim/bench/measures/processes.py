"""Inspect daemons from outside: the process behind a socket, and CPU seconds of daemons, their children, the machine.

The CPU time of a process is its own and, separately, that of children it has waited for: the CNI plugins and mount
helpers of a daemon, the runc of a shim. A shim that began and ended within a run is only in the machine's time.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.bench.measures.cpu_time import TICKS, children_seconds, own_seconds
from untrusted.text import decode_utf8, escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cri_shim.bench.results.schema import Process

_PROC = Path("/proc")
_PEER = struct.Struct("3i")
_SYSTEMD = 1
_ACCEPTS = "00010000"


class UnknownProcessError(RuntimeError):
    """No process could be found behind a socket."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A moment: the CPU seconds so far, by group; ``stolen`` and ``total`` are the machine's."""

    cpu: dict[str, float]
    stolen: float
    total: float

    def since(self, before: Clock) -> dict[str, float]:
        """Return the CPU seconds of each group since another moment."""
        return {name: round(max(0.0, self.cpu[name] - before.cpu.get(name, 0.0)), 6) for name in self.cpu}

    def stolen_since(self, before: Clock) -> float:
        """Return the share of the machine's time that the hypervisor took since then."""
        passed = self.total - before.total
        return round((self.stolen - before.stolen) / passed, 4) if passed > 0 else 0.0


def server_of(endpoint: str) -> int:
    """Return the process id of the daemon that listens on a unix socket; raises :class:`UnknownProcessError`."""
    path = endpoint.removeprefix("unix://")
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
            pid, _, _ = _PEER.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    except OSError as error:
        raise UnknownProcessError(
            f"no daemon listens on {path}: {error.strerror or error}; start it, or name another socket"
        ) from error
    if not pid:
        raise UnknownProcessError(f"the listener of {path} is in another PID namespace; run this where it is visible")
    if pid == _SYSTEMD:
        # systemd listened on behalf of a daemon that it started when the first client came (cri-docker.socket).
        return holder_of(path, _SYSTEMD) or _SYSTEMD
    return int(pid)


def holder_of(path: str, apart_from: int) -> int:
    """Return the id of another process that has the listening socket of a path open; 0 when none is visible."""
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(path)}
    for process in (entry for entry in _PROC.iterdir() if entry.name.isdigit()):
        if int(process.name) != apart_from and wanted & _open_files(process):
            return int(process.name)
    return 0


def _listening_inodes(path: str) -> list[str]:
    """Read /proc/net/unix, whose lines are: slot, references, protocol, flags, type, state, inode, path."""
    lines = (line.split(maxsplit=7) for line in (_PROC / "net/unix").read_text(errors="replace").splitlines())
    return [line[6] for line in lines if len(line) == 8 and line[7] == path and line[3] == _ACCEPTS]


def _open_files(process: Path) -> set[str]:
    paths = set()
    with contextlib.suppress(OSError):  # it ended meanwhile, or belongs to another user
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                paths.add(str(descriptor.readlink()))
    return paths


def program_of(pid: int) -> str:
    """Return the name of the program, or script, that a process runs; raises :class:`UnknownProcessError`."""
    try:
        line = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError as error:
        raise UnknownProcessError(f"cannot inspect process {pid}: {error.strerror}") from error
    arguments = line.decode(errors="replace").split("\0")
    names = [Path(argument).name for argument in arguments if argument and not argument.startswith("-")]
    if len(names) > 1 and names[0].startswith("python"):
        return names[1].removesuffix(".py")
    return names[0] if names else str(pid)


def version_of(pid: int) -> str:
    """Return what a process's program prints for ``--version``; empty for an interpreter, which prints its own."""
    program = _PROC / str(pid) / "exe"
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        if not program.readlink().name.startswith("python"):
            done = subprocess.run([program, "--version"], capture_output=True, timeout=10, check=False)
            return escaped(decode_utf8(done.stdout).partition("\n")[0].strip())
    return ""


def read_clock(
    processes: Sequence[Process],
    shims: Iterable[int],
    clients: Iterable[int] = (),
    helpers: Iterable[int] = (),
    beside: Iterable[Process] = (),
) -> Clock:
    """Return the CPU seconds so far of the daemons, their helpers, their shims, the client and the machine.

    The client is this process, and ``clients``, other processes that make calls for it. ``helpers`` are processes that
    daemons keep running; those that ended count as well, once their daemon has waited for them. ``beside`` are other
    processes, each counted with its own children.
    """
    cpu = {"helpers": fsum(own_seconds(pid) + children_seconds(pid) for pid in helpers)}
    for process in processes:
        cpu[process.name] = own_seconds(process.pid)
        cpu["helpers"] += children_seconds(process.pid)
    for process in beside:
        cpu[process.name] = own_seconds(process.pid) + children_seconds(process.pid)
    cpu["shims"] = fsum(own_seconds(pid) + children_seconds(pid) for pid in shims)
    cpu["client"] = fsum(own_seconds(pid) + children_seconds(pid) for pid in (os.getpid(), *clients))
    busy, stolen, total = _machine_seconds()
    cpu["machine"] = busy
    return Clock(cpu, stolen, total)


def _machine_seconds() -> tuple[float, float, float]:
    """Return busy, stolen and all seconds of all cores so far, from the first line of /proc/stat."""
    user, nice, system, idle, iowait, irq, softirq, steal = map(
        int, (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    busy = user + nice + system + irq + softirq
    return busy / TICKS, steal / TICKS, (busy + idle + iowait + steal) / TICKS
