"""The verbose part of Status about the daemon itself: its parts, with the last error of each, and its numbers.

``cri-shim status`` reads it, and ``crictl info`` shows it. Names may be added, but never change. Times are seconds
since the epoch, durations milliseconds; what is not known (yet) is null.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import cri_shim
from cri_shim.ledger.front_now import front_hop, null_hop
from cri_shim.ledger.record_json import ms

if TYPE_CHECKING:
    from cri_shim.part_history import PartHistory
    from cri_shim.service import Service

INFO_KEY: Final = "daemon"
"""The key of this part in the map ``info``."""


def daemon_info(service: Service) -> dict[str, Any]:
    """Return what the daemon knows about itself as plain JSON values."""
    facts, lag = service.facts, service.facts.loop_lag
    return {
        "version": cri_shim.__version__,
        "pid": facts.pid,
        "started_at": round(facts.started_at, 3),
        "config_file": service.config.source,
        "socket": service.config.socket_path,
        "containerd_version": service.readiness.containerd_version,
        "containerd_address": service.config.containerd.address,
        "containerd_namespace": service.config.containerd.namespace,
        "connects": service.readiness.connects,
        "http_address": facts.http_address,
        "streaming_url": service.streaming.base_url,
        "parts": _parts(service),
        "pods": dict(Counter("ready" if pod.ready else "notready" for pod in service.sandboxes)),
        "containers": dict(Counter(container.state_word for container in service.containers)),
        "images": len(service.images.list()),
        "pulls_in_flight": service.puller.in_flight,
        "operations": len(service.operations),
        **null_hop(service.ledger),
        **front_hop(service.ledger),
        "loop_lag_ms": None if lag is None else ms(lag.last),
        "loop_lag_last_minute_ms": None if lag is None else ms(lag.recent),
        "loop_lag_max_ms": None if lag is None else ms(lag.greatest),
    }


def _parts(service: Service) -> list[dict[str, Any]]:
    """Return the parts in the order in which a reader wants them: those that pods need first."""
    readiness, facts = service.readiness, service.facts
    network = service.network.status()
    snapshotters = _part("snapshotters", service.snapshotters.history)
    if readiness.reason or not service.snapshotters.known(readiness.connects):
        snapshotters |= _unknown("containerd has not said which it has")
    explorer = _part("explorer", facts.http, detail=facts.http_address)
    if not service.config.http.address:
        explorer |= _unknown("it is off") | {"last_error": "", "last_error_at": None}
    return [
        _part("containerd", readiness.history)
        | {"ready": readiness.healthy, "reason": readiness.reason or readiness.silence},
        snapshotters,
        _part("network", service.network.history, detail=", ".join(network.networks)),
        _sandbox_image(service),
        _part("streaming", None, detail=service.streaming.base_url) | {"since": round(facts.started_at, 3)},
        explorer,
        _configuration(service),
    ]


def _sandbox_image(service: Service) -> dict[str, Any]:
    """Return the part; the image's absence stops no pod, and only a pull shows whether its registry has it."""
    image = service.config.image.sandbox_image
    part = _part("sandbox image", service.puller.history, detail=image)
    if service.config.sandbox.infra == "pinned" or service.images.resolve(image) is not None:
        return part
    if not service.readiness.connects:
        return part | _unknown("containerd has not been read yet")
    return part | _unknown("not here yet; the first pod that needs it pulls it")


def _configuration(service: Service) -> dict[str, Any]:
    """Return the part; a file that was refused and a restart that is needed stop no pod."""
    facts = service.facts
    part = _part("configuration", facts.configuration, detail=service.config.source)
    if facts.configuration.reason:
        return part | {"reason": f"the file was refused, the settings from before are in use: {part['reason']}"}
    return (
        part | _unknown(f"a restart is needed for {', '.join(facts.restart_needed)}") if facts.restart_needed else part
    )


def _unknown(reason: str) -> dict[str, Any]:
    return {"ready": None, "reason": reason}


def _part(name: str, history: PartHistory | None, *, detail: str = "") -> dict[str, Any]:
    """Return one part by its history; it is ready if there is no reason why not."""
    return {
        "name": name,
        "ready": history is None or not history.reason,
        "reason": "" if history is None else history.reason,
        "detail": detail,
        "since": None if history is None else round(history.since, 3),
        "last_error": "" if history is None else history.last_error,
        "last_error_at": None if history is None or not history.last_error else round(history.last_error_at, 3),
    }
