"""Examine the node without hanging for ever: a stalled file system keeps a call in the kernel, which nothing can end.

The examination therefore runs in a thread of its own. When it makes no progress, its outcomes so far are the report,
and the process has to end without that thread.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future, wait
from threading import Thread
from typing import TYPE_CHECKING, Final

from cri_shim.doctor.codes import CODES
from cri_shim.doctor.examination import Examination
from cri_shim.doctor.examine import examine
from cri_shim.doctor.facts.place import quoted
from cri_shim.kernel.mountinfo import read_mountinfo

if TYPE_CHECKING:
    from cri_shim.config import Config
    from cri_shim.doctor.facts.place import Place

PATIENCE: Final = 25.0
"""Seconds for one check; containerd may take up to 23 for all its answers."""
NETWORK_PATIENCE: Final = 45.0
"""The same where the registry may be asked, which takes up to 30."""

_POLL: Final = 0.5
_REMOTE: Final = ("nfs", "cifs", "smb", "fuse", "9p", "ceph", "gluster", "lustre", "afs", "virtiofs", "autofs")
_SHOWN: Final = 3


def examine_within_time(config: Config, place: Place, *, network: bool) -> tuple[Examination, bool]:
    """Examine the node. The second value is whether it stalled: the process must then end by ``os._exit``."""
    examination = Examination()
    patience = NETWORK_PATIENCE if network else PATIENCE
    job: Future[None] = Future()

    def work() -> None:
        try:
            asyncio.run(examine(config, place, examination, network=network))
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            job.set_exception(error)
        else:
            job.set_result(None)

    # A thread of a pool would keep an interrupted process from its end.
    Thread(target=work, name="doctor", daemon=True).start()
    progress, since = (0, examination.current), time.monotonic()
    while not wait({job}, _POLL).done:
        reached = (len(examination.outcomes), examination.current)
        if reached != progress:
            progress, since = reached, time.monotonic()
        elif time.monotonic() - since >= patience:
            return _stalled(examination, place, patience), True
    job.result()
    return examination, False


def _stalled(examination: Examination, place: Place, patience: float) -> Examination:
    """Return what is known, with the check that stalled as unknown and those after it as not made."""
    report = Examination()
    report.outcomes = list(examination.outcomes)  # the thread may wake up, and add to its own
    known = {outcome.code for outcome in report.outcomes}
    stalled = examination.current
    if stalled is not None:
        remote = [
            mount.path for mount in read_mountinfo(str(place.proc / "self/mountinfo")) if _is_remote(mount.fstype)
        ]
        report.outcomes.append(
            stalled.unknown(
                f"this check did not end within {patience:g} s: a file system does not answer",
                "find out which one, and mend or unmount it:",
                *(f"$ timeout -s KILL 5 stat -f {quoted(path)}" for path in remote[:_SHOWN]),
                *(() if 0 < len(remote) <= _SHOWN else ("$ findmnt -D",)),
            )
        )
        known.add(stalled.name)
    report.skip((code for code in CODES if code.name not in known), "a check before it did not end")
    return report


def _is_remote(kind: str) -> bool:
    return kind.startswith(_REMOTE) and kind != "fusectl"
