"""What the explorer page says of the daemon and the node it runs on, beside the requests themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import cri_shim
from cri_shim.hops.record_json import ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cri_shim.hops.loop_lag import LoopLag
    from cri_shim.service import Service


def about_node(service: Service, lag: LoopLag) -> Callable[[], Mapping[str, Any]]:
    """The answer of ``/api/node``; what is not known (yet) is null or empty."""
    started_at = time.time()

    def told() -> Mapping[str, Any]:
        null_call = service.ledger.transport.curve.at(1.0)
        return {
            "version": cri_shim.__version__,
            "containerd_version": service.readiness.containerd_version,
            "containerd_address": service.config.containerd.address,
            "null_hop_ms": None if null_call is None else ms(null_call.seconds),
            "loop_lag_ms": ms(lag.last),
            "started_at": round(started_at, 3),
            "ready": service.readiness.ready,
            "why_not": service.readiness.why_not,
            "pods": len(service.sandboxes),
            "containers": len(service.containers),
        }

    return told
