"""Report containerd's deprecation warnings about its configuration as a condition of the node.

containerd 1.7 and later return them from Introspection/Server; 1.6 has none. Status passes them on under the name that
the in-process plugin uses, and only if there are any. containerd is asked at most once a minute, and never while it is
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
"""Seconds between two requests: a warning can come up at any time, with the first use of a feature."""
_PATIENCE = 2.0


class Deprecations:
    """The warnings, as of the last time that containerd answered."""

    def __init__(self, ignored: Iterable[str] = ()) -> None:
        """Leave out the warnings whose names are in ``ignored``."""
        self.ignored = frozenset(ignored)
        """Names of warnings that are left out; may be replaced at any time."""
        self._warnings: Mapping[str, str] = {}
        self._asked_at = float("-inf")

    async def conditions(self, introspection: Introspection) -> list[cri.RuntimeCondition]:
        """Return one condition with all warnings by their names in its message, or none.

        Never raises.
        """
        if time.monotonic() - self._asked_at >= ASK_EVERY:
            self._asked_at = time.monotonic()
            try:
                async with asyncio.timeout(_PATIENCE):
                    server = await introspection.server()
            except (ContainerdError, TimeoutError):
                pass  # the last answer stays valid until the next one
            else:
                self._warnings = {warning.id: warning.message for warning in server.deprecations}
        shown = {id_: message for id_, message in self._warnings.items() if id_ not in self.ignored}
        if not shown:
            return []
        message = json.dumps(shown, sort_keys=True)
        return [cri.RuntimeCondition(type=CONDITION, status=False, reason=REASON, message=message)]
