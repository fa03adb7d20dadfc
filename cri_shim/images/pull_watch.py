"""The watcher of pulls that writes into the record of the request in hand."""

from __future__ import annotations

from cri_shim.timeline import awaited, stage


class TimelineWatch:
    """A :class:`~containerd_client.distribution.watch.Watch`: phases are stages, waits are waits."""

    phase = stage
    waits = awaited
