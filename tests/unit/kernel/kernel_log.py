"""A log of the kernel for tests: a pipe that gives one record a read and then says that there are no more for now."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Record = tuple[int | None, str]
"""How many microseconds ago, and the text; None stands for now."""
LONG_AGO = 10**12
SCOPE = "/kubepods.slice/kubepods-pod1.slice/cri-containerd-{}.scope"


@contextmanager
def kernel_log(*records: Record, priority: int = 6, since_boot: bool = True) -> Iterator[str]:
    """Give the path of a log with these records, after one of the machine's start if it is whole."""
    reading, writing = os.pipe2(os.O_DIRECT | os.O_NONBLOCK | os.O_CLOEXEC)
    now = time.monotonic_ns() // 1000
    try:
        if since_boot and records and records[0][0] is not None:
            os.write(writing, b"5,0,0,-;Linux version 6.1.0\n")
        for number, (ago, text) in enumerate(records, 1):
            at = max(0, now - (ago or 0))
            os.write(writing, f"{priority},{number},{at},-;{text}\n SUBSYSTEM=memory\n".encode())
        yield f"/proc/self/fd/{reading}"
    finally:
        os.close(reading)
        os.close(writing)


def killed(id_: str, pid: int, *, ago: int = 1000, summary: bool = True, group: tuple[int, ...] = ()) -> list[Record]:
    """What the kernel says of a process that it kills; ``group`` are the others of its cgroup."""
    scope = SCOPE.format(id_)
    one = "Memory cgroup out of memory: Killed process {} (tail) total-vm:1kB, anon-rss:1kB, UID:0 pgtables:1kB"
    texts = [f"oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg={scope},task_memcg={scope},task=tail,pid={pid},uid=0"]
    texts = texts if summary else []
    texts.append(one.format(pid))
    if group:
        texts.append(f"Tasks in {scope} are going to be killed due to memory.oom.group set")
        texts += [one.format(each) for each in group]
    return [(ago, text) for text in texts]
