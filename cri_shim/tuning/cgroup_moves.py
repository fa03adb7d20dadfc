"""Make the kernel prepare in advance for the next move of a process into a cgroup, which would have to wait otherwise.

Moving a process takes a lock that every fork takes too (``cgroup_threadgroup_rwsem``). The lock is made so that forks
pay nothing; the price is that the first move in a while waits until every core has passed a quiet state, 6 to 8 ms on
an idle machine, and that moves within the next ten milliseconds find this done. An OCI runtime moves each process that
it makes, and waits in the middle of its work. So this daemon makes a move of its own when it asks for a process: it
moves itself to where it is, which changes nothing, and the wait passes while shim and runtime are being started.
(docs/adr/0022; cgroups(7), kernel/cgroup/cgroup.c ``cgroup_attach_lock``, kernel/rcu/sync.c)
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

import structlog

from cri_shim.kernel.cgroups import Hierarchies
from cri_shim.kernel.executors import FS

if TYPE_CHECKING:
    from collections.abc import Callable

STAYS_READY: Final = 0.01
"""Seconds after which, at the earliest, a move would have to wait again."""

log = structlog.get_logger(__name__)


class CgroupMoves:
    """Prepares the kernel for a move by ``cgroup_moves.prepare()``, which returns at once and never fails."""

    def __init__(self, move: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        """``move`` blocks while the kernel prepares; if it raises OSError, no further attempt is made."""
        self._move = move
        self._clock = clock
        self._begun = -STAYS_READY
        self._works = True

    @classmethod
    def of_this_process(cls, *, cgroup_v2: bool) -> CgroupMoves:
        """Return an instance for a node whose containers are in cgroup v2, or in v1's hierarchies."""
        hierarchies = Hierarchies.read(unified=cgroup_v2)
        return cls(lambda: rejoin_cgroup(hierarchies))

    def prepare(self) -> None:
        """Start preparing, unless that has just been done."""
        now = self._clock()
        if self._works and now - self._begun >= STAYS_READY:
            self._begun = now
            FS.submit(self._prepare)

    def _prepare(self) -> None:
        try:
            self._move()
        except OSError as error:
            # The cgroups are not ours to write to, for instance inside a container: runtimes then wait as before.
            self._works = False
            log.debug("cgroup_moves.not_prepared", error=str(error))


def rejoin_cgroup(hierarchies: Hierarchies) -> None:
    """Move this process into the cgroup that it is in. Blocks; raises OSError if it may not, or does not see it.

    All hierarchies share one lock, so any of them will do. The present cgroup is read each time, because another
    program may have moved this process and must not find it moved back.
    """
    path = hierarchies.own()
    if path is None:
        raise FileNotFoundError("the cgroup of this process is not in any mounted hierarchy")
    descriptor = os.open(f"{path}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, b"0")  # 0 stands for the process that writes
    finally:
        os.close(descriptor)
