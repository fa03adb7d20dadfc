"""Check that containerd has the snapshotters that the configuration names; without them no pod can be made.

containerd's CRI plugin does not even start then. The check runs once for each connection to containerd, because a
snapshotter comes and goes with containerd's configuration.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from containerd_client import ContainerdError
from cri_shim.node.snapshotter_root import PLUGIN_TYPE
from cri_shim.part_history import PartHistory
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from containerd_client.introspection import Introspection

REASON = "SnapshotterNotReady"
ASK_AGAIN = 10.0
"""Seconds before containerd is asked again after it did not answer."""
_PATIENCE = 2.0

log = structlog.get_logger(__name__)


class SnapshotterCheck:
    """``wanted`` maps the configuration's keys that name a snapshotter to the snapshotters."""

    def __init__(self, wanted: Mapping[str, str] | None = None) -> None:
        self._wanted = dict(wanted or {})
        self._connection = -1
        self._asked_at = float("-inf")
        self._reason = ""
        self.history = PartHistory()
        """Since when all are there or one is missing."""

    def known(self, connection: int) -> bool:
        """Return whether containerd has answered since it was connected to for the ``connection``-th time."""
        return self._connection == connection

    async def reason(self, introspection: Introspection, connection: int) -> str:
        """Return what is missing as a sentence; empty if nothing is.

        ``connection`` is a number that changes with each reconnection. While containerd does not answer, its last
        answer counts; before the first one it is unknown whether something is missing, and the sentence is empty. Never
        raises.
        """
        if connection == self._connection or time.monotonic() - self._asked_at < ASK_AGAIN:
            return self._reason
        try:
            async with asyncio.timeout(_PATIENCE):
                plugins = await introspection.plugins(f"type=={PLUGIN_TYPE}")
        except (ContainerdError, TimeoutError) as error:
            self._asked_at = time.monotonic()
            log.debug("snapshotter.unknown", error=str(error))
            return self._reason
        self._connection, self._reason = connection, ""
        present = sorted(plugin.id for plugin in plugins if not plugin.HasField("init_err"))
        failed = {plugin.id: plugin.init_err.message for plugin in plugins if plugin.HasField("init_err")}
        missing = [
            f"{key} = {name!r}" + (f" ({escaped(failed[name])})" if name in failed else "")
            for key, name in self._wanted.items()
            if name not in present
        ]
        if missing:
            self._reason = (
                f"containerd has no snapshotter for {', '.join(missing)}; it has {', '.join(present) or 'none'}; "
                "configure one of these, or make containerd load the missing one"
            )
            log.error("snapshotter.missing", missing=missing, present=present)
        self.history.note(self._reason)
        return self._reason


def wanted_snapshotters(default: str, handlers: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration's keys and the snapshotters they name.

    ``handlers`` maps each handler to the snapshotter of its own, or to an empty text.
    """
    own = {f"containerd.runtimes.{name}.snapshotter": snapshotter for name, snapshotter in handlers.items()}
    return {"containerd.snapshotter": default} | {key: name for key, name in own.items() if name}
