"""Send a signal to the first process of a PID namespace, once it is certain that the process is the one meant.

A pid says little: its process may have ended and another one may have it by now, or it may be a number of another PID
namespace. So the process is held by a pidfd and then identified by what only the kernel says of it: it is the first
process of a namespace directly below the one whose /proc this is (``NSpid: PID 1``), and a component of its cgroup's
path contains the name that is expected. A process that has the pid while these files are read, and had it before the
pidfd was opened, is the one behind the pidfd. (pidfd_open(2), proc_pid_status(5), proc_pid_cgroup(5))
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

from cri_shim.kernel.cgroups import memberships, up_to
from cri_shim.kernel.processes import PROC, cgroups

if TYPE_CHECKING:
    from pathlib import Path

_NOT_NOW: Final = frozenset({b"D", b"t", b"Z", b"X"})
"""States in which a signal has no effect, for now or for good, or would disturb a program that traces the process, such
as criu. On cgroup v1, D also stands for a frozen process."""


def signal_namespace_init(pid: int, number: int, cgroup: str, proc: Path = PROC) -> bool:
    """Send signal ``number`` to process ``pid`` if it is the first of its PID namespace, in a cgroup named ``cgroup``.

    Return False if nothing was sent: the process has ended or is another one, it is frozen, traced or waits in the
    kernel, or the kernel or a security module does not allow it. Blocks, because reading /proc/PID/cgroup takes the
    kernel's lock for all cgroups.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not (_is_namespace_init(pid, proc) and _is_in(cgroup, cgroups(pid, proc))):
            return False
        signal.pidfd_send_signal(pidfd, number)
    except OSError:
        return False
    finally:
        os.close(pidfd)
    return True


def _is_namespace_init(pid: int, proc: Path) -> bool:
    lines = (proc / str(pid) / "status").read_bytes().splitlines()
    fields = {name: rest.split() for name, _, rest in (line.partition(b":") for line in lines)}
    return fields.get(b"NSpid") == [b"%d" % pid, b"1"] and fields[b"State"][0] not in _NOT_NOW


def _is_in(cgroup: str, text: str) -> bool:
    return any(up_to(path, cgroup) is not None for path in memberships(text).values())
