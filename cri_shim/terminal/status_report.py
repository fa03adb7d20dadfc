"""Put the answers of a daemon into one document, which ``cri-shim status -o json`` prints.

Keys may be added, but never change. What the daemon does not say, because it does not know it or is older than this
command, is null.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from untrusted import DocumentError, parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.terminal.status_client import Answers

_CONDITIONS: Final = {"RuntimeReady": "containerd", "NetworkReady": "network"}
"""The conditions without which no pod starts, and the part that each is about."""
_OLDER: Final = ("snapshotters", "sandbox image", "streaming", "explorer")
"""Parts of which a daemon of 0.2 says nothing."""
_LATEST: Final = 1e12
"""Seconds since 1970 that a clock may show."""
_COPIED: Final = (
    *("images", "pulls_in_flight", "operations", "connects"),
    *("null_hop_ms", "null_hop_error_ms", "front_ms", "front_error_ms"),
    *("loop_lag_ms", "loop_lag_last_minute_ms", "loop_lag_max_ms"),
)


def no_daemon(error: str, socket: str | None) -> dict[str, Any]:
    """Return the document of a daemon that cannot be asked; without a ``socket`` it is unknown which that would be."""
    return {"ready": False, "reasons": [error], "error": error, "daemon": {"socket": socket}}


def report(answers: Answers, socket: str) -> dict[str, Any]:
    """Return the document of a daemon that has answered."""
    own, config = _json(answers.status.info, "daemon"), _json(answers.status.info, "config")
    conditions = {each.type: each for each in answers.status.status.conditions}
    reasons = [
        f"{part}: {conditions[name].message or conditions[name].reason}" if name in conditions else f"{part}: unknown"
        for name, part in _CONDITIONS.items()
        if name not in conditions or not conditions[name].status
    ]
    started_at = _number(own.get("started_at"))
    return {
        "ready": not reasons,
        "reasons": reasons,
        "error": "",
        "version": answers.version.runtime_version,
        "api": answers.version.runtime_api_version,
        "daemon": {
            "socket": socket,
            "pid": own.get("pid"),
            "started_at": started_at,
            "uptime_s": None if started_at is None else round(max(0.0, time.time() - started_at), 3),
            "config_file": own.get("config_file"),
        },
        "containerd": {
            "version": own.get("containerd_version"),
            "address": own.get("containerd_address", config.get("containerdEndpoint")),
            "namespace": own.get("containerd_namespace"),
        },
        "parts": _parts(own) or _older_parts(conditions),
        "warnings": [
            f"{name}: {each.message or each.reason}"
            for name, each in conditions.items()
            if name not in _CONDITIONS and not each.status
        ],
        "handlers": _handlers(answers.status, config),
        "pods": _counts(own, "pods", answers.pods, _POD_STATES),
        "containers": _counts(own, "containers", answers.containers, _CONTAINER_STATES),
        "explorer": own.get("http_address"),
        **{name: own.get(name) for name in _COPIED},
    }


_POD_STATES: Final = {cri.SANDBOX_READY: "ready", cri.SANDBOX_NOTREADY: "notready"}
_CONTAINER_STATES: Final = {
    cri.CONTAINER_CREATED: "created",
    cri.CONTAINER_RUNNING: "running",
    cri.CONTAINER_EXITED: "exited",
    cri.CONTAINER_UNKNOWN: "unknown",
}


def _json(info: Mapping[str, str], name: str) -> dict[str, Any]:
    """Return one part of the verbose Status; one that is absent or no object says nothing."""
    try:
        return parse_object(info[name].encode()).plain() if name in info else {}
    except DocumentError:
        return {}


def _number(value: Any) -> float | None:
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if known and abs(value) < _LATEST else None


def _parts(own: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = own.get("parts")
    return [each for each in parts if isinstance(each, dict) and "name" in each] if isinstance(parts, list) else []


def _older_parts(conditions: Mapping[str, cri.RuntimeCondition]) -> list[dict[str, Any]]:
    """Return the parts of a daemon that reports conditions only."""
    known = [
        _part(part, ready=conditions[name].status, reason=conditions[name].message)
        for name, part in _CONDITIONS.items()
        if name in conditions
    ]
    return known + [_part(name, ready=None, reason="") for name in _OLDER]


def _part(name: str, *, ready: bool | None, reason: str) -> dict[str, Any]:
    unknown = {"detail": "", "since": None, "last_error": "", "last_error_at": None}
    return {"name": name, "ready": ready, "reason": reason, **unknown}


def _handlers(status: cri.StatusResponse, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the runtime handlers; the response has the default one a second time, without a name."""
    table = config.get("containerd")
    default = table.get("default_runtime_name") if isinstance(table, dict) else None
    return [
        {
            "name": each.name,
            "default": None if default is None else each.name == default,
            "recursive_read_only_mounts": each.features.recursive_read_only_mounts,
            "user_namespaces": each.features.user_namespaces,
        }
        for each in status.runtime_handlers
        if each.name
    ]


def _counts(
    own: Mapping[str, Any], name: str, states: list[int] | None, words: Mapping[Any, str]
) -> dict[str, int] | None:
    """Return how many are in which state: as the daemon counts them, else as it lists them."""
    counted = own.get(name)
    if isinstance(counted, dict):
        return {str(state): number for state, number in counted.items() if isinstance(number, int)}
    return None if states is None else dict(Counter(words.get(state, "unknown") for state in states))
