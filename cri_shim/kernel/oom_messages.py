"""Read in the kernel's log which processes were killed because memory ran out, and in which cgroup.

Blocking; call it in a thread. /dev/kmsg gives one record a read, from the oldest that the kernel still has. For each
victim that it chooses itself, the kernel prints a summary with the victim's cgroup (``task_memcg=``), but not more than
ten in five seconds. For a group it prints the group's cgroup, and for every process that it kills a line with its pid,
always. (kernel mm/oom_kill.c; Documentation/ABI/testing/dev-kmsg)
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOG: Final = "/dev/kmsg"
_RECORD_BYTES: Final = 8192
_FIRST_FACILITY: Final = 8
_MOST_RECORDS: Final = 100_000
"""The kernel writes on while the log is read; a log that never ends must not keep the reader."""

_SUMMARY: Final = "oom-kill:"
_GROUP: Final = "Tasks in "
_GROUP_END: Final = "memory.oom.group set"
_KILLED: Final = re.compile(r": Killed process (\d+) ")


def was_killed(id_: str, pid: int, since_us: int, log: str = LOG) -> bool | None:
    """Return whether the kernel's log has a kill of process ``pid``, or in a cgroup with ``id_`` in its path.

    None if the log does not say: it cannot be read, it begins after ``since_us`` (the container's start, in
    microseconds of the monotonic clock), or it has kills since then of which it does not name the cgroup.
    """
    try:
        records = list(_records(log))
    except OSError:
        return None
    if not records:
        return None
    lines = [message for at_us, message in records if at_us >= since_us]
    if any(_names(line, id_, pid) for line in lines):
        return True
    complete = records[0][0] < since_us and not _unexplained(lines)
    return False if complete else None


def _names(line: str, id_: str, pid: int) -> bool:
    if line.startswith(_SUMMARY) or _of_group(line):
        return id_ in line
    killed = _KILLED.search(line)
    return killed is not None and pid > 0 and int(killed[1]) == pid


def _of_group(line: str) -> bool:
    return line.startswith(_GROUP) and line.endswith(_GROUP_END)


def _unexplained(lines: Iterable[str]) -> bool:
    """Return whether a process was killed of which the log does not name the cgroup, because of its limit."""
    explained = False
    in_group = False
    for line in lines:
        if line.startswith(_SUMMARY):
            explained, in_group = True, False
        elif _of_group(line):
            in_group = True
        elif _KILLED.search(line):
            if not explained and not in_group:
                return True
            explained = False
    return False


def _records(log: str) -> Iterator[tuple[int, str]]:
    """Yield the time in microseconds and the text of each record of the kernel that was not overwritten meanwhile.

    Programs may write to the log too; the kernel marks their records with a facility, in the bits above the level.
    """
    descriptor = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        for _ in range(_MOST_RECORDS):
            try:
                record = os.read(descriptor, _RECORD_BYTES)
            except BlockingIOError:
                return
            except BrokenPipeError:
                continue
            if not record:
                return
            header, _, text = record.decode(errors="replace").partition(";")
            fields = header.split(",")
            if len(fields) > 2 and fields[0].isdigit() and fields[2].isdigit():
                yield int(fields[2]), text.partition("\n")[0] if int(fields[0]) < _FIRST_FACILITY else ""
    finally:
        os.close(descriptor)
