"""A request as the daemon's listener answers, for the views that draw it."""

from __future__ import annotations

from typing import Any, Final

BILL: Final[dict[str, Any]] = {
    "wall_ms": 100.0,
    "hops_ms": 60.0,
    "hops_sum_ms": 70.0,
    "helpers_ms": 30.0,
    "helpers_sum_ms": 30.0,
    "own_ms": 20.0,
    "transport_ms": 5.0,
    "work_ms": 19.0,
    "work_cpu_ms": 12.0,
    "work_wait_ms": 7.0,
    "queue_ms": 1.0,
    "world_ms": 75.0,
    "front_ms": 1.0,
    "front_error_ms": 0.2,
    "front_known": "estimate",
    "price_ms": 25.0,
    "price_error_ms": 0.5,
    "daemon_sum_ms": 65.0,
    "transport_sum_ms": 5.0,
    "transport_error_ms": 0.3,
    "wait_ms": 0.0,
    "split": "estimate",
}


def hop(method: str, start: float, duration: float, **changes: Any) -> dict[str, Any]:
    """Return a hop as a daemon of the release before has it: without what follows from the rest."""
    return {
        "method": f"containerd.services.{method}",
        "start_ms": start,
        "duration_ms": duration,
        "bytes_out": 1200,
        "bytes_in": 8,
        "attempts": 1,
        "code": "OK",
        "daemon_ms": 0.0,
        "transport_ms": 0.0,
        "transport_error_ms": 0.0,
        "split": "none",
        **changes,
    }


HELPER: Final[dict[str, Any]] = {
    "name": "bridge",
    "command": "ADD",
    "start_ms": 55.0,
    "duration_ms": 30.0,
    "exit_code": 0,
}

RECORD: Final[dict[str, Any]] = {
    "id": 7,
    "method": "RunPodSandbox",
    "api": "v1",
    "subject": {"name": "web"},
    "started_at": 1763942400.0,
    "code": "OK",
    "error": "",
    "trace_id": "",
    "running": False,
    "bill": BILL,
    "hop_count": 2,
    "helper_count": 1,
    "bytes_out": 2400,
    "bytes_in": 16,
    "retries": 1,
    "hops": [hop("containers.v1.Containers/Create", 0.0, 20.0), hop("tasks.v1.Tasks/Create", 50.0, 50.0, attempts=2)],
    "helpers": [HELPER],
    "stages": [],
    "waits": [
        {"name": "lock", "start_ms": 20.0, "duration_ms": 1.0, "part": "queue"},
        {"name": "exit", "start_ms": 21.0, "duration_ms": 4.0, "part": "world"},
    ],
}

NO_OPTIONS: Final[dict[str, Any]] = {
    "format": "",
    "pod": "",
    "seconds": None,
    "listen": "",
    "recording": "",
    "replay": False,
}
"""The options of ``hops`` that only some of its commands have, none given."""
