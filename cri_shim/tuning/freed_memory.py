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
    from collections.abc import Callable

    from cri_shim.kernel import Kernel

PERIOD = 30.0
"""Seconds between two looks."""
WORTH = 2 << 20
"""Bytes by which a size must differ to count as another."""
LONGEST_PAUSE = 31
"""Looks that are passed over, at most, when giving back has brought nothing."""


def own_memory() -> int:
    """Bytes in memory that are this process's alone, which pages of files are not (proc_pid_statm(5))."""
    _, resident, of_files, *_ = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return (int(resident) - int(of_files)) * resource.getpagesize()


async def give_back_memory(kernel: Kernel) -> None:
    """Look again and again how large this process is; when it is larger than it was, give back what of it is free."""
    memory = await run(FS, FreedMemory, kernel)
    while True:
        await asyncio.sleep(PERIOD)
        await run(FS, memory.look)


class FreedMemory:
    """Knows how small the daemon can be, and gives back while it is larger: at once when it has grown.

    What is in use cannot be given back, and a look in the middle of a pull finds much of it. So a daemon that stays
    large is tried again, less and less often as long as that brings nothing: its pods may need it.
    """

    def __init__(self, kernel: Kernel, size: Callable[[], int] = own_memory) -> None:
        """The size of now is taken for the smallest there is."""
        self._kernel = kernel
        self._size = size
        self._smallest = self._last = size()
        self._pause = self._passed_over = 0

    def look(self) -> None:
        """Give back what is free if the daemon is larger than it can be."""
        size = self._size()
        if size <= self._smallest + WORTH:
            return
        grown = size > self._last + WORTH
        if not grown and self._passed_over < self._pause:
            self._passed_over += 1
            return
        self._kernel.give_back_memory()
        self._last = self._size()
        self._smallest = min(self._smallest, self._last)
        brought_something = grown or self._last <= size - WORTH
        self._pause = 0 if brought_something else min(2 * self._pause + 1, LONGEST_PAUSE)
        self._passed_over = 0
