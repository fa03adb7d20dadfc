"""What the explorer page shows about the daemon and its node, beside the requests themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import cri_shim
from cri_shim.ledger.front_now import front_hop, null_hop
from cri_shim.ledger.record_json import ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cri_shim.service import Service
    from cri_shim.telemetry.loop_lag import LoopLag


def about_node(service: Service, lag: LoopLag) -> Callable[[], Mapping[str, Any]]:
    """Return the function that answers ``/api/node``; a value that is not known (yet) is null or empty."""
    started_at = time.time()

    def described() -> Mapping[str, Any]:
        return {
            "version": cri_shim.__version__,
            "containerd_version": service.readiness.containerd_version,
            "containerd_address": service.config.containerd.address,
            **null_hop(service.ledger),
            **front_hop(service.ledger),
            "loop_lag_ms": ms(lag.last),
            "started_at": round(started_at, 3),
            "ready": service.readiness.healthy,
            "why_not": service.readiness.reason or service.readiness.silence,
            "pods": len(service.sandboxes),
            "containers": len(service.containers),
        }

    return described
