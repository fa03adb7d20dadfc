"""Notice that the file which holds a pod's network namespace has vanished.

Another program may unmount and remove the file while the pod's processes run. No container can join the namespace
then, so the pod becomes not ready and shows no address, and the kubelet makes a new one. inotify reports the removal of
the file at once; an unmount without removal is noticed by each PodSandboxStatus and by the monitor's sweep.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog
from asyncinotify import Inotify, Mask

from cri_shim.kernel.protocol import is_namespace_file

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.kernel import Kernel
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox

_UNTIL_THERE: Final = 5.0  # seconds between checks for the directory, which the first pod makes
_OWN_REMOVAL: Final = 0.1  # seconds that the daemon may need to record a removal of its own
_REMOVED: Final = Mask.DELETE | Mask.MOVED_FROM | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.ONLYDIR
_ENDED: Final = Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.IGNORED | Mask.UNMOUNT

log = structlog.get_logger(__name__)


async def watch(kernel: Kernel, directory: Path, sandboxes: Index[Sandbox]) -> None:
    """Check each pod whose file in ``directory`` is removed; return when the directory itself is removed."""
    loop = asyncio.get_running_loop()

    def poll_again(sandbox_id: str) -> None:
        if sandbox_id in sandboxes:
            poll(kernel, sandboxes, sandboxes.get(sandbox_id))

    with Inotify() as inotify:
        while not _watched(inotify, directory):  # noqa: ASYNC110 - no event comes from what is not there
            await asyncio.sleep(_UNTIL_THERE)
        async for event in inotify:
            if event.mask & _ENDED:
                return
            path = str(directory / (event.name or ""))
            for sandbox in sandboxes:
                if sandbox.netns_path == path:
                    loop.call_later(_OWN_REMOVAL, poll_again, sandbox.id)


def _watched(inotify: Inotify, directory: Path) -> bool:
    try:
        inotify.add_watch(directory, _REMOVED)
    except FileNotFoundError:
        return False
    return True


def poll(kernel: Kernel, sandboxes: Index[Sandbox], sandbox: Sandbox) -> Sandbox:
    """Check the file once and return the pod as it is then: a ready pod without its namespace becomes not ready.

    While the file cannot be inspected, the pod stays as it was.
    """
    if not sandbox.ready or not sandbox.netns_path:
        return sandbox
    with suppress(OSError):
        if not is_namespace_file(kernel, sandbox.netns_path):
            log.warning("sandbox.network_namespace_vanished", sandbox_id=sandbox.id, path=sandbox.netns_path)
            return sandboxes.update(sandbox.id, lambda current: current.replace(netns_gone=True)) or sandbox
    return sandbox
