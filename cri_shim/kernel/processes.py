"""Read facts about the node's processes from /proc.

For a process that has ended meanwhile, every answer is empty. All functions block.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_STARTTIME: Final = 19  # index in /proc/PID/stat, counted from the state on


def all_pids(proc: Path = PROC) -> list[int]:
    """Return the pids of all processes."""
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal()]


def arguments(pid: int, proc: Path = PROC) -> list[str]:
    """Return the command line of a process, its program first; empty for a kernel thread."""
    return _text(proc / str(pid) / "cmdline").split("\0")[:-1]


def children(pid: int, proc: Path = PROC) -> list[int]:
    """Return the child processes of all threads of a process."""
    try:
        threads = list((proc / str(pid) / "task").iterdir())
    except OSError:
        return []
    return [int(child) for thread in threads for child in _text(thread / "children").split()]


def parent(pid: int, proc: Path = PROC) -> int:
    """Return the parent of a process; 0 if it cannot be determined."""
    fields = _text(proc / str(pid) / "stat").rpartition(")")[2].split()
    return int(fields[1]) if fields else 0


def cgroups(pid: int, proc: Path = PROC) -> str:
    """Return the cgroups of a process, one line for each hierarchy."""
    return _text(proc / str(pid) / "cgroup")


def age(pid: int, proc: Path = PROC) -> float:
    """Return the age of a process in seconds; infinity if it cannot be determined."""
    try:
        begun = int(_text(proc / str(pid) / "stat").rpartition(")")[2].split()[_STARTTIME])
        return float(_text(proc / "uptime").split()[0]) - begun / os.sysconf("SC_CLK_TCK")
    except (ValueError, IndexError):
        return math.inf


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
