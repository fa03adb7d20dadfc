"""Notice that the network configuration may have changed, quickly and in any event.

inotify watches the configuration directory and its parent (the directory may come later, or be replaced as a whole). A
poll every few seconds catches what inotify does not report, or cannot watch because its handles are used up. Missed
changes have kept nodes NotReady until someone restarted the runtime (containerd issue 8419).
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from asyncinotify import Inotify, Mask

_GATHER: Final = 0.05  # seconds; an installer writes several files, and each of them in several steps
_MASK: Final = (
    Mask.CREATE | Mask.CLOSE_WRITE | Mask.MOVED_FROM | Mask.MOVED_TO | Mask.DELETE | Mask.DELETE_SELF | Mask.MOVE_SELF
)


class DirectoryWatcher:
    """Wakes its waiter when something happens in ``directory``, and at the latest after ``interval`` seconds."""

    def __init__(self, directory: str, interval: float) -> None:
        self._directory = Path(directory)
        self._interval = interval
        self._changed = asyncio.Event()
        self._inotify: Inotify | None = None

    def __enter__(self) -> Self:
        """Start watching.

        Where inotify is not available (its handles are used up), only the interval remains.
        """
        with suppress(OSError):
            self._inotify = Inotify(sync_timeout=0)  # 0: sync_get() returns None instead of blocking the loop
            # asyncinotify 4.4 passes O_CLOEXEC in place of O_NONBLOCK, so `_drain` would block the loop.
            os.set_blocking(self._inotify.fd, False)
            asyncio.get_running_loop().add_reader(self._inotify.fd, self._drain, self._inotify)
        self._arm()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching and free the handle."""
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None

    def poke(self) -> None:
        """Wake the waiter now."""
        self._changed.set()

    async def wait(self) -> None:
        """Return when something may have changed; several changes in a row wake the waiter once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval):
                await self._changed.wait()
            await asyncio.sleep(_GATHER)
        self._changed.clear()
        self._arm()

    def _arm(self) -> None:
        """Watch (again) the paths as they are now; watching the same directory twice changes nothing."""
        for path in (self._directory, self._directory.parent):
            with suppress(OSError):
                if self._inotify is not None:
                    self._inotify.add_watch(path, _MASK)

    def _drain(self, inotify: Inotify) -> None:
        while inotify.sync_get() is not None:
            self._changed.set()
