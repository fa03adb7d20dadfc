"""How containers' own processes run, by which commands are run in them: user, capabilities, limits, environment.

It is in the container's record and never changes, except for the OOM score, which UpdateContainerResources writes. A
probe runs the same command in the same container every few seconds, so what the last containers had is kept, as JSON.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from cri_shim.state.stored.spec import read_spec

if TYPE_CHECKING:
    from containerd_client import Containerd

CAPACITY = 256
"""Containers; each takes a kilobyte or two."""


class ProcessSpecs:
    """The ``process`` of runtime specs, by container id, from memory or else from containerd."""

    def __init__(self, client: Containerd) -> None:
        self._client = client
        self._cache: OrderedDict[str, str] = OrderedDict()
        self._changes = 0

    async def of(self, container_id: str) -> dict[str, Any]:
        """Return one, the caller's own to change. Raises ValueError for an unreadable record, a ContainerdError."""
        cached = self._cache.get(container_id)
        if cached is not None:
            self._cache.move_to_end(container_id)
            spec: dict[str, Any] = json.loads(cached)
            return spec
        before = self._changes
        process: dict[str, Any] = read_spec(await self._client.containers.get(container_id))["process"]
        if self._changes == before:  # else it may be what was there before the change
            self._cache[container_id] = json.dumps(process, separators=(",", ":"))
            if len(self._cache) > CAPACITY:
                self._cache.popitem(last=False)
        return process

    def forget(self, container_id: str) -> None:
        """Ask containerd the next time: the record has been changed."""
        self._changes += 1
        self._cache.pop(container_id, None)
