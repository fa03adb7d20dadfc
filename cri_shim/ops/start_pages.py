"""Let go of pages of programs and libraries that only the start, an import or a piece of work has touched.

A page of a library that was needed once stays mapped for good, and the kernel maps its neighbours with it: half of what
this daemon has of its libraries it never looks at again. Each library's pages are let go of some time after it was
loaded, and all of them when they have become more than what the daemon went on to use; those that are needed come back
from the page cache, a soft fault for sixteen. A node that is short of memory finds the others unmapped, which are the
first it takes. (docs/adr/0021; madvise(2), proc_pid_smaps(5))
"""

from __future__ import annotations

import re
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cri_shim.kernel import Kernel

WORTH: Final = 2 << 20
"""Bytes by which they must exceed what they can be to be let go of again."""
LONGEST_PAUSE: Final = 7
"""Looks that are passed over, at most, when letting go has brought nothing."""

_READ_ONLY: Final = ("r-xp", "r--p")
_MAPS: Final = Path("/proc/self/maps")
_SMAPS: Final = Path("/proc/self/smaps")
_BLOCK: Final = re.compile(r"^(?=[0-9a-f]+-)", re.MULTILINE)
_NONE_OWN: Final = re.compile(r"^Anonymous: +0 kB$", re.MULTILINE)
_SWAPPED: Final = re.compile(r"^Swap: +[1-9]", re.MULTILINE)


class Mapping(NamedTuple):
    """A part of a file that is mapped and cannot be written to."""

    start: int
    end: int
    permissions: str
    file: str


def memory_of_files() -> int:
    """Bytes that this process has mapped in of files (proc_pid_statm(5))."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[2]) * resource.getpagesize()


class StartPages:
    """Knows what was let go of already, and how few pages can do. It blocks for a moment: call it in an executor."""

    def __init__(self, kernel: Kernel, size: Callable[[], int] = memory_of_files) -> None:
        self._kernel = kernel
        self._size = size
        self._before: frozenset[Mapping] = frozenset()
        self._known: frozenset[Mapping] = frozenset()
        self._smallest = size()
        self._let_go_at = 0
        """How large they were when they were let go of a look ago."""
        self._pause = self._passed_over = 0

    def look(self) -> None:
        """Let go of what is new since the look before the last one, or of all when that is more than it can be.

        Never of what is younger: a library that is being loaded is mapped as a whole first, and what is written into
        its parts then (relocations) would be lost.
        """
        now = frozenset(read_only_mappings(_MAPS.read_text()))
        ready = now & self._before
        new = ready - self._known
        self._before = now
        self._known = ready
        size = self._size()
        if self._let_go_at:
            self._learn(size)
        if new:
            self._let_go(new, size)
        elif size > self._smallest + WORTH:
            if self._passed_over < self._pause:
                self._passed_over += 1
            else:
                self._let_go(ready, size)

    def _learn(self, size: int) -> None:
        # What is in use has come back by now. A daemon that has work to do needs it, and is left alone for a while.
        brought_something = size <= self._let_go_at - WORTH
        self._pause = 0 if brought_something else min(2 * self._pause + 1, LONGEST_PAUSE)
        self._passed_over = 0
        self._smallest = min(self._smallest, size)
        self._let_go_at = 0

    def _let_go(self, mappings: frozenset[Mapping], size: int) -> None:
        self._let_go_at = size
        if _SMAPS.exists():
            clean = frozenset(clean_mappings(_SMAPS.read_text()))
            self._kernel.let_go_of_pages([(each.start, each.end) for each in sorted(mappings & clean)])


def read_only_mappings(maps: str) -> Iterator[Mapping]:
    """Those of files, in the text of /proc/self/maps."""
    for line in maps.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[1] in _READ_ONLY and fields[5].startswith("/"):
            start, _, end = fields[0].partition("-")
            yield Mapping(int(start, 16), int(end, 16), fields[1], fields[5])


def clean_mappings(smaps: str) -> Iterator[Mapping]:
    """Those of them, in the text of /proc/self/smaps, whose pages are all in the file.

    Not those that were written to before they were made read-only: what was written is nowhere else.
    """
    for block in _BLOCK.split(smaps):
        heading, _, facts = block.partition("\n")
        if _NONE_OWN.search(facts) and not _SWAPPED.search(facts):
            yield from read_only_mappings(heading)
