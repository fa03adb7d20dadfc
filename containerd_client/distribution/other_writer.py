"""Wait for another client that writes the same blob.

containerd allows one writer per ingest at a time and rejects others with "ref … locked". The other writer may be
``ctr``, a second daemon in the same namespace, or a writer of ours whose broken connection containerd has not noticed.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from containerd_client.distribution.values.errors import StalledError
from containerd_client.errors import NotFound, is_ingest_locked

if TYPE_CHECKING:
    from containerd_client import Containerd
    from containerd_client.errors import Unavailable

PAUSE = 0.2


class OtherWriter:
    """Waits for the other writer of one ingest as long as it makes progress; ``limit`` in seconds, 0 means forever."""

    def __init__(self, client: Containerd, ref: str, limit: float) -> None:
        self._client = client
        self._ref = ref
        self._limit = limit
        self._offset = -1
        self._since = time.monotonic()

    async def wait(self, error: Unavailable) -> None:
        """Pause after opening the ingest failed; raises ``error`` unless it says that the ingest is locked.

        Raises :class:`StalledError` if the other writer has not written a byte for ``limit`` seconds.
        """
        if not is_ingest_locked(error):
            raise error
        offset = await self._written()
        now = time.monotonic()
        if offset != self._offset:
            self._offset, self._since = offset, now
        elif self._limit and now - self._since >= self._limit:
            raise StalledError(
                f"ingest {self._ref}: another client of containerd holds it and wrote nothing for {self._limit:g} s"
            )
        await asyncio.sleep(PAUSE)

    async def _written(self) -> int:
        try:
            return (await self._client.content.status(self._ref)).offset
        except NotFound:
            return -1
