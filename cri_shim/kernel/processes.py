"""Processes of the node, read from /proc. Of one that has ended meanwhile every answer is empty. Everything blocks."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_STARTTIME: Final = 19  # place in /proc/PID/stat, counted from the state on


def all_pids(proc: Path = PROC) -> list[int]:
    """Return the processes that there are."""
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal()]


def arguments(pid: int, proc: Path = PROC) -> list[str]:
    """Return what a process was started with, its program first; nothing for a kernel thread."""
    return _text(proc / str(pid) / "cmdline").split("\0")[:-1]


def children(pid: int, proc: Path = PROC) -> list[int]:
    """Return the processes that any thread of a process has started."""
    try:
        threads = list((proc / str(pid) / "task").iterdir())
    except OSError:
        return []
    return [int(child) for thread in threads for child in _text(thread / "children").split()]


def cgroups(pid: int, proc: Path = PROC) -> str:
    """Return the cgroups of a process, one line for each hierarchy."""
    return _text(proc / str(pid) / "cgroup")


def age(pid: int, proc: Path = PROC) -> float:
    """Return for how many seconds a process has been there; infinitely many where that is not to be seen."""
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
