"""What /proc tells of daemons, their children and the machine: CPU seconds and memory (proc(5)).

CPU of a process is its own time and, apart from it, that of children it has waited for: the CNI plugins and mount
helpers of a daemon, the runc of a shim. A shim that came and went within a turn is only in the machine's time.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cri_shim.bench.schema import Process

TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_UTIME, _STIME, _CUTIME, _CSTIME = 11, 12, 13, 14  # of the fields of /proc/PID/stat after the name
_PEER = struct.Struct("3i")
_MIB = 1 << 20


class UnknownProcessError(RuntimeError):
    """Nobody could be found behind a socket."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A moment: CPU seconds so far, by group; ``stolen`` and ``total`` are the machine's."""

    cpu: dict[str, float]
    stolen: float
    total: float

    def since(self, before: Clock) -> dict[str, float]:
        """CPU seconds of each group since another moment."""
        return {name: round(max(0.0, self.cpu[name] - before.cpu.get(name, 0.0)), 3) for name in self.cpu}

    def stolen_since(self, before: Clock) -> float:
        """The share of the machine's time that the hypervisor kept since then."""
        passed = self.total - before.total
        return round((self.stolen - before.stolen) / passed, 4) if passed > 0 else 0.0


def server_of(endpoint: str) -> int:
    """Process id of who listens on a unix socket; raises :class:`UnknownProcessError` when nobody does."""
    path = endpoint.removeprefix("unix://")
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
            pid, _, _ = _PEER.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    except OSError as error:
        raise UnknownProcessError(f"nobody listens on {path}: {error.strerror or error}") from error
    if not pid:
        raise UnknownProcessError(f"who listens on {path} is in another PID namespace; run this where it is seen")
    return int(pid)


def program_of(pid: int) -> str:
    """The name of the program that a process runs, for a script the script's."""
    arguments = (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    names = [Path(argument).name for argument in arguments if argument and not argument.startswith("-")]
    if len(names) > 1 and names[0].startswith("python"):
        return names[1].removesuffix(".py")
    return names[0] if names else str(pid)


def version_of(pid: int) -> str:
    """What a process' own program answers to ``--version``; empty for an interpreter, whose version it is not."""
    program = _PROC / str(pid) / "exe"
    if program.readlink().name.startswith("python"):
        return ""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
        return done.stdout.partition("\n")[0].strip()
    return ""


def read_clock(processes: Sequence[Process], shims: Iterable[int]) -> Clock:
    """CPU seconds so far of the daemons, their helpers, their shims, this process and the machine."""
    cpu: dict[str, float] = {"helpers": 0.0}
    for process in processes:
        own, children = _cpu_seconds(process.pid)
        cpu[process.name] = own
        cpu["helpers"] += children
    cpu["shims"] = sum(sum(_cpu_seconds(pid)) for pid in shims)
    cpu["client"] = sum(_cpu_seconds(os.getpid()))
    busy, stolen, total = _machine_seconds()
    cpu["machine"] = busy
    return Clock(cpu, stolen, total)


def read_memory(processes: Sequence[Process], shims: Iterable[int]) -> dict[str, float]:
    """MiB: the daemons' resident set, the shims' proportional one, and what the machine has given away."""
    memory = {process.name: _resident(process.pid) for process in processes}
    memory["shims"] = sum(_proportional(pid) for pid in shims)
    kib = {line.split(":")[0]: int(line.split()[1]) for line in (_PROC / "meminfo").read_text().splitlines()}
    memory["machine"] = (kib["MemTotal"] - kib["MemAvailable"]) / 1024
    return {name: round(value, 2) for name, value in memory.items()}


def _cpu_seconds(pid: int) -> tuple[float, float]:
    """Own time and that of children it has waited for; nothing of a process that is gone."""
    with contextlib.suppress(OSError):
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        own = int(fields[_UTIME]) + int(fields[_STIME])
        children = int(fields[_CUTIME]) + int(fields[_CSTIME])
        return own / TICKS, children / TICKS
    return 0.0, 0.0


def _machine_seconds() -> tuple[float, float, float]:
    """Busy, stolen and all seconds of all cores so far: the first line of /proc/stat."""
    user, nice, system, idle, iowait, irq, softirq, steal = map(
        int, (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    busy = user + nice + system + irq + softirq
    return busy / TICKS, steal / TICKS, (busy + idle + iowait + steal) / TICKS


def _resident(pid: int) -> float:
    with contextlib.suppress(OSError):
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MIB
    return 0.0


def _proportional(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
