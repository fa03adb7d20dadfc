"""Cache how containers' own processes run, because exec'd commands run likewise: user, capabilities, limits, env.

The container's record holds it, and it never changes except for the OOM score, which UpdateContainerResources writes.
A probe runs the same command in the same container every few seconds, so the specs used last are kept, as JSON.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from cri_shim.state.stored.spec import process_of

if TYPE_CHECKING:
    from containerd_client import Containerd

CAPACITY = 256
"""Containers; each takes one or two kilobytes."""


class ProcessSpecs:
    """The ``process`` part of runtime specs, by container id, from memory or else from containerd."""

    def __init__(self, client: Containerd) -> None:
        self._client = client
        self._cache: OrderedDict[str, str] = OrderedDict()
        self._changes = 0

    async def of(self, container_id: str) -> dict[str, Any]:
        """Return a copy that the caller may change; raises CriError if it cannot be read, and ContainerdError."""
        cached = self._cache.get(container_id)
        if cached is not None:
            self._cache.move_to_end(container_id)
            spec: dict[str, Any] = json.loads(cached)
            return spec
        before = self._changes
        process: dict[str, Any] = process_of(await self._client.containers.get(container_id))
        if self._changes == before:  # otherwise this may be the version before the change
            self._cache[container_id] = json.dumps(process, separators=(",", ":"))
            if len(self._cache) > CAPACITY:
                self._cache.popitem(last=False)
        return process

    def forget(self, container_id: str) -> None:
        """Drop a cached spec because the record has changed; the next call asks containerd."""
        self._changes += 1
        self._cache.pop(container_id, None)
