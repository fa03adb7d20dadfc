"""What containerd says is going away of the things that it was configured with, as a condition of the node.

containerd 1.7 and later tell it by Introspection/Server; 1.6 has nothing to tell. Status passes it on under the
in-process plugin's name, and only where there is something. Asked at most once a minute, and never while containerd is
away. Source: containerd ``internal/cri/server/status.go``.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

from containerd_client import ContainerdError
from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from containerd_client.introspection import Introspection

CONDITION = "ContainerdHasNoDeprecationWarnings"
REASON = "ContainerdHasDeprecationWarnings"
ASK_EVERY = 60.0
"""Seconds: a warning can come up at any time, with the first use of something."""
_PATIENCE = 2.0


class Deprecations:
    """The warnings, as of the last time that containerd answered."""

    def __init__(self, ignored: Iterable[str] = ()) -> None:
        """``ignored`` are the names of warnings that are left out."""
        self._ignored = frozenset(ignored)
        self._warnings: Mapping[str, str] = {}
        self._asked = float("-inf")

    async def conditions(self, introspection: Introspection) -> list[cri.RuntimeCondition]:
        """One condition with all warnings by their names in its message, or none. Never raises."""
        if time.monotonic() - self._asked >= ASK_EVERY:
            self._asked = time.monotonic()
            try:
                async with asyncio.timeout(_PATIENCE):
                    server = await introspection.server()
            except (ContainerdError, TimeoutError):
                pass  # the last answer holds until the next
            else:
                self._warnings = {
                    warning.id: warning.message for warning in server.deprecations if warning.id not in self._ignored
                }
        if not self._warnings:
            return []
        message = json.dumps(dict(self._warnings), sort_keys=True)
        return [cri.RuntimeCondition(type=CONDITION, status=False, reason=REASON, message=message)]
