"""Let go of pages of programs and libraries that only the start, an import or a piece of work has touched.

A page of a library that was needed once stays mapped for good, and the kernel maps its neighbours with it: half of what
this daemon has of its libraries it never looks at again. Each library's pages are let go of some time after it was
loaded, and all of them when a daemon that had work to do is quiet again; those that are needed come back from the page
cache, a soft fault for sixteen. A node that is short of memory finds the others unmapped, which are the first it takes.
(docs/adr/0021; madvise(2), proc_pid_smaps(5))
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cri_shim.kernel import Kernel

QUIET: Final = 1.5
"""Seconds of CPU time between two looks, 30 s apart, up to which a daemon is quiet: a twentieth of a core."""

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


class StartPages:
    """Knows what was let go of already. What it does blocks for a moment: call it in an executor."""

    def __init__(self, kernel: Kernel, cpu_time: Callable[[], float] = time.process_time) -> None:
        self._kernel = kernel
        self._cpu_time = cpu_time
        self._cpu = cpu_time()
        self._worked = False
        """It was not quiet between the last two looks."""
        self._before: frozenset[Mapping] = frozenset()
        self._known: frozenset[Mapping] = frozenset()

    def look(self) -> None:
        """Let go of what is new since the look before the last one, or of all when there is quiet after work.

        Never of what is younger: a library that is being loaded is mapped as a whole first, and what is written into
        its parts then (relocations) would be lost.
        """
        now = frozenset(read_only_mappings(_MAPS.read_text()))
        ready = now & self._before
        new = ready - self._known
        self._before = now
        self._known = ready
        cpu, before = self._cpu_time(), self._cpu
        self._cpu = cpu
        works = cpu - before > QUIET
        self._let_go(ready if self._worked and not works else new)
        self._worked = works

    def _let_go(self, mappings: frozenset[Mapping]) -> None:
        if mappings and _SMAPS.exists():
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
