"""Give memory that was needed for a moment back to the kernel.

glibc keeps what is freed below the top of its heaps: after a pull or a long stream a daemon would hold some 20 MiB that
nobody uses. A node's memory belongs to its pods.
"""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.kernel.executors import FS, run

if TYPE_CHECKING:
    from cri_shim.kernel import Kernel

PERIOD = 30.0
"""Seconds between two looks."""
WORTH = 2 << 20
"""Bytes by which the daemon must have grown; a quiet one is left alone."""


async def give_back_freed_memory(kernel: Kernel) -> None:
    """Look again and again how large this process is; when it has grown, give back what of it is free."""
    smallest = 0
    while True:
        await asyncio.sleep(PERIOD)
        smallest = await run(FS, give_back, kernel, smallest)


def give_back(kernel: Kernel, smallest: int) -> int:
    """Do it if this process has grown beyond ``smallest`` bytes; return its size afterwards, or ``smallest``."""
    if resident() <= smallest + WORTH:
        return smallest
    kernel.give_back_memory()
    return resident()


def resident() -> int:
    """Bytes of this process that are in memory (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
