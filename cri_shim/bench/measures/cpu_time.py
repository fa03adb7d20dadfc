"""Read the CPU seconds of a process: its own in nanoseconds, those of children that it waited for in ticks.

The kernel keeps a clock of CPU time for every process, which includes threads that have ended. Any process can read it
under an id that is derived from the process id (clock_getcpuclockid(3)). For ended children there is only the sum in
/proc/PID/stat, in hundredths of a second.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_UTIME, _STIME, _CUTIME, _CSTIME = 11, 12, 13, 14  # indexes of the fields of /proc/PID/stat after the name
_SCHEDULER_CLOCK = 2


def own_seconds(pid: int) -> float:
    """Return the CPU seconds of all threads that a process has and had; 0 for a process that is gone."""
    try:
        return time.clock_gettime(~pid << 3 | _SCHEDULER_CLOCK)
    except OSError:
        # The process has ended, or the kernel does not offer the clocks of other processes (gVisor).
        return _ticks(pid, _UTIME, _STIME)


def children_seconds(pid: int) -> float:
    """Return the CPU seconds of waited-for children of a process, and of theirs; 0 for a process that is gone."""
    return _ticks(pid, _CUTIME, _CSTIME)


def _ticks(pid: int, *fields: int) -> float:
    with contextlib.suppress(OSError):
        values = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return sum(int(values[field]) for field in fields) / TICKS
    return 0.0
