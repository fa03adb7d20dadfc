"""The watcher of pulls that writes into the record of the current request."""

from __future__ import annotations

from cri_shim.timeline import awaited, stage


class TimelineWatch:
    """A :class:`~containerd_client.distribution.watch.Watch` whose phases become stages, and whose waits stay waits."""

    phase = stage
    waits = awaited
